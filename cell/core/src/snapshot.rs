//! A durable checkpoint as a stream of rows, for a replica that starts anew or was too far behind.

mod chunk;
mod reader;
mod writer;

pub use chunk::Chunk;
pub use reader::{SnapshotHeader, SnapshotReader};
pub use writer::SnapshotWriter;
