//! Arrangements that several tests share: what is wanted, and what is seen, in a few words.
#![allow(dead_code, reason = "each test binary uses some of these")]

use cell_types::{Epoch, Incarnation, KeyRange, Lifecycle, NodeId, ReplicaCount, ReplicaName, Role, VolumeId};
use operator_plan::{
    Action, Desired, FoundingRecord, Limits, Observed, ObservedCell, Process, ReplicaStatus, Slot, Tokens, plan,
};

pub(crate) fn count(replicas: u32) -> ReplicaCount {
    replicas.try_into().unwrap()
}

pub(crate) fn desired(replicas: u32) -> Desired {
    Desired::new("local".parse().unwrap(), 1, count(replicas), Tokens::default(), Limits::default()).unwrap()
}

pub(crate) fn replica(ordinal: u32) -> ReplicaName {
    ReplicaName::in_cell(&"c0".parse().unwrap(), ordinal)
}

/// The volume that each slot gets first.
pub(crate) fn volume(ordinal: u32) -> VolumeId {
    VolumeId::new(u128::from(ordinal) + 100)
}

pub(crate) fn record(replicas: u32) -> FoundingRecord {
    FoundingRecord {
        cluster: "local".parse().unwrap(),
        cell: "c0".parse().unwrap(),
        incarnation: Incarnation::new(1),
        founders: (0..replicas).map(|ordinal| (replica(ordinal), volume(ordinal))).collect(),
        voters: count(replicas),
        ranges: vec![(KeyRange::ALL, Epoch::new(1))],
    }
}

pub(crate) fn status(ordinal: u32, lifecycle: Lifecycle) -> ReplicaStatus {
    ReplicaStatus {
        volume: volume(ordinal),
        node: (lifecycle == Lifecycle::Running).then(|| NodeId::new(u64::from(ordinal) + 1)),
        lifecycle,
        role: Role::Follower,
        raft_term: 1,
        voters: Default::default(),
        voters_wanted: None,
        ranges: Vec::new(),
        serving: false,
        messages: Vec::new(),
    }
}

/// What is seen, changed step by step by a test.
#[derive(Clone, Default)]
pub(crate) struct Seen(pub(crate) ObservedCell);

impl Seen {
    /// Nothing has been started yet.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// All processes answer, on empty volumes.
    pub(crate) fn empty(replicas: u32) -> Self {
        (0..replicas).fold(Self::default(), |seen, ordinal| seen.answering(ordinal, Lifecycle::Empty))
    }

    /// A founded cell that serves, led by slot 0.
    pub(crate) fn serving(replicas: u32) -> Self {
        let seen = (0..replicas).fold(Self::default(), |seen, ordinal| seen.answering(ordinal, Lifecycle::Running));
        let mut seen = seen.recorded(replicas).led(0, 0..replicas, replicas);
        seen.0.founding_confirmed = true;
        seen
    }

    pub(crate) fn answering(mut self, ordinal: u32, lifecycle: Lifecycle) -> Self {
        let slot = Slot { volume_exists: true, process: Process::Running, status: Some(status(ordinal, lifecycle)) };
        self.0.slots.insert(replica(ordinal), slot);
        self
    }

    pub(crate) fn silent(mut self, ordinal: u32) -> Self {
        let slot = Slot { volume_exists: true, process: Process::Running, status: None };
        self.0.slots.insert(replica(ordinal), slot);
        self
    }

    pub(crate) fn stopped(mut self, ordinal: u32) -> Self {
        let slot = Slot { volume_exists: true, process: Process::Absent, status: None };
        self.0.slots.insert(replica(ordinal), slot);
        self
    }

    pub(crate) fn backing_off(mut self, ordinal: u32) -> Self {
        let slot = Slot { volume_exists: true, process: Process::BackingOff, status: None };
        self.0.slots.insert(replica(ordinal), slot);
        self
    }

    /// The slot answers, on a volume that is not its first.
    pub(crate) fn wiped(mut self, ordinal: u32, lifecycle: Lifecycle) -> Self {
        self = self.answering(ordinal, lifecycle);
        self.status(ordinal).volume = VolumeId::new(u128::from(ordinal) + 900);
        self
    }

    pub(crate) fn recorded(mut self, replicas: u32) -> Self {
        self.0.founding = Some(record(replicas));
        self
    }

    pub(crate) fn confirmed(mut self) -> Self {
        self.0.founding_confirmed = true;
        self
    }

    /// The slot leads and says who votes; every member agrees on the voters.
    pub(crate) fn led(mut self, ordinal: u32, voters: impl IntoIterator<Item = u32>, wanted: u32) -> Self {
        let voters: std::collections::BTreeSet<_> = voters.into_iter().map(replica).collect();
        for slot in self.0.slots.values_mut() {
            if let Some(status) = slot.status.as_mut().filter(|status| status.lifecycle == Lifecycle::Running) {
                status.voters = voters.clone();
                status.voters_wanted = Some(count(wanted));
                status.role = Role::Follower;
            }
        }
        let status = self.status(ordinal);
        status.role = Role::Leader;
        status.serving = true;
        status.ranges = vec![(KeyRange::ALL, Epoch::new(1))];
        self
    }

    pub(crate) fn status(&mut self, ordinal: u32) -> &mut ReplicaStatus {
        self.0.slots.get_mut(&replica(ordinal)).unwrap().status.as_mut().unwrap()
    }

    pub(crate) fn observed(&self) -> Observed {
        Observed { cells: [("c0".parse().unwrap(), self.0.clone())].into() }
    }

    /// The plan's verbs as people read them.
    pub(crate) fn planned(&self, replicas: u32) -> Vec<String> {
        self.actions(replicas).iter().map(|action| action.verb.to_string()).collect()
    }

    pub(crate) fn actions(&self, replicas: u32) -> Vec<Action> {
        plan(&desired(replicas), &self.observed())
    }
}
