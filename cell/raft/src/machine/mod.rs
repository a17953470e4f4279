//! The state machine as openraft sees it: applies entries to the core, answers proposers, hands effects to the shell,
//! and keeps checkpoints.

mod apply;
mod checkpoint;
mod snapshot;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use cell_core::State;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fault::{Fault, Faults};
use crate::replica::EffectSink;
use crate::seams::Volume;
use crate::types::LogId;
pub(crate) use checkpoint::{Limits, run as run_checkpoints};
pub(crate) use snapshot::{Incoming, Snapshot, meta as snapshot_meta};

/// openraft's state machine: a cheap handle.
#[derive(Clone)]
pub(crate) struct Machine {
    shared: Arc<Shared>,
}

struct Shared {
    slot: Mutex<Slot>,
    /// The snapshot that a follower is receiving.
    pin: Mutex<Option<snapshot::Pin>>,
    /// One checkpoint at a time.
    writing: tokio::sync::Mutex<()>,
    /// Something is there for the checkpoint driver to look at.
    dirty: Notify,
    /// A checkpoint is being written.
    is_writing: AtomicBool,
    /// It was written.
    written: Notify,
    sink: Arc<dyn EffectSink>,
    faults: Faults,
    volume: Arc<dyn Volume>,
    limits: Limits,
}

struct Slot {
    state: State,
    /// Counts installed snapshots: a checkpoint of an earlier state is none of this one.
    generation: u64,
    /// When the oldest change that is in no checkpoint was applied.
    unwritten_since: Option<Instant>,
}

impl Machine {
    pub(crate) fn new(
        state: State,
        sink: Arc<dyn EffectSink>,
        faults: Faults,
        volume: Arc<dyn Volume>,
        limits: Limits,
    ) -> Self {
        let slot = Mutex::new(Slot { state, generation: 0, unwritten_since: None });
        let shared = Shared {
            slot,
            pin: Mutex::new(None),
            writing: tokio::sync::Mutex::new(()),
            dirty: Notify::new(),
            is_writing: AtomicBool::new(false),
            written: Notify::new(),
            sink,
            faults,
            volume,
            limits,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Looks at the applied state under its lock: keep it short.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.slot().state)
    }

    #[cfg(test)]
    pub(crate) fn tamper<T>(&self, tamper: impl FnOnce(&mut State) -> T) -> T {
        tamper(&mut self.slot().state)
    }

    pub(crate) fn durable(&self) -> Option<LogId> {
        self.read(|state| state.durable().0.map(crate::types::log_id))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // A panic inside the core leaves a state that nobody may look at.
        self.shared.slot.lock().expect("the core does not panic")
    }

    /// Reads what may turn out to be damaged; then this replica stops, and there is no answer here.
    pub(crate) fn query<T>(&self, query: impl FnOnce(&State) -> Result<T, cell_core::Error>) -> Option<T> {
        self.read(query).map_err(|error| self.broken(error)).ok()
    }

    /// An error of the core means that this replica is broken; the fault says how.
    fn broken(&self, error: cell_core::Error) -> std::io::Error {
        if let cell_core::Error::Diverged { .. } = &error {
            self.shared.faults.raise(Fault::Diverged(error.to_string()));
            return std::io::Error::other(error);
        }
        let error = match error {
            cell_core::Error::BadRecord(what) => crate::codec::corrupt(what),
            other => crate::volume::core_error(other),
        };
        self.shared.faults.raise_io("failed to read or change the state", &error);
        error
    }
}
