//! The seams between a cell and its machine: messages, storage, clock, randomness. (The runtime is `runtime.rs`.)
//!
//! Production and simulation differ only in what stands behind these traits. Nothing else in a cell's process touches
//! a socket, a file, a clock or a random source.

use std::fmt;
use std::io;

use bytes::Bytes;
use cell_types::{ReplicaName, Timestamp};
use futures_util::future::BoxFuture;
use redb::StorageBackend;
use tokio::sync::mpsc;

/// Largest frame of a connection between processes, in bytes: a batch of log entries or a snapshot chunk.
pub const PEER_FRAME_LEN_MAX: usize = 8 << 20;

/// Frames that wait in one direction of a connection before its sender waits.
pub const PEER_FRAMES_QUEUED_MAX: usize = 256;

/// An ordered, reliable-or-broken stream of frames in both directions. Dropping either half closes it; a closed
/// channel means that the connection broke, and says nothing of what the other side got.
#[derive(Debug)]
pub struct Connection {
    pub outgoing: mpsc::Sender<Bytes>,
    pub incoming: mpsc::Receiver<Bytes>,
}

/// Messages between processes.
pub trait Wire: Send + Sync + 'static {
    /// Dials the process in a slot. No handshake has been made.
    fn dial(&self, to: &ReplicaName) -> BoxFuture<'_, io::Result<Connection>>;

    /// The next connection that another process dialled.
    fn accept(&self) -> BoxFuture<'_, io::Result<Connection>>;
}

/// A replica's volume: a flat set of named files.
pub trait Volume: Send + Sync + 'static {
    /// Opens a file, created empty if it is missing.
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>>;

    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Renames atomically and durably (the folder is fsynced).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The machine's wall clock, which may jump.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's random source; good enough for keys.
pub trait Entropy: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);

    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }
}

/// What a connection between two replicas of one cell is for. Heartbeats have their own, so that a large append or a
/// snapshot never delays them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Channel {
    Heartbeat,
    Log,
    Bulk,
}

/// Authenticated connections to the other replicas of this cell, by slot. Both ends have proved that they belong to
/// the same cluster and cell incarnation.
pub trait Peers: Send + Sync + 'static {
    fn connect(&self, to: &ReplicaName, channel: Channel) -> BoxFuture<'_, io::Result<Connection>>;
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heartbeat => "heartbeat",
            Self::Log => "log",
            Self::Bulk => "bulk",
        })
    }
}
