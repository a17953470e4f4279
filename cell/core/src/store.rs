//! How rows are kept: typed tables in memory over one redb database that changes only at checkpoints.

pub(crate) mod checkpoint;
pub(crate) mod codec;
pub(crate) mod disk;
pub(crate) mod key;
pub(crate) mod merge;
pub(crate) mod table;

pub use checkpoint::Checkpoint;
pub(crate) use disk::Disk;
pub(crate) use key::{Entity, KeyBytes, RowKey};
pub(crate) use table::Table;
