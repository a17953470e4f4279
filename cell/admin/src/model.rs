//! Questions and answers in typed terms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cell_types::{
    CellName, ClusterId, Epoch, Incarnation, KeyRange, Lifecycle, NodeId, ReplicaCount, ReplicaName, Role, VolumeId,
};

/// Which cell a call is meant for, and which one a process belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellIdentity {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
}

impl fmt::Display for CellIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {}, cell {}, incarnation {}", self.cluster, self.cell, self.incarnation)
    }
}

/// Grows with every planner that takes over; an older planner's changes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct OperatorTerm(u64);

impl OperatorTerm {
    pub const fn new(term: u64) -> Self {
        Self(term)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for OperatorTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What every call carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub identity: CellIdentity,
    pub term: OperatorTerm,
}

/// A range that a cell owns, and the epoch at which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedRange {
    pub range: KeyRange,
    pub epoch: Epoch,
}

/// One replica's view of itself and its cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub identity: CellIdentity,
    pub replica: ReplicaName,
    pub volume: VolumeId,
    /// None until the cell has given this volume a node id.
    pub node: Option<NodeId>,
    pub lifecycle: Lifecycle,
    pub role: Role,
    /// The slot that leads, as far as this replica knows.
    pub leader: Option<ReplicaName>,
    pub raft_term: u64,
    pub ranges: Vec<OwnedRange>,
    /// Slots that vote, as far as this replica knows.
    pub voters: BTreeSet<ReplicaName>,
    /// How many voters the cell is to have; none before it is founded.
    pub voters_wanted: Option<ReplicaCount>,
    pub log_index: u64,
    pub committed_index: u64,
    pub applied_index: u64,
    /// Applied and in a durable checkpoint.
    pub durable_index: u64,
    /// Takes client connections and can serve them.
    pub serving: bool,
    /// For people: what is wrong, or what it waits for.
    pub messages: Vec<String>,
    pub connections: u32,
    pub process: u32,
    /// The highest operator term seen. [`crate::service`] fills it in.
    pub operator_term: OperatorTerm,
}

/// Founds a cell. May be repeated: a replica that was founded so answers as it did the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The founders' slots and volumes. A replica whose own volume is not listed refuses.
    pub founders: BTreeMap<ReplicaName, VolumeId>,
    /// How many voters the cell is to have.
    pub voters: ReplicaCount,
    /// The first cell is born with everything at epoch 1, every later one with nothing.
    pub ranges: Vec<OwnedRange>,
}

/// Hands leadership over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// None: the most caught-up other voter.
    pub to: Option<ReplicaName>,
}

/// Sets how many voters the cell has. With too many the cell chooses who leaves: silent ones first, then the last slots, never
/// its leader; so a planner that wants the leader to leave hands over first. With too few, whoever has joined gets the vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetVoters {
    pub voters: ReplicaCount,
}
