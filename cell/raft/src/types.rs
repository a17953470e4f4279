//! The types that openraft works with: entries that carry encoded batches, node ids, members, and their conversions to
//! the core's words.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cell_core::{Batch, LogPosition, Reply};
use cell_types::{NodeId, ReplicaName};
use openraft::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::CellRuntime;

openraft::declare_raft_types!(
    /// openraft's view of a cell.
    pub(crate) TypeConfig:
        D = Record,
        R = Replies,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = CellRuntime,
);

pub(crate) type Entry = EntryOf<TypeConfig>;
pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type LeaderId = CommittedLeaderIdOf<TypeConfig>;
pub(crate) type Vote = VoteOf<TypeConfig>;
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;

/// A member of the Raft group: the slot under which its process is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) replica: ReplicaName,
}

#[cfg(test)]
impl Default for Member {
    fn default() -> Self {
        Self { replica: "c0-0".parse().expect("a name") }
    }
}

/// A log entry's commands: a [`Batch`] in its encoded form, which is shared by the log, the cache and the wire. On the
/// replica that proposed it the decoded form waits next to it until it is applied.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) bytes: Bytes,
    decoded: Option<Arc<Mutex<Option<Batch>>>>,
}

impl Record {
    pub(crate) fn proposed(batch: Batch) -> Self {
        Self { bytes: batch.encode(), decoded: Some(Arc::new(Mutex::new(Some(batch)))) }
    }

    pub(crate) fn received(bytes: Bytes) -> Self {
        Self { bytes, decoded: None }
    }

    /// The batch, decoded now unless this replica proposed it.
    pub(crate) fn take_batch(&self) -> Result<Batch, cell_core::Error> {
        let waiting = self.decoded.as_ref().and_then(|slot| slot.lock().expect("no panic under this lock").take());
        waiting.map_or_else(|| Batch::decode(&self.bytes), Ok)
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(Self::received)
    }
}

/// What an applied entry answered, one reply per command. Never leaves the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies(pub(crate) Vec<Reply>);

impl Serialize for Replies {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("replies stay in the process that proposed"))
    }
}

impl<'de> Deserialize<'de> for Replies {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("replies stay in the process that proposed"))
    }
}

pub(crate) fn position(id: &LogId) -> LogPosition {
    LogPosition { term: id.leader_id.term, node: NodeId::new(id.leader_id.node_id), index: id.index }
}

pub(crate) fn log_id(at: LogPosition) -> LogId {
    LogId { leader_id: LeaderId { term: at.term, node_id: at.node.get() }, index: at.index }
}
