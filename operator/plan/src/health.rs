//! How a cluster is, as conditions that people and tools read.

use std::collections::BTreeSet;
use std::fmt;

use cell_types::{CellName, Directory, PlacementKey, ReplicaName};

use crate::cell::Cell;
use crate::{Action, Desired, Observed, ObservedCell, Verb, plan};

/// What a cluster's status shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub conditions: Vec<Condition>,
}

/// One condition, in the form that Kubernetes has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionKind,
    pub holds: bool,
    /// One word in camel case.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The conditions that mean something in this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// Every cell has a leader and every range an owner.
    Ready,
    /// There are actions to perform or to wait for.
    Progressing,
    /// Fewer voters are well than there are to be.
    Degraded,
    /// A person has to act.
    Blocked,
}

impl Health {
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == ConditionKind::Ready && condition.holds)
    }
}

/// Judges what was seen.
pub fn assess(desired: &Desired, observed: &Observed) -> Health {
    let actions = plan(desired, observed);
    let nothing = ObservedCell::default();
    let names: Vec<CellName> = desired.cell_names().collect();
    let cells: Vec<Cell<'_>> = names
        .iter()
        .map(|name| Cell::new(desired, name.clone(), observed.cells.get(name).unwrap_or(&nothing)))
        .collect();
    Health { conditions: vec![ready(&cells), progressing(&actions), degraded(&cells, &actions), blocked(&actions)] }
}

fn ready(cells: &[Cell<'_>]) -> Condition {
    let condition = |holds, reason, message| Condition { kind: ConditionKind::Ready, holds, reason, message };
    let mut directory = Directory::default();
    for cell in cells {
        let Some((leader, status)) = cell.leader() else {
            return condition(false, "NoLeader", format!("{} has no leader", cell.name));
        };
        if !status.serving {
            return condition(false, "NotServing", format!("{leader} leads {} and does not serve yet", cell.name));
        }
        if !has_quorum(cell, &status.voters) {
            let message = format!("{leader} leads {} without a majority of its voters", cell.name);
            return condition(false, "NoQuorum", message);
        }
        for (range, epoch) in &status.ranges {
            directory.merge(&cell_types::Claim { range: *range, cell: cell.name.clone(), epoch: *epoch });
        }
    }
    match first_gap(&directory) {
        Some(key) => condition(false, "NoOwner", format!("no cell owns the range from {key}")),
        None => condition(true, "Serving", "every cell has a leader and every range an owner".to_owned()),
    }
}

/// A majority of the voters answers: a leader without them goes on calling itself one, and can do nothing.
fn has_quorum(cell: &Cell<'_>, voters: &BTreeSet<ReplicaName>) -> bool {
    2 * voters.iter().filter(|replica| runs(cell, replica)).count() > voters.len()
}

/// The first key that nobody owns.
fn first_gap(directory: &Directory) -> Option<PlacementKey> {
    let mut next: u128 = 0;
    for claim in directory.claims() {
        if u128::from(claim.range.start().get()) != next {
            break;
        }
        next = claim.range.end();
    }
    u64::try_from(next).ok().map(PlacementKey::new)
}

fn progressing(actions: &[Action]) -> Condition {
    let first = actions.iter().find(|action| !matches!(action.verb, Verb::Blocked { .. }));
    let (reason, message) = match first {
        Some(action) => ("Acting", action.to_string()),
        None => ("Converged", "nothing to do".to_owned()),
    };
    Condition { kind: ConditionKind::Progressing, holds: first.is_some(), reason, message }
}

fn degraded(cells: &[Cell<'_>], actions: &[Action]) -> Condition {
    let condition = |holds, reason, message| Condition { kind: ConditionKind::Degraded, holds, reason, message };
    if let Some(action) = actions.iter().find(|action| gate_of(action) == Some(crate::action::Gate::QuorumLost)) {
        return condition(true, "QuorumLost", action.to_string());
    }
    for cell in cells {
        let unwell: Vec<String> = unwell(cell).iter().map(ToString::to_string).collect();
        if !unwell.is_empty() {
            return condition(true, "ReplicasDown", format!("not well in {}: {}", cell.name, unwell.join(", ")));
        }
    }
    condition(false, "AllWell", "every replica is a member that answers".to_owned())
}

fn unwell(cell: &Cell<'_>) -> Vec<ReplicaName> {
    cell.slots_of(cell.desired.replicas).into_iter().filter(|replica| !runs(cell, replica)).collect()
}

fn runs(cell: &Cell<'_>, replica: &ReplicaName) -> bool {
    cell.status(replica).is_some_and(|status| status.lifecycle == cell_types::Lifecycle::Running)
}

fn blocked(actions: &[Action]) -> Condition {
    let first = actions.iter().find_map(|action| gate_of(action).map(|gate| (gate, action)));
    let (reason, message) = match first {
        Some((gate, action)) => (gate.reason(), action.to_string()),
        None => ("NotBlocked", "nothing waits for a person".to_owned()),
    };
    Condition { kind: ConditionKind::Blocked, holds: first.is_some(), reason, message }
}

fn gate_of(action: &Action) -> Option<crate::action::Gate> {
    match &action.verb {
        Verb::Blocked { gate, .. } => Some(*gate),
        _ => None,
    }
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
