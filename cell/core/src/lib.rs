//! The replicated state machine of a cell: `apply(record) -> replies and effects` over tables in memory and redb.
//!
//! No tokio, clock, randomness, files or configuration: it reads the record and its tables, nothing else. Followers run
//! the same `apply` and drop the effects. A rejection is an outcome that every replica reaches; an `Err` means that
//! this replica is broken.

mod cell;
mod command;
mod dedupe;
mod digest;
pub mod effect;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
mod query;
pub mod record;
pub mod reply;
mod row;
pub mod snapshot;
pub mod state;
mod store;
mod tables;
#[cfg(test)]
mod test_cell;
pub mod view;

pub use effect::Effect;
pub use record::{Batch, Command};
pub use reply::{Rejection, Reply};
pub use snapshot::{Chunk, SnapshotHeader, SnapshotReader, SnapshotWriter};
pub use state::{Checkpoint, Error, LogPosition, State};
