//! From any number of replicas to any other, with processes that end on the way: no voter is ever stopped by the planner, the
//! cell keeps a quorum, and it ends converged.
#![expect(clippy::unwrap_used, reason = "a failed arrangement is a failed test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cell_types::{Lifecycle, ReplicaCount, ReplicaName, Role};
use operator_plan::{ObservedCell, Process, Slot, Verb};
use proptest::prelude::*;
use support::{Seen, count, record, replica};

/// A cell that changes its voters as it is asked to.
struct CellModel {
    founders: u32,
    /// How many replicas it is to have.
    to: u32,
    /// Running processes, by slot; a slot that is listed has a volume.
    slots: BTreeMap<ReplicaName, bool>,
    voters: BTreeSet<ReplicaName>,
    wanted: ReplicaCount,
    /// Leadership was handed over to this one.
    led_by: Option<ReplicaName>,
}

impl CellModel {
    fn founded(replicas: u32) -> Self {
        let slots: BTreeMap<_, _> = (0..replicas).map(|ordinal| (replica(ordinal), true)).collect();
        Self {
            founders: replicas,
            to: replicas,
            voters: slots.keys().cloned().collect(),
            slots,
            wanted: count(replicas),
            led_by: None,
        }
    }

    /// None without a quorum. If the leader was not told to hand over, the last slot leads, which is the hardest case.
    fn leader(&self) -> Option<&ReplicaName> {
        let live: Vec<_> = self.voters.iter().filter(|name| self.slots.get(*name) == Some(&true)).collect();
        let handed_over = live.iter().copied().find(|name| self.led_by.as_ref() == Some(name));
        (live.len() > self.voters.len() / 2).then(|| handed_over.unwrap_or_else(|| live.last().unwrap()))
    }

    fn seen(&self) -> Seen {
        let mut cell =
            ObservedCell { founding: Some(record(self.founders)), founding_confirmed: true, ..Default::default() };
        for (name, running) in &self.slots {
            let lifecycle = if self.voters.contains(name) { Lifecycle::Running } else { Lifecycle::Joining };
            let mut status = support::status(name.ordinal().unwrap(), lifecycle);
            status.voters.clone_from(&self.voters);
            status.voters_wanted = Some(self.wanted);
            if self.leader() == Some(name) {
                (status.role, status.serving) = (Role::Leader, true);
            }
            let process = if *running { Process::Running } else { Process::Absent };
            cell.slots.insert(name.clone(), Slot { volume_exists: true, process, status: running.then_some(status) });
        }
        // An executor may know of a slot that has neither a volume nor a process.
        for ordinal in 0..5 {
            cell.slots.entry(replica(ordinal)).or_default();
        }
        Seen(cell)
    }

    /// One change of membership, if there is a quorum. Too many: those that are down go first, then the last slots, never the
    /// leader. Too few: whoever runs joins, the last slot first, which is the hardest case.
    fn settle(&mut self) {
        let Some(leader) = self.leader().cloned() else { return };
        let wanted = usize::try_from(self.wanted.get()).unwrap();
        let runs = |slots: &BTreeMap<ReplicaName, bool>, name: &ReplicaName| slots.get(name) == Some(&true);
        if self.voters.len() > wanted {
            let mut others: Vec<_> = self.voters.iter().filter(|name| **name != leader).cloned().collect();
            others.sort_by_key(|name| (runs(&self.slots, name), std::cmp::Reverse(name.clone())));
            for gone in others.into_iter().take(self.voters.len() - wanted) {
                self.voters.remove(&gone);
            }
        } else if self.voters.len() < wanted {
            let joins = self.slots.keys().rfind(|name| !self.voters.contains(*name) && runs(&self.slots, name));
            self.voters.extend(joins.cloned());
        }
    }

    fn perform(&mut self, verb: Verb) {
        match verb {
            Verb::StartReplica { replica } => {
                self.slots.insert(replica, true);
            }
            Verb::StopReplica { replica } => {
                assert!(!self.voters.contains(&replica), "{replica} votes and is stopped");
                self.slots.insert(replica, false);
            }
            Verb::SetVolumeAside { replica } => {
                assert!(!self.voters.contains(&replica), "{replica} votes and its volume is taken away");
                assert!(
                    self.slots.keys().all(|other| other.ordinal() <= replica.ordinal()),
                    "not the highest: {replica}"
                );
                self.slots.remove(&replica);
            }
            // A replica that does not lead any more refuses.
            Verb::SetVoters { leader, .. } | Verb::HandOver { leader, .. } if Some(&leader) != self.leader() => {}
            Verb::HandOver { to, .. } => {
                assert!(self.voters.contains(&to), "{to} has no vote");
                self.led_by = Some(to);
            }
            Verb::SetVoters { voters, .. } => {
                assert_eq!(voters.get().abs_diff(self.wanted.get()), 2, "more than one step");
                self.wanted = voters;
            }
            Verb::Wait { .. } => {}
            verb => panic!("a founded cell that lost no volume needs none of: {verb}"),
        }
    }
}

/// At each round one action is performed; a process may end before it.
fn resize(from: u32, to: u32, ends: &[Option<u32>]) {
    let mut cell = CellModel::founded(from);
    cell.to = to;
    for round in 0..60 {
        let ends_now = ends.get(round).copied().flatten();
        if let Some(running) = ends_now.and_then(|ordinal| cell.slots.get_mut(&replica(ordinal))) {
            *running = false;
        }
        let actions = cell.seen().actions(to);
        if actions.is_empty() && round >= ends.len() {
            assert_eq!(cell.slots.keys().cloned().collect::<BTreeSet<_>>(), (0..to).map(replica).collect());
            assert_eq!(cell.voters.len(), usize::try_from(to).unwrap());
            return;
        }
        for action in actions {
            cell.perform(action.verb);
        }
        cell.settle();
    }
    panic!("{from} to {to} does not converge, left: {:?}", cell.seen().planned(to));
}

#[test]
fn every_size_becomes_every_other() {
    for from in [1, 3, 5] {
        for to in [1, 3, 5] {
            resize(from, to, &[]);
        }
    }
}

proptest! {
    // A failure prints its input; there is no file of them beside the tests.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn processes_that_end_on_the_way_change_nothing_of_that(
        from in prop::sample::select(vec![1u32, 3, 5]),
        to in prop::sample::select(vec![1u32, 3, 5]),
        ends in proptest::collection::vec(proptest::option::of(0u32..5), 0..20),
    ) {
        resize(from, to, &ends);
    }
}
