//! Checkpoints: when one is due, writing it off the ack path, and letting go of the log behind it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::RaftSnapshotBuilder;
use openraft::alias::SnapshotOf;
use openraft::async_runtime::WatchReceiver;

use super::{Machine, Shared, Snapshot};
use crate::log::Log;
use crate::runtime::run_blocking;
use crate::types::{LogId, Metrics, TypeConfig};
use crate::volume::{core_error, guarded};

/// While a checkpoint of this many commands is written as many more may be applied: replaying both takes about half a
/// second.
const COMMANDS_MAX: u64 = 60_000;

/// A quiet cell's changes reach the state file within this time, so that its log does not grow old.
const AGE_MAX: Duration = Duration::from_secs(30);

/// An order to openraft that has no effect by then was dropped.
const TELL_AGAIN: Duration = Duration::from_secs(1);

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
        if !tell(&raft, durable).await {
            return;
        }
        let kept = machine.pinned_at().map_or(durable.index, |at| at.index.min(durable.index));
        if let Some(upto) = log.purgeable(machine.shared.limits.tail_bytes).map(|upto| upto.min(kept))
            && raft.trigger().purge_log(upto).await.is_err()
        {
            return;
        }
    }
}

/// Has openraft count a durable checkpoint as its snapshot. False when it has stopped.
async fn tell(raft: &openraft::Raft<TypeConfig, Machine>, durable: LogId) -> bool {
    let mut metrics = raft.metrics();
    let is_known = |metrics: &Metrics| metrics.snapshot.is_some_and(|snapshot| snapshot >= durable);
    // openraft drops the order while it builds an older one for a follower: so it is given until it counts.
    while !is_known(&metrics.borrow_watched()) {
        if raft.trigger().snapshot().await.is_err() {
            return false;
        }
        let noticed = async {
            while !is_known(&metrics.borrow_watched()) {
                metrics.changed().await?;
            }
            Ok::<_, openraft::async_runtime::watch::RecvError>(())
        };
        if let Ok(Err(_)) = tokio::time::timeout(TELL_AGAIN, noticed).await {
            return false;
        }
    }
    true
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

    /// Waits while a checkpoint is due and the one before is still being written: a disk that is too slow slows the
    /// cell down, and neither memory nor the log to replay grows without bound. Waits for nothing else: openraft counts
    /// a checkpoint on the task that applies.
    pub(super) async fn wait_for_room(&self) -> io::Result<()> {
        loop {
            let mut written = std::pin::pin!(self.shared.written.notified());
            // From here on no end of a checkpoint is missed.
            written.as_mut().enable();
            let is_writing = self.shared.is_writing.load(Ordering::SeqCst);
            if !is_writing || !self.shared.limits.is_due(self.slot().state.since_checkpoint()) {
                return Ok(());
            }
            tokio::select! {
                () = written => {}
                fault = self.shared.faults.raised() => return Err(io::Error::other(format!("it stops: {fault:?}"))),
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
        let _writing = Writing::begin(&self.shared);
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

/// A checkpoint under way; ends however its task ends.
struct Writing<'a>(&'a Shared);

impl<'a> Writing<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.is_writing.store(true, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.is_writing.store(false, Ordering::SeqCst);
        self.0.written.notify_waiters();
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
