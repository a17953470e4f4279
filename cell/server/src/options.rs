//! What a replica's process is told by the planner that starts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use cell_types::{CellName, ClusterId, Incarnation, ReplicaName};
use clap::Args;

/// Flags of one replica.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The cluster this replica belongs to.
    #[arg(long)]
    pub cluster: ClusterId,
    /// The cell this replica belongs to.
    #[arg(long)]
    pub cell: CellName,
    /// Which cell of that name: changes when a name is founded anew.
    #[arg(long, value_parser = parse_incarnation, default_value = "1")]
    pub incarnation: Incarnation,
    /// This replica's slot, for example c0-1.
    #[arg(long)]
    pub replica: ReplicaName,
    /// Folder of this replica's files; created if missing.
    #[arg(long)]
    pub data: PathBuf,
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub client: SocketAddr,
    /// Where other replicas connect.
    #[arg(long)]
    pub peer: SocketAddr,
    /// Where a planner connects (gRPC).
    #[arg(long)]
    pub admin: SocketAddr,
    /// Where health and metrics are served (HTTP).
    #[arg(long)]
    pub metrics: SocketAddr,
    /// Every slot of the cell with its peer address, this one included: c0-0=127.0.0.1:7000,c0-1=…; names are resolved at each dial.
    #[arg(long, value_delimiter = ',', required = true)]
    pub peers: Vec<PeerAddress>,
    /// File with the token that calls between this cluster's processes and from its planner carry.
    #[arg(long)]
    pub peer_token: PathBuf,
    /// File with the secret that signs users' tokens (HS256).
    #[arg(long)]
    pub token_key: PathBuf,
    /// Required `iss` of users' tokens.
    #[arg(long)]
    pub token_issuer: Option<String>,
    /// Required `aud` of users' tokens.
    #[arg(long)]
    pub token_audience: Option<String>,
    /// Connections that this process takes at most.
    #[arg(long, default_value_t = 50_000)]
    pub connections_max: usize,
    /// Raft heartbeat in milliseconds; elections time out after 3 to 6 of them.
    #[arg(long, default_value_t = 75)]
    pub heartbeat_ms: u64,
    /// Log filter, for example info or cell_raft=debug. openraft tells people on call little that this process does not.
    #[arg(long, default_value = "info,openraft=error")]
    pub log: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// End when the parent process ends (the local cluster's replicas).
    #[arg(long)]
    pub die_with_parent: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A slot and where its process listens for peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    pub replica: ReplicaName,
    /// `host:port`.
    pub address: String,
}

impl FromStr for PeerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (replica, address) =
            text.split_once('=').ok_or("expected slot=host:port, for example c0-0=127.0.0.1:7000")?;
        let replica = replica.parse().map_err(|error| format!("{error}"))?;
        let port = address.rsplit_once(':').map(|(_, port)| port);
        if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
            return Err(format!("`{address}` is not host:port"));
        }
        Ok(Self { replica, address: address.to_owned() })
    }
}

fn parse_incarnation(text: &str) -> Result<Incarnation, std::num::ParseIntError> {
    text.parse().map(Incarnation::new)
}
