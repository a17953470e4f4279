//! How many voters a founded cell has: changed one step at a time, and only from a settled state.

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
    let wait = |why| vec![Action { verb: Verb::Wait { object: cell.name.to_string() }, why }];
    let Some((leader, status)) = cell.leader() else {
        return wait(format!("{} has no leader", cell.name));
    };
    let Some(wanted) = status.voters_wanted else {
        return wait(format!("{leader} leads and does not know yet how many voters {} has", cell.name));
    };
    let settled = cell.slots_of(wanted);
    if status.voters != settled {
        return wait(format!(
            "the voters of {} are {}, and become {}",
            cell.name,
            list(&status.voters),
            list(&settled)
        ));
    }
    let Some(voters) = next_step(wanted, cell.desired.replicas) else {
        return if status.serving { Vec::new() } else { wait(format!("{leader} leads and does not serve yet")) };
    };
    let stays = cell.slots_of(wanted.min(voters));
    let runs =
        |replica: &&ReplicaName| cell.status(replica).is_some_and(|status| status.lifecycle == Lifecycle::Running);
    if let Some(replica) = stays.iter().find(|replica| !runs(replica)) {
        return wait(format!("{replica} must be well before the number of voters changes"));
    }
    let why = format!("{} has {wanted} voters and is to have {}", cell.name, cell.desired.replicas);
    vec![Action { verb: Verb::SetVoters { cell: cell.name.clone(), leader: leader.clone(), voters }, why }]
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
