//! One replica of a cell: openraft over redb, with founding, joining, replacement, snapshots and group commit.
//!
//! Everything outside comes through the four seams in [`seams`]: messages, storage, runtime, randomness (and the clock).

mod codec;
mod fault;
mod lifecycle;
mod log;
mod machine;
mod network;
pub mod options;
mod propose;
mod read;
pub mod replica;
pub mod runtime;
pub mod seams;
pub mod status;
mod types;
mod volume;

pub use options::Options;
pub use replica::{EffectSink, Error, FoundingRecord, Replica, Seams, Unavailable};
pub use status::{Lifecycle, MemberStatus, Role, Status};

#[cfg(test)]
mod world;
