//! Messages between the replicas of a cell: one multiplexed link per peer and channel on the [`crate::seams::Peers`]
//! connections, openraft's network on top, and our own messages beside it.

mod append;
mod client;
mod frame;
mod link;
mod message;
mod server;
mod snapshot;

pub(crate) use client::Network;
pub(crate) use link::Links;
pub(crate) use message::{BootAnswer, JoinAnswer, Refusal, Request, Response, Tick};
pub(crate) use server::{Handler, serve};
pub(crate) use snapshot::Receiver as SnapshotReceiver;

use std::time::Duration;

/// An append is answered after the follower's fsync, which takes long on a busy disk; a connection without any
/// progress for this long is dead.
const APPEND_PROGRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// A peer that does not take a connection within this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One chunk of a snapshot, written by the receiver before it answers.
const SNAPSHOT_CHUNK_TIMEOUT: Duration = Duration::from_secs(10);

/// The last step of a snapshot: verifying and swapping files of some gigabytes.
const SNAPSHOT_INSTALL_TIMEOUT: Duration = Duration::from_secs(120);

/// One of our own questions to a peer.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Requests under way on one link: openraft has a handful, and a join is one.
const REQUESTS_MAX: usize = 256;

/// Bytes of entries sent and not yet answered: covers a 1 Gbit/s link at 50 ms.
const APPENDS_IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Appends sent and not yet answered; openraft's receiving side has room for as many.
const APPENDS_IN_FLIGHT_MAX: usize = 64;

/// Why a request has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to reach {0}: {1}")]
    Unreachable(String, String),
    #[error("the connection broke")]
    Broken,
    #[error("no answer in time")]
    TimedOut,
    #[error("refused: {0}")]
    Refused(Refusal),
    #[error("the answer is not readable")]
    Malformed,
}
