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
            self.learners.iter().any(|node| {
                self.seen(*node).is_some_and(|seen| seen.replica == *slot && seen.silent < DEAD_AFTER)
            })
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
