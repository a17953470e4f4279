//! One cell as the rules see it: what is wanted and what is seen, with the questions that several rules ask.

use std::collections::BTreeSet;

use cell_types::{CellName, ReplicaCount, ReplicaName};

use crate::{Desired, ObservedCell, Process, ReplicaStatus, Slot};

/// A slot that nobody has seen.
const NO_SLOT: Slot = Slot { volume_exists: false, process: Process::Absent, status: None };

pub(crate) struct Cell<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) name: CellName,
    pub(crate) seen: &'a ObservedCell,
}

impl<'a> Cell<'a> {
    pub(crate) fn new(desired: &'a Desired, name: CellName, seen: &'a ObservedCell) -> Self {
        Self { desired, name, seen }
    }

    /// The slots of a cell of this size.
    pub(crate) fn slots_of(&self, count: ReplicaCount) -> BTreeSet<ReplicaName> {
        (0..count.get()).map(|ordinal| ReplicaName::in_cell(&self.name, ordinal)).collect()
    }

    pub(crate) fn slot(&self, replica: &ReplicaName) -> &'a Slot {
        self.seen.slots.get(replica).unwrap_or(&NO_SLOT)
    }

    pub(crate) fn status(&self, replica: &ReplicaName) -> Option<&'a ReplicaStatus> {
        self.slot(replica).status.as_ref()
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'a ReplicaName, &'a ReplicaStatus)> {
        self.seen.answers()
    }

    pub(crate) fn leader(&self) -> Option<(&'a ReplicaName, &'a ReplicaStatus)> {
        self.seen.leader()
    }

    /// The founding is committed. One replica that has seen the cell alive is enough.
    pub(crate) fn is_founded(&self) -> bool {
        self.seen.founding_confirmed || self.answers().any(|(_, status)| status.has_seen_founding())
    }

    /// The slots that should have a process: those wanted, and every volume that its cell has not given up. Existing volumes
    /// are always asked first, also those that nobody wants any more: they may be all that is left of the cell.
    pub(crate) fn must_run(&self) -> BTreeSet<ReplicaName> {
        let mut slots = self.slots_of(self.desired.replicas);
        slots.extend(self.seen.slots.iter().filter(|(_, slot)| slot.volume_exists).map(|(replica, _)| replica.clone()));
        slots.retain(|replica| !self.has_left(replica));
        slots
    }

    /// Not wanted any more, and the leader says that it is no voter and will not become one.
    pub(crate) fn has_left(&self, replica: &ReplicaName) -> bool {
        let Some((leader, status)) = self.leader() else { return false };
        let beyond = |count: ReplicaCount| !self.slots_of(count).contains(replica);
        beyond(self.desired.replicas)
            && status.voters_wanted.is_some_and(beyond)
            && !status.voters.contains(replica)
            && leader != replica
    }
}
