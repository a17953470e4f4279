//! A replica that takes part in Raft: what belongs to one run, its start and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_types::{NodeId, ReplicaName, Timestamp};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use tokio::task::JoinHandle;

use super::peers::PeersHeard;
use super::{Base, clock};
use crate::fault::{Fault, Faults};
use crate::log::Log;
use crate::machine::Machine;
use crate::network::{Network, SnapshotReceiver};
use crate::propose::Proposals;
use crate::read::Reads;
use crate::replica::{FoundingRecord, Inner};
use crate::types::{Member, Metrics, TypeConfig};
use crate::{propose, read};

pub(crate) type Raft = openraft::Raft<TypeConfig, Machine>;

/// One run of a replica with a node id.
pub(crate) struct Running {
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
    pub(crate) log: Log,
    pub(crate) proposals: Proposals,
    pub(crate) reads: Reads,
    pub(crate) heard: PeersHeard,
    pub(crate) receiver: SnapshotReceiver,
    pub(crate) faults: Faults,
}

/// Tasks that end with the run.
#[derive(Default)]
pub(super) struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(crate::runtime::spawn(task));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    /// Starts Raft on an open volume.
    pub(super) async fn start(
        inner: &Arc<Inner>,
        base: &Arc<Base>,
        node: NodeId,
        machine: Machine,
        faults: Faults,
        tasks: &mut Tasks,
    ) -> Result<Arc<Self>, Fault> {
        let log = {
            let (store, faults, bytes) = (base.store.clone(), faults.clone(), inner.options.log_cache_bytes);
            Log::open(store, faults, bytes).await.map_err(|e| Fault::Corrupt(e.to_string()))?
        };
        let config = inner.options.raft_config().map_err(|e| Fault::Raft(e.to_string()))?;
        let network = Network { links: inner.links.clone(), machine: machine.clone() };
        let raft = Raft::new(node.get(), Arc::new(config), network, log.clone(), machine.clone())
            .await
            .map_err(|e| faults.first().unwrap_or_else(|| Fault::Raft(e.to_string())))?;
        let (proposals, waiting) = Proposals::new();
        let (reads, readers) = Reads::new();
        let receiver = SnapshotReceiver::new(inner.seams.volume.clone(), inner.options.state_cache_bytes);
        let heard = PeersHeard::default();
        let running = Arc::new(Self { node, raft, machine, log, proposals, reads, heard, receiver, faults });
        let (stamping, seams) = (running.clone(), inner.seams.clone());
        let stamp = move || clock::stamp(seams.clock.now(), &stamping.voters_clocks());
        tasks.spawn(propose::run(waiting, running.raft.clone(), stamp));
        tasks.spawn(read::run(readers, running.raft.clone()));
        tasks.spawn(crate::machine::run_checkpoints(
            running.machine.clone(),
            running.log.clone(),
            running.raft.clone(),
        ));
        Ok(running)
    }

    /// All founders initialise with the same voters; one that did so before is left as it is.
    pub(super) async fn initialise(&self, record: &FoundingRecord) -> Result<(), Fault> {
        let members: BTreeMap<u64, Member> = (1..)
            .zip(&record.founders)
            .map(|(node, (replica, _))| (node, Member { replica: replica.clone() }))
            .collect();
        if !members.contains_key(&self.node.get()) {
            return Ok(());
        }
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(Fault::Raft(error.to_string())),
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow_watched().clone()
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// The slot of the leader, as far as known.
    pub(crate) fn leader(&self) -> Option<ReplicaName> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        metrics.membership_config.get_node(&leader).map(|member| member.replica.clone())
    }

    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        self.raft.voter_ids().map(NodeId::new).collect()
    }

    /// The other voters' clocks, as far as they were ever heard.
    pub(crate) fn voters_clocks(&self) -> Vec<Timestamp> {
        let others = self.voters().into_iter().filter(|node| *node != self.node);
        others.filter_map(|node| self.heard.of(node)).map(|heard| heard.clock_now()).collect()
    }

    /// Ends when openraft has stopped by itself.
    pub(super) async fn stopped(&self) -> Fault {
        let mut metrics = self.raft.metrics();
        loop {
            let running = metrics.borrow_watched().running_state.clone();
            if let Err(fatal) = running {
                // A fault of ours stops openraft, too: then ours is the cause.
                return self.faults.first().unwrap_or_else(|| Fault::Raft(fatal.to_string()));
            }
            if metrics.changed().await.is_err() {
                return self.faults.first().unwrap_or_else(|| Fault::Raft("openraft ended".to_owned()));
            }
        }
    }
}
