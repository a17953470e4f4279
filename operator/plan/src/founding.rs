//! Founding happens once per cell: existing volumes are asked first, founders are recorded before they are told, and a
//! recorded cell is never founded again.

use cell_types::{Epoch, Incarnation, KeyRange, Lifecycle, ReplicaName};

use crate::action::Gate;
use crate::cell::Cell;
use crate::{Action, FoundingRecord, Verb};

/// Names are never reused, so every cell is the first of its name.
const FIRST_INCARNATION: Incarnation = Incarnation::new(1);

/// The first cell; it is born with the whole key space, every later one with nothing.
const FIRST_CELL: &str = "c0";

/// The next step towards a founded cell; nothing if it is founded and its founding is remembered.
pub(crate) fn found(cell: &Cell<'_>) -> Vec<Action> {
    match &cell.seen.founding {
        _ if cell.is_founded() => confirm(cell),
        None => record(cell),
        Some(record) => tell(cell, record),
    }
}

/// A cell without a record was founded by a planner whose record is lost; it needs none any more.
fn confirm(cell: &Cell<'_>) -> Vec<Action> {
    if cell.seen.founding_confirmed || cell.seen.founding.is_none() {
        return Vec::new();
    }
    let verb = Verb::ConfirmFounding { cell: cell.name.clone() };
    vec![Action { verb, why: format!("a replica of {} says that it is founded", cell.name) }]
}

fn record(cell: &Cell<'_>) -> Vec<Action> {
    // Every volume there is must say that it is empty. One that does not answer may hold the cell.
    for replica in cell.must_run() {
        match cell.status(&replica) {
            None => return vec![wait_for(&replica, "every volume is asked before a cell is founded")],
            Some(status) if status.holds_a_part() => {
                let why = format!("{replica} was told to found {}, and no founders are recorded", cell.name);
                let clears = "Put the record back, or begin anew with new volumes".to_owned();
                return vec![blocked(&replica, why, clears)];
            }
            // It says itself what is wrong, and that blocks already.
            Some(status) if status.lifecycle != Lifecycle::Empty => return Vec::new(),
            Some(_) => {}
        }
    }
    let volume = |replica: ReplicaName| cell.status(&replica).map(|status| (replica, status.volume));
    let first = cell.name.as_str() == FIRST_CELL;
    let record = FoundingRecord {
        cluster: cell.desired.cluster.clone(),
        cell: cell.name.clone(),
        incarnation: FIRST_INCARNATION,
        founders: cell.slots_of(cell.desired.replicas).into_iter().filter_map(volume).collect(),
        voters: cell.desired.replicas,
        ranges: if first { vec![(KeyRange::ALL, Epoch::ZERO.next())] } else { Vec::new() },
    };
    let why = format!("all {} volumes of {} are empty and none is recorded", record.founders.len(), cell.name);
    vec![Action { verb: Verb::RecordFounders(record), why }]
}

fn tell(cell: &Cell<'_>, record: &FoundingRecord) -> Vec<Action> {
    let lost = record.founders.iter().find(|(replica, volume)| {
        // A slot whose process runs makes itself a volume; without one, a missing volume is only seen here.
        cell.status(replica).is_some_and(|status| status.volume != **volume)
    });
    if let Some((replica, volume)) = lost {
        let why = format!(
            "the volume {volume} of founder {replica} is gone, and the founding of {} is not confirmed",
            cell.name
        );
        let clears = format!(
            "Put the files of {replica} back; or, if nobody has used this cluster yet, remove all its files and begin anew"
        );
        return vec![blocked(replica, why, clears)];
    }
    if let Some(silent) = record.founders.keys().find(|replica| cell.status(replica).is_none()) {
        return vec![wait_for(silent, "a cell is founded when all of its founders answer")];
    }
    let untold = record
        .founders
        .keys()
        .filter(|replica| cell.status(replica).is_some_and(|status| status.lifecycle == Lifecycle::Empty));
    let actions: Vec<Action> = untold
        .map(|replica| Action {
            verb: Verb::Found { replica: replica.clone(), record: record.clone() },
            why: format!("{replica} is recorded as a founder and was not told yet"),
        })
        .collect();
    if actions.is_empty() {
        let why = "all founders are told; the founding is not committed yet".to_owned();
        return vec![Action { verb: Verb::Wait { object: cell.name.to_string() }, why }];
    }
    actions
}

fn wait_for(replica: &ReplicaName, why: &str) -> Action {
    Action { verb: Verb::Wait { object: replica.to_string() }, why: format!("{replica} does not answer yet; {why}") }
}

fn blocked(replica: &ReplicaName, why: String, clears: String) -> Action {
    Action { verb: Verb::Blocked { gate: Gate::FoundingOnce, object: replica.to_string(), clears }, why }
}
