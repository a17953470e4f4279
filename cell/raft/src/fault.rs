//! What ends a replica's run: the first fault counts, whoever meets it, and the lifecycle acts on it.

use std::sync::Arc;

use tokio::sync::watch;

/// Why a run of this replica has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A write or fsync failed, or the disk is full: what is on disk is unknown, so the process must exit.
    Storage(String),
    /// A stored row or page is not what was written: the volume is set aside.
    Corrupt(String),
    /// This replica's state differs from the cell's.
    Diverged(String),
    /// openraft stopped by itself.
    Raft(String),
    /// The cell has replaced this node id for ever.
    Removed,
}

/// Shared by every part of a running replica.
#[derive(Debug, Clone)]
pub(crate) struct Faults(Arc<watch::Sender<Option<Fault>>>);

impl Faults {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// The first fault is the cause; what follows from it is dropped.
    pub(crate) fn raise(&self, fault: Fault) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                tracing::error!(?fault, "this replica stops");
                *first = Some(fault);
            }
            is_first
        });
    }

    pub(crate) fn first(&self) -> Option<Fault> {
        self.0.borrow().clone()
    }

    pub(crate) async fn raised(&self) -> Fault {
        let mut watching = self.0.subscribe();
        let fault = watching.wait_for(Option::is_some).await.expect("the sender lives in self").clone();
        fault.expect("waited for")
    }

    /// Sorts an I/O error: unreadable data is corruption, everything else is the disk's.
    pub(crate) fn raise_io(&self, what: &str, error: &std::io::Error) {
        let sentence = format!("{what}: {error}");
        self.raise(match error.kind() {
            std::io::ErrorKind::InvalidData => Fault::Corrupt(sentence),
            std::io::ErrorKind::StorageFull => Fault::Storage(format!("the disk is full: {sentence}")),
            _ => Fault::Storage(sentence),
        });
    }
}
