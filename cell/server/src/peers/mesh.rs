//! Dials and accepts connections between processes, with the handshake made.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cell_raft::runtime::spawn;
use cell_raft::seams::{Channel, Connection, Peers, Wire};
use cell_types::ReplicaName;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use super::handshake::{Belonging, Purpose};

/// Handshakes of callers under way at once: a cell has few peers, the rest are strangers.
const HANDSHAKES_MAX: usize = 64;

/// Accepted connections that wait to be taken.
const ACCEPTED_QUEUED_MAX: usize = 64;

/// Pause after a failed `accept`, which fails at once while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that another process of this cell dialled.
#[derive(Debug)]
pub struct Accepted {
    pub from: ReplicaName,
    pub purpose: Purpose,
    pub connection: Connection,
}

/// This process's connections to its cell's other processes.
pub struct Mesh {
    wire: Arc<dyn Wire>,
    belonging: Belonging,
}

impl Mesh {
    pub fn new(wire: Arc<dyn Wire>, belonging: Belonging) -> Arc<Self> {
        Arc::new(Self { wire, belonging })
    }

    /// Dials a replica for a purpose.
    pub async fn dial(&self, to: &ReplicaName, purpose: Purpose) -> io::Result<Connection> {
        let mut connection = self.wire.dial(to).await?;
        self.belonging.introduce(&mut connection, to, purpose).await.map_err(io::Error::other)?;
        Ok(connection)
    }

    /// Starts accepting; every connection whose caller proved that it belongs here comes out of the channel.
    pub fn listen(self: &Arc<Self>) -> mpsc::Receiver<Accepted> {
        let (accepted, receiver) = mpsc::channel(ACCEPTED_QUEUED_MAX);
        spawn(self.clone().accept_all(accepted));
        receiver
    }

    async fn accept_all(self: Arc<Self>, accepted: mpsc::Sender<Accepted>) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        while !accepted.is_closed() {
            let permit = handshakes.clone().acquire_owned().await.expect("the semaphore is never closed");
            let mut connection = match self.wire.accept().await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection of a peer");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (mesh, accepted) = (self.clone(), accepted.clone());
            spawn(async move {
                match mesh.belonging.receive(&mut connection).await {
                    Ok((from, purpose)) => {
                        if accepted.send(Accepted { from, purpose, connection }).await.is_err() {
                            tracing::debug!("a peer connected while this process stops");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a connection of a peer was not taken"),
                }
                drop(permit);
            });
        }
    }
}

impl Peers for Mesh {
    fn connect(&self, to: &ReplicaName, channel: Channel) -> BoxFuture<'_, io::Result<Connection>> {
        let to = to.clone();
        Box::pin(async move { self.dial(&to, Purpose::Raft(channel)).await })
    }
}
