//! What is seen: the record of the founding, volumes, processes, and what each replica says.

use std::collections::{BTreeMap, BTreeSet};

use cell_types::{
    CellName, ClusterId, Epoch, Incarnation, KeyRange, Lifecycle, NodeId, ReplicaCount, ReplicaName, Role, VolumeId,
};

/// Everything an executor saw in one look. What it could not ask is absent, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    pub cells: BTreeMap<CellName, ObservedCell>,
}

/// One cell, as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedCell {
    pub founding: Option<FoundingRecord>,
    /// The founding is known to be committed. Never goes back to false.
    pub founding_confirmed: bool,
    /// Every slot that has a process or a volume.
    pub slots: BTreeMap<ReplicaName, Slot>,
}

impl ObservedCell {
    /// The replicas that answered.
    pub fn answers(&self) -> impl Iterator<Item = (&ReplicaName, &ReplicaStatus)> {
        self.slots.iter().filter_map(|(replica, slot)| Some((replica, slot.status.as_ref()?)))
    }

    /// Of two that say they lead, the one with the higher term does.
    pub fn leader(&self) -> Option<(&ReplicaName, &ReplicaStatus)> {
        self.answers().filter(|(_, status)| status.role == Role::Leader).max_by_key(|(_, status)| status.raft_term)
    }
}

/// Who founds a cell. Written once, by compare-and-swap, before any founder is told; it lives as long as the volumes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FoundingRecord {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
    pub founders: BTreeMap<ReplicaName, VolumeId>,
    pub voters: ReplicaCount,
    /// What the cell is born with: everything at epoch 1 for the first cell, nothing for a later one.
    pub ranges: Vec<(KeyRange, Epoch)>,
}

/// One slot, as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot {
    /// There is a volume, whatever is on it.
    pub volume_exists: bool,
    pub process: Process,
    /// None: it does not answer.
    pub status: Option<ReplicaStatus>,
}

/// What is known of a slot's process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Process {
    /// None; it may be started.
    #[default]
    Absent,
    /// It ended by itself, and is started again after a while.
    BackingOff,
    Running,
}

/// What a replica says of itself and its cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    pub volume: VolumeId,
    /// None: its cell has never known this volume.
    pub node: Option<NodeId>,
    pub lifecycle: Lifecycle,
    pub role: Role,
    pub raft_term: u64,
    pub voters: BTreeSet<ReplicaName>,
    /// Part of what the founding commits: a replica that knows it has seen its cell founded.
    pub voters_wanted: Option<ReplicaCount>,
    pub ranges: Vec<(KeyRange, Epoch)>,
    pub serving: bool,
    pub messages: Vec<String>,
}

impl ReplicaStatus {
    /// It has applied the founding, so the founding is committed.
    pub(crate) fn has_seen_founding(&self) -> bool {
        self.voters_wanted.is_some()
    }

    /// Its volume holds a part in the cell: more than an empty volume that only looks for one.
    pub(crate) fn holds_a_part(&self) -> bool {
        self.node.is_some() || matches!(self.lifecycle, Lifecycle::Running | Lifecycle::Founding)
    }
}
