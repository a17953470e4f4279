//! One file per command.

pub(crate) mod chat;
pub(crate) mod down;
pub(crate) mod later;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod up;

use cell_types::ReplicaName;

use crate::cli::Data;
use crate::local::cluster_file::{Addresses, ClusterFile};
use crate::local::data_dir::DataDir;

/// Nothing runs there.
pub(crate) const EXIT_NOTHING_RUNS: u8 = 4;

/// The main thread does everything: children are tied to the thread that starts them (`local::processes`).
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Where a local cluster was started before.
pub(crate) fn existing(data: &Data) -> anyhow::Result<Option<(DataDir, ClusterFile)>> {
    let Some(dir) = DataDir::open(&data.data)? else { return Ok(None) };
    Ok(ClusterFile::read(&dir)?.map(|cluster| (dir, cluster)))
}

/// WebSocket addresses, in the order of the slots. An address that stands for all of this machine's is reached at loopback.
pub(crate) fn websocket_urls(cluster: &ClusterFile) -> Vec<(ReplicaName, String)> {
    let url = |(replica, Addresses { client, .. }): (&ReplicaName, &Addresses)| {
        let mut client = *client;
        if client.ip().is_unspecified() {
            let loopback: std::net::IpAddr = match client {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            client.set_ip(loopback);
        }
        (replica.clone(), format!("ws://{client}/v1/ws"))
    };
    cluster.replicas.iter().map(url).collect()
}
