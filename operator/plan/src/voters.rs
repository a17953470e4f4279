//! Who votes in a founded cell: the slots below the wanted number, reached one step at a time, and only from a settled state.
//!
//! A cell is told how many voters it is to have, and chooses them itself: when there are too many, silent ones leave first,
//! then the last slots, never its leader. So the leader's place is seen to here, before there are too many.

use std::collections::BTreeSet;

use cell_types::{Lifecycle, ReplicaCount, ReplicaName};

use crate::action::Gate;
use crate::cell::Cell;
use crate::{Action, ReplicaStatus, Verb};

pub(crate) fn change(cell: &Cell<'_>) -> Vec<Action> {
    if !cell.is_founded() {
        return Vec::new();
    }
    if let Some(lost) = quorum_lost(cell) {
        return vec![lost];
    }
    let wait = |why| Some(Action { verb: Verb::Wait { object: cell.name.to_string() }, why });
    let Some((leader, status)) = cell.leader() else {
        return Vec::from_iter(wait(format!("{} has no leader", cell.name)));
    };
    let Some(wanted) = status.voters_wanted else {
        return Vec::from_iter(wait(format!("{leader} leads and does not know yet how many voters {} has", cell.name)));
    };
    let (target, voters) = (cell.slots_of(cell.desired.replicas), &status.voters);
    let few = u32::try_from(voters.len()).is_ok_and(|count| count < wanted.get());
    let many = u32::try_from(voters.len()).is_ok_and(|count| count > wanted.get());
    let action = if *voters == target && wanted == cell.desired.replicas {
        if status.serving { None } else { wait(format!("{leader} leads and does not serve yet")) }
    } else if many || (few && !voters.is_superset(&target)) {
        wait(format!("{} has {} of {wanted} voters: {}", cell.name, voters.len(), list(voters)))
    } else if !voters.is_superset(&target) {
        make_room(cell, leader, wanted)
    } else {
        let step = next_step(wanted, cell.desired.replicas);
        shrink(cell, leader, &target, step)
    };
    Vec::from_iter(action)
}

/// There are as many voters as wanted, and not all the right ones: more are wanted for now, or for good.
fn make_room(cell: &Cell<'_>, leader: &ReplicaName, wanted: ReplicaCount) -> Option<Action> {
    let why = format!("{} has {wanted} voters and is to have the first {} slots", cell.name, cell.desired.replicas);
    match next_step(wanted, ReplicaCount::Five) {
        Some(more) => Some(set_voters(cell, leader, more, why)),
        None => Some(Action { verb: Verb::Wait { object: cell.name.to_string() }, why }),
    }
}

/// All that are to stay vote. They must be well, and one of them must lead, before the others leave.
fn shrink(
    cell: &Cell<'_>,
    leader: &ReplicaName,
    target: &BTreeSet<ReplicaName>,
    step: Option<ReplicaCount>,
) -> Option<Action> {
    let runs =
        |replica: &ReplicaName| cell.status(replica).is_some_and(|status| status.lifecycle == Lifecycle::Running);
    let stays = step.map_or_else(BTreeSet::new, |step| cell.slots_of(step));
    let (name, replicas) = (cell.name.clone(), cell.desired.replicas);
    let votes = |replica: &&ReplicaName| cell.leader().is_some_and(|(_, status)| status.voters.contains(*replica));
    if let Some(replica) = target.iter().chain(stays.iter().filter(votes)).find(|replica| !runs(replica)) {
        let why = format!("{replica} must be well before others leave {name}");
        return Some(Action { verb: Verb::Wait { object: replica.to_string() }, why });
    }
    if let (false, Some(to)) = (target.contains(leader), target.first()) {
        let why = format!("{leader} leads and is to leave {name}, which is to have {replicas} replicas");
        let verb = Verb::HandOver { cell: name, leader: leader.clone(), to: to.clone() };
        return Some(Action { verb, why });
    }
    let why = format!("more replicas vote in {name} than the {replicas} it is to have");
    step.map(|step| set_voters(cell, leader, step, why))
}

fn set_voters(cell: &Cell<'_>, leader: &ReplicaName, voters: ReplicaCount, why: String) -> Action {
    Action { verb: Verb::SetVoters { cell: cell.name.clone(), leader: leader.clone(), voters }, why }
}

/// None if nothing is to change. Never from 5 to 1 at once: in between the cell must be well with 3.
fn next_step(from: ReplicaCount, to: ReplicaCount) -> Option<ReplicaCount> {
    use ReplicaCount::{Five, One, Three};
    match (from, to) {
        (One, One) | (Three, Three) | (Five, Five) => None,
        (One | Five, _) => Some(Three),
        (Three, to) => Some(to),
    }
}

/// Volumes that are gone for good, as opposed to replicas that are down. Said only when every replica answers: a silent one may
/// know a later set of voters, and hold what seems lost.
fn quorum_lost(cell: &Cell<'_>) -> Option<Action> {
    if cell.leader().is_some() || cell.must_run().iter().any(|replica| cell.status(replica).is_none()) {
        return None;
    }
    let knows = cell.answers().filter(|(_, status)| status.holds_a_part()).max_by_key(|(_, status)| status.raft_term);
    let voters = match (knows, &cell.seen.founding) {
        (Some((_, status)), _) if !status.voters.is_empty() => status.voters.clone(),
        (_, Some(record)) => record.founders.keys().cloned().collect(),
        (_, None) => return None,
    };
    let gone = |replica: &&ReplicaName| {
        let empty = |status: &ReplicaStatus| matches!(status.lifecycle, Lifecycle::Empty | Lifecycle::Joining);
        cell.status(replica).is_some_and(|status| empty(status) && !status.holds_a_part())
    };
    let gone: Vec<&ReplicaName> = voters.iter().filter(gone).collect();
    if voters.len() - gone.len() > voters.len() / 2 {
        return None;
    }
    let why = format!(
        "{} of {} volumes of {} are gone ({}), more than it can lose; what it held is lost unless they come back",
        gone.len(),
        voters.len(),
        cell.name,
        list(gone)
    );
    let clears = "Put the files of these replicas back; or give up what they held: remove all files of this cluster and begin anew".to_owned();
    Some(Action { verb: Verb::Blocked { gate: Gate::QuorumLost, object: cell.name.to_string(), clears }, why })
}

fn list<'a>(replicas: impl IntoIterator<Item = &'a ReplicaName>) -> String {
    let names: Vec<&str> = replicas.into_iter().map(ReplicaName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
