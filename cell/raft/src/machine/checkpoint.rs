//! Checkpoints: when one is due, writing it off the ack path, and letting go of the log behind it.

use std::io;
use std::time::Duration;

use openraft::RaftSnapshotBuilder;
use openraft::alias::SnapshotOf;
use openraft::async_runtime::WatchReceiver;

use super::{Machine, Snapshot};
use crate::log::Log;
use crate::runtime::run_blocking;
use crate::types::TypeConfig;
use crate::volume::{core_error, guarded};

/// Replaying this many commands takes about half a second.
const COMMANDS_MAX: u64 = 100_000;

/// A quiet cell's changes reach the state file within this time, so that its log does not grow old.
const AGE_MAX: Duration = Duration::from_secs(30);

/// When checkpoints are due, and what stays of the log behind them ([`crate::Options`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) checkpoint_bytes: u64,
    pub(crate) tail_bytes: u64,
}

impl Limits {
    pub(super) fn is_due(self, (commands, bytes): (u64, u64)) -> bool {
        commands >= COMMANDS_MAX || bytes >= self.checkpoint_bytes
    }
}

/// Writes checkpoints as they fall due, tells openraft, purges the log. Runs until it is dropped.
pub(crate) async fn run(machine: Machine, log: Log, raft: openraft::Raft<TypeConfig, Machine>) {
    loop {
        machine.until_due().await;
        if machine.checkpoint().await.is_err() {
            // The fault is raised; the replica stops.
            return;
        }
        let Some(durable) = machine.durable() else { continue };
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
        let mut metrics = raft.metrics();
        while metrics.borrow_watched().snapshot.is_none_or(|snapshot| snapshot < durable) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
        let kept = machine.pinned_at().map_or(durable.index, |at| at.index.min(durable.index));
        if let Some(upto) = log.purgeable(machine.shared.limits.tail_bytes).map(|upto| upto.min(kept))
            && raft.trigger().purge_log(upto).await.is_err()
        {
            return;
        }
    }
}

impl Machine {
    async fn until_due(&self) {
        loop {
            let noticed = self.shared.dirty.notified();
            let (due, since) = {
                let slot = self.slot();
                (self.shared.limits.is_due(slot.state.since_checkpoint()), slot.unwritten_since)
            };
            if due {
                return;
            }
            match since {
                None => noticed.await,
                Some(since) => {
                    if tokio::time::timeout_at(since + AGE_MAX, noticed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Makes everything applied so far durable in the state file.
    pub(crate) async fn checkpoint(&self) -> io::Result<()> {
        let _one_at_a_time = self.shared.writing.lock().await;
        let (checkpoint, generation) = {
            let mut slot = self.slot();
            let Some(checkpoint) = slot.state.begin_checkpoint() else {
                return Ok(());
            };
            slot.unwritten_since = None;
            (checkpoint, slot.generation)
        };
        let written =
            run_blocking(move || guarded(|| checkpoint.write().map_err(core_error).map(|()| checkpoint))).await;
        let written = written.inspect_err(|e| self.shared.faults.raise_io("failed to write a checkpoint", e))?;
        let mut slot = self.slot();
        if slot.generation == generation {
            slot.state.end_checkpoint(written);
        }
        Ok(())
    }
}

/// What openraft asks for a snapshot: the last durable checkpoint will do, unless it insists.
pub(crate) struct Builder {
    pub(super) machine: Machine,
    pub(super) must_be_new: bool,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Snapshot;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, Snapshot>, io::Error> {
        let (applied, durable) = self.machine.read(|state| (state.applied().0, state.durable().0));
        if durable.is_none() || (self.must_be_new && durable != applied) {
            self.machine.checkpoint().await?;
        }
        self.machine.newest_snapshot()
    }
}
