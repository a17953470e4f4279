//! What replicas say to each other, as data.

use bytes::Bytes;
use cell_core::SnapshotHeader;
use cell_types::{BootCount, NodeId, ReplicaName, Timestamp, VolumeId};
use openraft::raft::{SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};
use serde::{Deserialize, Serialize};

use crate::types::{LogId, TypeConfig, Vote};

/// A question to another replica. Log entries have their own frames ([`super::append`]).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Begins a snapshot, or asks how far an interrupted one has got.
    OfferSnapshot(SnapshotHeader),
    /// [`cell_core::Chunk::encode`]d.
    SnapshotChunk(Bytes),
    /// All chunks are there: verify and install. Refused if `vote` is not the leader's any more.
    InstallSnapshot {
        vote: Vote,
        snapshot: u64,
    },
    /// An empty volume in `replica`'s slot asks the leader for a node id.
    Join {
        replica: ReplicaName,
        volume: VolumeId,
    },
    /// Has anybody seen a later start of this node's volume, or another volume of this node?
    CheckBoot {
        node: NodeId,
        volume: VolumeId,
        boot: BootCount,
        start: u64,
    },
    /// Said to every peer each second.
    Tick(Tick),
}

/// What a replica says of itself each second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tick {
    /// None while it is joining.
    pub(crate) node: Option<NodeId>,
    pub(crate) volume: VolumeId,
    pub(crate) boot: BootCount,
    pub(crate) start: u64,
    pub(crate) clock: Timestamp,
    /// The highest behaviour it can follow.
    pub(crate) version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Vote(VoteResponse<TypeConfig>),
    TransferLeader(TransferLeaderResponse<TypeConfig>),
    /// What the receiver has of this very snapshot.
    SnapshotAt {
        after: Option<Vec<u8>>,
        is_complete: bool,
    },
    SnapshotInstalled(SnapshotResponse<TypeConfig>),
    Join(JoinAnswer),
    Boot(BootAnswer),
    /// The answerer's own tick, and whether the asker's node id has left the cell for ever.
    Tick {
        tick: Tick,
        you_are_retired: bool,
    },
    Refused(Refusal),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JoinAnswer {
    Registered(NodeId),
    /// Ask this one.
    NotLeader(Option<ReplicaName>),
    /// The volume had a node id that was retired: only a new volume may join.
    Retired,
    /// The cell wants no more replicas, or has another reason.
    Refused(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BootAnswer {
    /// No later start is known, and this one is remembered durably.
    Confirmed,
    /// A later start of the same node is known: the volume was rolled back.
    RolledBack,
    /// The node id belongs to another volume: this one is of another cell, which only has the same name.
    Stranger,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the slot is held by another node ({0:?})")]
    WrongNode(Option<u64>),
    #[error("not running")]
    NotRunning,
    #[error("{0}")]
    Failed(String),
}

/// The answer to an append frame.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Appended {
    Ok(Option<LogId>),
    Conflict(LogId),
    HigherVote(Vote),
    Refused(Refusal),
}
