//! What the leader does next about its members: a pure function of what it sees.
//!
//! Invariants: a voter that is heard is never replaced; a slot changes hands in one joint change; a node that left is
//! retired before it is forgotten, and a retired one never comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cell_types::{NodeId, ReplicaName};

/// A voter unheard for this long is given up when a new volume waits in its slot.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(10);

/// A volume that registered and went away is retired after this time, so that the registry stays small.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// A registered node, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) replica: ReplicaName,
    pub(crate) retired: bool,
    /// For how long nothing was heard of it; at least since this leader leads.
    pub(crate) silent: Duration,
    /// As a member: it has nearly the whole log.
    pub(crate) is_caught_up: bool,
}

/// Everything that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) me: NodeId,
    /// How many voters the cell is to have.
    pub(crate) wanted: usize,
    /// A joint change is half done.
    pub(crate) is_joint: bool,
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) learners: BTreeSet<NodeId>,
    pub(crate) registered: BTreeMap<NodeId, Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Finish what an earlier leader began.
    LeaveJoint,
    AddLearner(NodeId),
    /// One joint change to exactly these voters; who leaves stays as a learner until it is retired.
    ChangeVoters(BTreeSet<NodeId>),
    Retire(NodeId),
    /// A retired one leaves the membership.
    Remove(NodeId),
}

/// At most one step at a time; none when all is as it should be, or must wait.
pub(crate) fn next_step(view: &View) -> Option<Step> {
    if view.is_joint {
        return Some(Step::LeaveJoint);
    }
    view.remove_retired()
        .or_else(|| view.retire_replaced())
        .or_else(|| view.shrink())
        .or_else(|| view.promote())
        .or_else(|| view.add_learner())
        .or_else(|| view.retire_forgotten())
}

impl View {
    fn seen(&self, node: NodeId) -> Option<&Seen> {
        self.registered.get(&node)
    }

    fn is_retired(&self, node: NodeId) -> bool {
        self.seen(node).is_none_or(|seen| seen.retired)
    }

    fn voter_of(&self, slot: &ReplicaName) -> Option<NodeId> {
        self.voters.iter().copied().find(|node| self.seen(*node).is_some_and(|seen| seen.replica == *slot))
    }

    /// Whether the voter in this slot, if there is one, may be replaced.
    fn is_open(&self, slot: &ReplicaName) -> bool {
        match self.voter_of(slot) {
            None => self.voters.len() < self.wanted,
            Some(voter) => voter != self.me && self.seen(voter).is_some_and(|seen| seen.silent >= DEAD_AFTER),
        }
    }

    fn remove_retired(&self) -> Option<Step> {
        self.learners.iter().copied().find(|node| self.is_retired(*node)).map(Step::Remove)
    }

    /// A learner whose slot went to a later volume, or that lost its vote because the cell shrank.
    fn retire_replaced(&self) -> Option<Step> {
        let is_replaced = |node: NodeId| {
            let Some(seen) = self.seen(node) else { return false };
            match self.voter_of(&seen.replica) {
                Some(voter) => voter > node,
                None => self.voters.len() >= self.wanted,
            }
        };
        self.learners.iter().copied().find(|node| is_replaced(*node)).map(Step::Retire)
    }

    /// Too many voters: the silent ones go first, then those in the last slots; never the leader.
    fn shrink(&self) -> Option<Step> {
        let surplus = self.voters.len().checked_sub(self.wanted).filter(|surplus| *surplus > 0)?;
        let mut others: Vec<_> = self.voters.iter().copied().filter(|node| *node != self.me).collect();
        others.sort_by_key(|node| {
            let seen = self.seen(*node);
            let is_silent = seen.is_some_and(|seen| seen.silent >= DEAD_AFTER);
            (!is_silent, std::cmp::Reverse(seen.map(|seen| slot_order(&seen.replica))))
        });
        let gone: BTreeSet<_> = others.into_iter().take(surplus).collect();
        Some(Step::ChangeVoters(&self.voters - &gone))
    }

    fn promote(&self) -> Option<Step> {
        let mut voters = self.voters.clone();
        for node in &self.learners {
            let Some(seen) = self.seen(*node).filter(|seen| !seen.retired && seen.is_caught_up) else { continue };
            if seen.silent >= DEAD_AFTER || !self.is_open(&seen.replica) {
                continue;
            }
            // Of two volumes in one slot only one gets the vote.
            let held = voters.iter().copied().find(|v| self.seen(*v).is_some_and(|s| s.replica == seen.replica));
            match held {
                Some(held) if self.voters.contains(&held) => {
                    voters.remove(&held);
                    voters.insert(*node);
                    // One replacement at a time: each is one joint change {a, b, dead} -> {a, b, new}.
                    return Some(Step::ChangeVoters(voters));
                }
                Some(_) => {}
                None if voters.len() < self.wanted => drop(voters.insert(*node)),
                None => {}
            }
        }
        (voters != self.voters).then_some(Step::ChangeVoters(voters))
    }

