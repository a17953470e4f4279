//! The command line of a replica's process: this same binary, with the hidden command.

use std::ffi::OsString;
use std::process::Stdio;

use cell_types::{CellName, ReplicaName};
use operator_plan::Desired;
use tokio::process::Command;

use super::cluster_file::{Addresses, ClusterFile};
use super::data_dir::DataDir;
use super::{file, logs};

/// The binary of this very process, also after a build has replaced the file.
const OWN_BINARY: &str = "/proc/self/exe";

/// What a replica logs when nobody says otherwise.
const LOG_DEFAULT: &str = "info";

/// The cell of a slot of the local cluster.
pub(crate) fn cell_of(replica: &ReplicaName) -> Option<CellName> {
    replica.as_str().rsplit_once('-').and_then(|(cell, _)| cell.parse().ok())
}

/// Ready to start.
pub(crate) fn build(
    dir: &DataDir,
    desired: &Desired,
    cluster: &ClusterFile,
    replica: &ReplicaName,
    log: Option<&str>,
) -> Result<Command, file::Error> {
    let output = logs::open(dir, replica)?;
    let errors = output.try_clone().map_err(|source| file::Error::new("open", &dir.log(replica), source))?;
    let mut command = Command::new(OWN_BINARY);
    command
        .arg0("chatctl")
        .args(arguments(dir, desired, cluster, replica, log))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Ctrl-C goes to every process of the terminal's group; only `up` is to hear it, and to stop the replicas in order.
        .process_group(0);
    Ok(command)
}

fn arguments(
    dir: &DataDir,
    desired: &Desired,
    cluster: &ClusterFile,
    replica: &ReplicaName,
    log: Option<&str>,
) -> Vec<OsString> {
    let Addresses { client, peer, admin, metrics } = cluster.replicas[replica];
    let cell = cell_of(replica);
    let is_of_cell = |(slot, addresses): (&ReplicaName, &Addresses)| {
        (cell_of(slot) == cell).then(|| format!("{slot}={}", addresses.peer))
    };
    let peers: Vec<String> = cluster.replicas.iter().filter_map(is_of_cell).collect();
    let mut flags: Vec<(&str, OsString)> = vec![
        ("--cluster", desired.cluster.to_string().into()),
        ("--cell", cell.map_or_else(String::new, |cell| cell.to_string()).into()),
        ("--replica", replica.to_string().into()),
        ("--data", dir.volume(replica).into()),
        ("--client", client.to_string().into()),
        ("--peer", peer.to_string().into()),
        ("--admin", admin.to_string().into()),
        ("--metrics", metrics.to_string().into()),
        ("--peers", peers.join(",").into()),
        ("--peer-token", dir.peer_token().into()),
        ("--token-key", dir.token_key().into()),
        ("--log", log.unwrap_or(LOG_DEFAULT).into()),
    ];
    let optional = [
        ("--token-issuer", desired.tokens.issuer.clone()),
        ("--token-audience", desired.tokens.audience.clone()),
        ("--connections-max", desired.limits.connections_max.map(|max| max.to_string())),
    ];
    flags.extend(optional.into_iter().filter_map(|(flag, value)| Some((flag, value?.into()))));
    let mut arguments: Vec<OsString> = vec!["cell".into(), "--die-with-parent".into()];
    arguments.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value]));
    arguments
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command as Cmd};

    #[test]
    fn a_replica_understands_what_it_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let mut desired = Desired::default_of("local".parse().unwrap());
        desired.tokens.audience = Some("chat".into());
        desired.limits.connections_max = std::num::NonZeroU32::new(99);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = |n| Addresses { client: at(n), peer: at(n + 1), admin: at(n + 2), metrics: at(n + 3) };
        let replicas = BTreeMap::from([
            ("c0-0".parse().unwrap(), addresses(10)),
            ("c0-1".parse().unwrap(), addresses(20)),
            ("c1-0".parse().unwrap(), addresses(30)),
        ]);
        let cluster = ClusterFile::new(&desired, 1, at(10), replicas);
        let arguments = arguments(&dir, &desired, &cluster, &"c0-1".parse().unwrap(), None);
        let command = Cli::try_parse_from([OsString::from("chatctl")].into_iter().chain(arguments)).unwrap().command;
        let Cmd::Cell(options) = command else { panic!("another command: {command:?}") };
        assert_eq!((options.cell.as_str(), options.replica.as_str()), ("c0", "c0-1"));
        assert_eq!(options.peers.len(), 2, "the other cell's replica is none of its peers");
        assert_eq!((options.client, options.connections_max), (at(20), 99));
        assert_eq!(options.token_audience.as_deref(), Some("chat"));
        assert!(options.die_with_parent);
    }
}
