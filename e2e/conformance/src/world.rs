//! The cluster as clients see it: addresses, and a key that makes tokens.

use std::net::SocketAddr;

use anyhow::Context;
use e2e_faults::LocalCluster;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Client, Session, token};
use jsonwebtoken::Algorithm;

/// Where clients connect.
#[derive(Debug, Clone)]
pub struct World {
    pub gateways: Vec<Gateway>,
    pub key: String,
}

#[derive(Debug, Clone)]
pub struct Gateway {
    pub replica: String,
    pub address: SocketAddr,
}

impl World {
    pub async fn of(cluster: &mut LocalCluster) -> anyhow::Result<Self> {
        let status = cluster.status().await?;
        let gateway =
            |replica: &e2e_faults::Replica| Gateway { replica: replica.name.clone(), address: replica.client };
        let key =
            std::fs::read_to_string(cluster.data().join("token.key")).context("failed to read the tokens' key")?;
        Ok(Self { gateways: status.replicas().map(gateway).collect(), key })
    }

    /// The number of a replica's gateway.
    pub fn at(&self, replica: &str) -> anyhow::Result<usize> {
        self.gateways.iter().position(|gateway| gateway.replica == replica).context("no such replica")
    }

    pub fn token(&self, user: &str) -> anyhow::Result<String> {
        token::sign(Algorithm::HS256, &self.key, &token::claims(user))
    }

    /// A WebSocket on which nothing was said yet.
    pub async fn connect(&self, gateway: usize) -> anyhow::Result<Client> {
        Client::connect(self.gateways[gateway % self.gateways.len()].address).await
    }

    /// A session of a device without a cursor, from `hello` to `live`.
    pub async fn open(&self, user: &str, device: &str, gateway: usize) -> anyhow::Result<Session> {
        Session::open(self.connect(gateway).await?, &self.token(user)?, device, None).await
    }

    /// The same from a cursor.
    pub async fn resume(
        &self,
        user: &str,
        device: &str,
        gateway: usize,
        ep: &str,
        useq: u64,
    ) -> anyhow::Result<Session> {
        let cursor = json!({"ep": ep, "useq": useq});
        Session::open(self.connect(gateway).await?, &self.token(user)?, device, Some(cursor)).await
    }

    /// The answer to a `hello` with this token: `welcome`, or the error with the close code.
    pub async fn verdict(&self, token: &str, device: &str) -> anyhow::Result<(Value, Option<u16>)> {
        let mut client = self.connect(0).await?;
        client.send(&json!({"t": "hello", "v": 1, "dev": device, "tok": token})).await?;
        let answer = client.expect().await?;
        let code = if answer["t"] == "welcome" { None } else { Some(client.closed().await?) };
        Ok((answer, code))
    }

    /// The first line of the answer to an HTTP request.
    pub async fn http(&self, request_line: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.gateways[0].address).await?;
        let request = format!("{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
    }
}