    /// The newest live volume of a slot that is open.
    fn add_learner(&self) -> Option<Step> {
        let is_member = |node: &NodeId| self.voters.contains(node) || self.learners.contains(node);
        let has_learner = |slot: &ReplicaName| {
            self.learners
                .iter()
                .any(|node| self.seen(*node).is_some_and(|seen| seen.replica == *slot && seen.silent < DEAD_AFTER))
        };
        let joins = |node: &NodeId, seen: &Seen| {
            !seen.retired
                && !is_member(node)
                && seen.silent < DEAD_AFTER
                && self.is_open(&seen.replica)
                && !has_learner(&seen.replica)
        };
        let newest = self.registered.iter().rev().find(|(node, seen)| joins(node, seen));
        newest.map(|(node, _)| Step::AddLearner(*node))
    }

    /// Registered long ago and never heard since; a live one says something every second.
    fn retire_forgotten(&self) -> Option<Step> {
        let is_forgotten =
            |node: &NodeId, seen: &Seen| !seen.retired && !self.voters.contains(node) && seen.silent >= FORGOTTEN_AFTER;
        self.registered.iter().find(|(node, seen)| is_forgotten(node, seen)).map(|(node, _)| Step::Retire(*node))
    }
}

/// `c0-10` comes after `c0-9`.
fn slot_order(replica: &ReplicaName) -> (u64, &str) {
    let ordinal = replica.as_str().rsplit('-').next().and_then(|digits| digits.parse().ok());
    (ordinal.unwrap_or(0), replica.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIVE: Duration = Duration::from_millis(200);

    fn ids(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId::new).collect()
    }

    /// Node 1 leads; nodes 1 to 3 vote in the slots c0-0 to c0-2.
    fn three() -> View {
        let mut view = View {
            me: NodeId::new(1),
            wanted: 3,
            is_joint: false,
            voters: ids(&[1, 2, 3]),
            learners: ids(&[]),
            registered: BTreeMap::new(),
        };
        (1..=3).for_each(|n| view.register(n, n - 1));
        view
    }

    impl View {
        fn register(&mut self, node: u64, slot: u64) {
            let replica = format!("c0-{slot}").parse().unwrap();
            let seen = Seen { replica, retired: false, silent: ALIVE, is_caught_up: true };
            self.registered.insert(NodeId::new(node), seen);
        }

        fn node(&mut self, node: u64) -> &mut Seen {
            self.registered.get_mut(&NodeId::new(node)).unwrap()
        }

        fn silence(&mut self, node: u64, seconds: u64) {
            self.node(node).silent = Duration::from_secs(seconds);
        }

        /// What the steps do once they are committed.
        fn take(&mut self, step: Step) {
            match step {
                Step::LeaveJoint => self.is_joint = false,
                Step::AddLearner(node) => drop(self.learners.insert(node)),
                Step::ChangeVoters(voters) => {
                    let members = &self.voters | &self.learners;
                    self.learners = &members - &voters;
                    self.voters = voters;
                }
                Step::Retire(node) => self.registered.get_mut(&node).unwrap().retired = true,
                Step::Remove(node) => drop(self.learners.remove(&node)),
            }
        }

        fn settle(&mut self) -> Vec<Step> {
            let mut steps = Vec::new();
            while let Some(step) = next_step(self) {
                steps.push(step.clone());
                assert!(steps.len() < 20, "it never settles: {steps:?}");
                self.take(step);
            }
            steps
        }
    }

    #[test]
    fn a_whole_cell_is_left_alone() {
        assert_eq!(next_step(&three()), None);
    }

    #[test]
    fn a_dead_voter_without_a_successor_stays_a_voter() {
        let mut view = three();
        view.silence(3, 3600);
        assert_eq!(next_step(&view), None);
    }

    #[test]
    fn a_dead_voter_gives_its_slot_to_a_new_volume_in_one_joint_change() {
        let mut view = three();
        view.silence(3, 10);
        view.register(4, 2);
        let steps = view.settle();
        let new = NodeId::new(4);
        let old = NodeId::new(3);
        assert_eq!(
            steps,
            [Step::AddLearner(new), Step::ChangeVoters(ids(&[1, 2, 4])), Step::Retire(old), Step::Remove(old)]
        );
    }

    #[test]
    fn a_live_voter_is_never_replaced() {
        let mut view = three();
        view.register(4, 2);
        assert_eq!(next_step(&view), None);
        view.learners = ids(&[4]);
        assert_eq!(next_step(&view), None);
        view.node(3).silent = Duration::from_millis(9_999);
        assert_eq!(next_step(&view), None);
    }

    #[test]
    fn the_leader_never_replaces_itself() {
        let mut view = three();
        view.silence(1, 100);
        view.register(4, 0);
        assert_eq!(next_step(&view), None);
    }

    #[test]
    fn a_successor_waits_until_it_has_caught_up() {
        let mut view = three();
        view.silence(3, 30);
        view.register(4, 2);
        view.node(4).is_caught_up = false;
        assert_eq!(next_step(&view), Some(Step::AddLearner(NodeId::new(4))));
        view.learners = ids(&[4]);
        assert_eq!(next_step(&view), None);
        view.node(4).is_caught_up = true;
        assert_eq!(next_step(&view), Some(Step::ChangeVoters(ids(&[1, 2, 4]))));
    }

    #[test]
    fn a_successor_that_died_meanwhile_is_not_promoted_and_the_next_one_is_tried() {
        let mut view = three();
        view.silence(3, 30);
        view.register(4, 2);
        view.learners = ids(&[4]);
        view.silence(4, 12);
        view.register(5, 2);
        assert_eq!(next_step(&view), Some(Step::AddLearner(NodeId::new(5))));
    }

    #[test]
    fn of_several_volumes_of_a_slot_the_newest_that_lives_is_taken() {
        let mut view = three();
        view.silence(3, 30);
        view.register(4, 2);
        view.register(5, 2);
        view.register(6, 2);
        view.silence(6, 20);
        assert_eq!(next_step(&view), Some(Step::AddLearner(NodeId::new(5))));
    }

    #[test]
    fn two_dead_voters_are_replaced_one_after_the_other() {
        let mut view = three();
        view.wanted = 5;
        view.voters = ids(&[1, 2, 3, 4, 5]);
        (4..=5).for_each(|n| view.register(n, n - 1));
        view.silence(4, 30);
        view.silence(5, 30);
        view.register(6, 3);
        view.register(7, 4);
        let changes: Vec<_> = view.settle().into_iter().filter(|step| matches!(step, Step::ChangeVoters(_))).collect();
        assert_eq!(changes.len(), 2);
        assert_eq!(view.voters, ids(&[1, 2, 3, 6, 7]));
    }

    #[test]
    fn a_joint_change_that_an_earlier_leader_began_is_finished_first() {
        let mut view = three();
        view.is_joint = true;
        view.silence(3, 30);
        view.register(4, 2);
        assert_eq!(next_step(&view), Some(Step::LeaveJoint));
    }

    #[test]
    fn a_cell_of_one_grows_to_three() {
        let mut view = three();
        view.voters = ids(&[1]);
        let steps = view.settle();
        assert_eq!(view.voters, ids(&[1, 2, 3]));
        assert!(!steps.iter().any(|step| matches!(step, Step::Retire(_) | Step::Remove(_))), "{steps:?}");
    }

    #[test]
    fn a_cell_that_is_to_have_fewer_voters_lets_the_silent_and_the_last_slots_go() {
        let mut view = three();
        view.wanted = 5;
        view.voters = ids(&[1, 2, 3, 4, 5]);
        (4..=5).for_each(|n| view.register(n, n - 1));
        view.wanted = 3;
        view.silence(2, 20);
        let steps = view.settle();
        assert_eq!(steps[0], Step::ChangeVoters(ids(&[1, 3, 4])));
        assert_eq!(view.voters, ids(&[1, 3, 4]));
        assert!(view.learners.is_empty(), "who left is retired and removed");
        assert!(view.node(2).retired && view.node(5).retired);
    }

    #[test]
    fn a_leader_in_the_last_slot_stays_when_the_cell_shrinks() {
        let mut view = three();
        view.me = NodeId::new(3);
        view.wanted = 1;
        view.settle();
        assert_eq!(view.voters, ids(&[3]));
    }

    #[test]
    fn slots_are_ordered_by_their_number_not_by_their_text() {
        let mut view = three();
        view.wanted = 1;
        view.register(4, 9);
        view.register(5, 10);
        view.voters = ids(&[1, 4, 5]);
        view.wanted = 2;
        assert_eq!(next_step(&view), Some(Step::ChangeVoters(ids(&[1, 4]))));
    }

    #[test]
    fn a_retired_learner_is_removed_before_anything_else() {
        let mut view = three();
        view.register(4, 2);
        view.learners = ids(&[4]);
        view.node(4).retired = true;
        view.silence(2, 30);
        view.register(5, 1);
        assert_eq!(next_step(&view), Some(Step::Remove(NodeId::new(4))));
    }

    #[test]
    fn a_retired_volume_is_never_added_again() {
        let mut view = three();
        view.silence(3, 30);
        view.register(4, 2);
        view.node(4).retired = true;
        assert_eq!(next_step(&view), None);
    }

    #[test]
    fn a_replacement_that_was_interrupted_after_the_joint_change_goes_on() {
        let mut view = three();
        view.register(4, 2);
        view.voters = ids(&[1, 2, 4]);
        view.learners = ids(&[3]);
        // Even if the old one has come back meanwhile.
        let steps = view.settle();
        assert_eq!(steps, [Step::Retire(NodeId::new(3)), Step::Remove(NodeId::new(3))]);
    }

    #[test]
    fn a_volume_that_registered_and_went_away_is_retired_after_a_minute() {
        let mut view = three();
        view.register(4, 2);
        view.silence(4, 59);
        assert_eq!(next_step(&view), None);
        view.silence(4, 60);
        assert_eq!(next_step(&view), Some(Step::Retire(NodeId::new(4))));
    }

    #[test]
    fn two_live_processes_of_one_slot_leave_each_other_alone() {
        let mut view = three();
        view.register(4, 2);
        view.register(5, 2);
        for _ in 0..100 {
            assert_eq!(next_step(&view), None);
        }
    }
}
