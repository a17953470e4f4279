//! What a client keeps over restarts: the unanswered sends, whose they are, and optionally the cursor.
//!
//! Stores take records and give back the state that these add up to.

mod file;
mod memory;
mod record;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use record::{Record, Saved, SavedSend};

/// Why a store failed. A client whose store fails stops: what is not durable may not be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read or write {path}")]
    Io { path: String, source: std::io::Error },
    /// Another process writes there; two would send each other's messages.
    #[error("{path} is in use by another client")]
    InUse { path: String },
}

/// Whether a write may be lost with the machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk when the call returns.
    Synced,
    /// May be lost with the power: harmless for what is only removed, which a repeat would find again.
    Lazy,
}

/// Where a client keeps its state.
pub trait Store: Send {
    /// The state as of now.
    fn load(&self) -> Saved;

    /// Adds records, in order.
    ///
    /// # Errors
    /// When the records are not surely kept; the client then stops.
    fn append(&mut self, records: &[Record], durability: Durability) -> Result<(), Error>;

    /// Whether [`Self::append`] may wait for a disk, and so must not run on a thread that serves others.
    fn may_block(&self) -> bool {
        true
    }
}
