//! Everything before the first process starts: what is wanted now, the secrets, the addresses, all written down.

use std::net::{Ipv4Addr, SocketAddr};

use cell_admin::Token;
use cell_types::ReplicaName;
use crds::ChatCluster;
use crds::chat_cluster::Spec;
use operator_plan::Desired;

use super::addresses::{self, Wish};
use super::ask::Asker;
use super::cluster_file::{self, ClusterFile};
use super::data_dir::DataDir;
use super::execute::Executor;
use super::processes::Processes;
use super::{file, secrets};

/// Where the first replica of a first start listens.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The name of a cluster that nobody named.
const CLUSTER_DEFAULT: &str = "local";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error(transparent)]
    Cluster(#[from] cluster_file::Error),
    #[error(transparent)]
    Wish(#[from] operator_plan::Error),
    #[error("this folder holds the cluster `{has}`, the file describes `{asked}`; choose another folder with --data")]
    OtherCluster { has: String, asked: String },
    #[error(transparent)]
    Addresses(#[from] addresses::Error),
    #[error("the token between this cluster's processes is unusable: {0}")]
    Token(#[from] cell_admin::token::Error),
    #[error("failed to prepare a connection to a replica: {0}")]
    Admin(#[from] cell_admin::client::Error),
}

/// What a person asked of this start.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    pub(crate) file: Option<ChatCluster>,
    /// Wins over the file.
    pub(crate) flags: Spec,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) log: Option<String>,
}

/// Ready to run, and lines that people should read.
pub(crate) struct Prepared {
    pub(crate) executor: Executor,
    pub(crate) notes: Vec<String>,
}

/// Call with the folder's lock held, within a runtime.
pub(crate) fn prepare(dir: DataDir, ask: Ask, is_free: impl Fn(SocketAddr) -> bool) -> Result<Prepared, Error> {
    let last = ClusterFile::read(&dir)?;
    let desired = wanted(last.as_ref(), &ask)?;
    secrets::ensure(&dir.token_key())?;
    let token: Token = secrets::ensure(&dir.peer_token())?.parse()?;
    let (cluster, notes) = write_cluster(&dir, &desired, last, ask.listen, is_free)?;
    let asker = Asker::new(&cluster, &token)?;
    let executor = Executor { dir, desired, cluster, asker, log: ask.log, processes: Processes::default() };
    Ok(Prepared { executor, notes })
}

/// The last wish, with what this start says laid over it.
fn wanted(last: Option<&ClusterFile>, ask: &Ask) -> Result<Desired, Error> {
    let named = ask.file.as_ref().map(|file| &file.metadata.name);
    let base = match (last, named) {
        (Some(last), Some(asked)) if last.cluster != *asked => {
            return Err(Error::OtherCluster { has: last.cluster.to_string(), asked: asked.to_string() });
        }
        (Some(last), _) => last.desired()?,
        (None, Some(asked)) => Desired::default_of(asked.clone()),
        (None, None) => Desired::default_of(CLUSTER_DEFAULT.parse().expect("a valid name")),
    };
    let mut spec = ask.file.as_ref().map(|file| file.spec.clone()).unwrap_or_default();
    let Spec { cells, replicas, tokens, limits } = ask.flags.clone();
    spec.cells = cells.or(spec.cells);
    spec.replicas = replicas.or(spec.replicas);
    spec.tokens = tokens.or(spec.tokens);
    spec.limits = limits.or(spec.limits);
    Ok(spec.over(&base)?)
}

fn write_cluster(
    dir: &DataDir,
    desired: &Desired,
    last: Option<ClusterFile>,
    asked: Option<SocketAddr>,
    is_free: impl Fn(SocketAddr) -> bool,
) -> Result<(ClusterFile, Vec<String>), Error> {
    let slots = slots(dir, desired)?;
    let listen = asked.or(last.as_ref().map(|last| last.listen)).unwrap_or(LISTEN_DEFAULT);
    let wish = Wish {
        slots: &slots,
        listen,
        insist: asked.is_some() || last.is_none(),
        remembered: &last.as_ref().map(|last| last.replicas.clone()).unwrap_or_default(),
        keep_client: last.as_ref().is_some_and(|last| keeps_client(last, asked, &slots)),
        seed: u16::try_from(std::process::id() % 0x1_0000).expect("a remainder below 2^16").wrapping_mul(61),
    };
    let chosen = addresses::choose(&wish, is_free)?;
    let note = |(replica, old, new): &(ReplicaName, SocketAddr, SocketAddr)| {
        format!("{old} is taken by another program; clients of {replica} connect to {new} now")
    };
    let notes = chosen.moved.iter().map(note).collect();
    let term = last.map_or(0, |last| last.operator_term) + 1;
    let cluster = ClusterFile::new(desired, term, listen, chosen.replicas);
    cluster.write(dir)?;
    Ok((cluster, notes))
}

/// Client addresses stay, unless this start asks for one that the first replica does not have.
fn keeps_client(last: &ClusterFile, asked: Option<SocketAddr>, slots: &[ReplicaName]) -> bool {
    let Some(asked) = asked else { return true };
    let first = slots.first().and_then(|slot| last.replicas.get(slot)).map(|addresses| addresses.client);
    asked == last.listen && (asked.port() == 0 || first == Some(asked))
}

/// Those wanted, and those that have a volume: they are asked before anything is decided.
fn slots(dir: &DataDir, desired: &Desired) -> Result<Vec<ReplicaName>, Error> {
    let mut slots = dir.volumes()?;
    for cell in desired.cell_names() {
        slots.extend((0..desired.replicas.get()).map(|ordinal| ReplicaName::in_cell(&cell, ordinal)));
    }
    slots.sort();
    slots.dedup();
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use cell_types::ReplicaCount;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn dir(&self) -> DataDir {
            DataDir::create(self.0.path()).unwrap()
        }

        fn start(&self, ask: Ask, taken: &[u16]) -> Result<Prepared, Error> {
            prepare(self.dir(), ask, |address| !taken.contains(&address.port()))
        }
    }

    fn yaml(spec: &str) -> Option<ChatCluster> {
        let text =
            format!("apiVersion: chatcells.dev/v1alpha1\nkind: ChatCluster\nmetadata: {{ name: local }}\n{spec}");
        Some(crds::from_yaml(&text).unwrap())
    }

    fn replicas(count: u32) -> Spec {
        Spec { replicas: Some(count.try_into().unwrap()), ..Spec::default() }
    }

    fn clients(prepared: &Prepared) -> Vec<u16> {
        prepared.executor.cluster.replicas.values().map(|addresses| addresses.client.port()).collect()
    }

    #[tokio::test]
    async fn a_first_start_without_a_word_is_three_replicas_from_port_8080() {
        let prepared = Folder::new().start(Ask::default(), &[]).unwrap();
        assert_eq!(prepared.executor.desired, Desired::default_of("local".parse().unwrap()));
        assert_eq!(clients(&prepared), [8080, 8081, 8082]);
    }

    #[tokio::test]
    async fn what_is_left_out_at_a_later_start_stays_as_it_was() {
        let folder = Folder::new();
        let first = Ask { flags: replicas(1), listen: Some(([127, 0, 0, 1], 9000).into()), ..Ask::default() };
        folder.start(first, &[]).unwrap();
        let later = folder.start(Ask::default(), &[]).unwrap();
        assert_eq!(later.executor.desired.replicas, ReplicaCount::One);
        assert_eq!(clients(&later), [9000]);
    }

    #[tokio::test]
    async fn a_flag_wins_over_the_file_and_the_file_over_the_last_start() {
        let folder = Folder::new();
        folder.start(Ask { flags: replicas(1), ..Ask::default() }, &[]).unwrap();
        let file = yaml("spec: { replicas: 5, tokens: { audience: chat } }");
        let later = folder.start(Ask { file, flags: replicas(3), ..Ask::default() }, &[]).unwrap();
        assert_eq!(later.executor.desired.replicas, ReplicaCount::Three);
        assert_eq!(later.executor.desired.tokens.audience.as_deref(), Some("chat"));
    }

    #[tokio::test]
    async fn another_clusters_file_is_refused() {
        let folder = Folder::new();
        folder.start(Ask::default(), &[]).unwrap();
        let mut file = yaml("").unwrap();
        file.metadata.name = "other".parse().unwrap();
        assert!(matches!(
            folder.start(Ask { file: Some(file), ..Ask::default() }, &[]),
            Err(Error::OtherCluster { .. })
        ));
    }

    #[tokio::test]
    async fn every_start_has_a_higher_operator_term_and_the_same_secrets() {
        let folder = Folder::new();
        let first = folder.start(Ask::default(), &[]).unwrap().executor.cluster.operator_term;
        let secret = secrets::read(&folder.dir().token_key()).unwrap();
        assert_eq!(folder.start(Ask::default(), &[]).unwrap().executor.cluster.operator_term, first + 1);
        assert_eq!(secrets::read(&folder.dir().token_key()).unwrap(), secret);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_when_asked_for_and_a_note_when_resumed() {
        let folder = Folder::new();
        let listen = |port| Ask { listen: Some(([127, 0, 0, 1], port).into()), ..Ask::default() };
        assert!(
            matches!(folder.start(Ask::default(), &[8080]), Err(Error::Addresses(_))),
            "the default of a first start"
        );
        folder.start(Ask::default(), &[]).unwrap();
        let resumed = folder.start(Ask::default(), &[8080]).unwrap();
        assert!(resumed.notes[0].contains("127.0.0.1:8080 is taken"), "{:?}", resumed.notes);
        assert!(matches!(folder.start(listen(8080), &[8080]), Err(Error::Addresses(_))));
        assert_eq!(clients(&folder.start(listen(8080), &[]).unwrap())[0], 8080, "asked for, and free again");
    }

    #[tokio::test]
    async fn a_slot_with_a_volume_has_an_address_though_nobody_wants_it_any_more() {
        let folder = Folder::new();
        std::fs::create_dir(folder.0.path().join("c0-4")).unwrap();
        std::fs::write(folder.0.path().join("c0-4").join("state"), "x").unwrap();
        let prepared = folder.start(Ask::default(), &[]).unwrap();
        assert_eq!(prepared.executor.cluster.replicas.len(), 4);
    }

    #[tokio::test]
    async fn many_cells_are_refused_and_nothing_is_written() {
        let folder = Folder::new();
        let flags = Spec { cells: Some(4), ..Spec::default() };
        assert!(matches!(folder.start(Ask { flags, ..Ask::default() }, &[]), Err(Error::Wish(_))));
        assert!(!folder.dir().cluster().exists());
    }
}
