//! Which slots have a process: started when they should, stopped one at a time when their cell has let them go.

use cell_types::{Lifecycle, ReplicaName};

use crate::action::Gate;
use crate::cell::Cell;
use crate::{Action, Process, Slot, Verb};

pub(crate) fn start(cell: &Cell<'_>) -> Vec<Action> {
    let absent = |replica: &ReplicaName| cell.slot(replica).process == Process::Absent;
    let start = |replica: ReplicaName| {
        let why = match cell.slot(&replica).volume_exists {
            true => format!("{replica} has a volume and no process"),
            false if cell.is_founded() => {
                format!("{replica} has no volume; it starts on an empty one and joins its cell")
            }
            false => format!("{} is to have {} replicas", cell.name, cell.desired.replicas),
        };
        Action { verb: Verb::StartReplica { replica }, why }
    };
    cell.must_run().into_iter().filter(absent).map(start).collect()
}

/// The highest ordinal goes first, and the next one only when nothing is left of it.
pub(crate) fn stop(cell: &Cell<'_>) -> Vec<Action> {
    let removed = cell.answers().find(|(_, status)| status.lifecycle == Lifecycle::Removed);
    if let Some((replica, _)) = removed.filter(|(replica, _)| cell.leader().is_some() && !cell.has_left(replica)) {
        let why = format!("the cell has removed the replica on this volume for ever; {replica} joins on an empty one");
        return vec![Action { verb: Verb::SetVolumeAside { replica: replica.clone() }, why }];
    }
    let is_left_over = |slot: &Slot| slot.volume_exists || slot.process != Process::Absent;
    let left = cell.seen.slots.iter().filter(|(replica, slot)| cell.has_left(replica) && is_left_over(slot));
    let Some((replica, slot)) = left.max_by_key(|(replica, _)| replica.ordinal()) else { return Vec::new() };
    let (name, wanted) = (&cell.name, cell.desired.replicas);
    let why = format!("{replica} has left {name}, whose number of replicas is to be {wanted}");
    let replica = replica.clone();
    let verb = match slot.process {
        Process::Absent => Verb::SetVolumeAside { replica },
        Process::Running | Process::BackingOff => Verb::StopReplica { replica },
    };
    vec![Action { verb, why }]
}

/// What keeps each replica from being a member that answers.
pub(crate) fn wait(cell: &Cell<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for replica in cell.must_run() {
        let slot = cell.slot(&replica);
        let wait = |why| Action { verb: Verb::Wait { object: replica.to_string() }, why };
        match (slot.process, &slot.status) {
            (Process::BackingOff, _) => actions.push(wait(format!("{replica} ended and is started again in a moment"))),
            (Process::Running, None) => actions.push(wait(format!("{replica} does not answer yet"))),
            (_, Some(status)) if status.lifecycle == Lifecycle::Failed => {
                let why = format!("{replica} cannot go on: {}", status.messages.join("; "));
                let clears = format!("Mend what it names, then restart {replica}");
                let verb = Verb::Blocked { gate: Gate::ReplicaFailed, object: replica.to_string(), clears };
                actions.push(Action { verb, why });
            }
            (Process::Running, Some(status)) if status.lifecycle == Lifecycle::Joining => {
                actions.push(wait(format!("{replica} is joining {}", cell.name)));
            }
            (Process::Running, Some(status)) if status.lifecycle == Lifecycle::Empty && cell.is_founded() => {
                actions.push(wait(format!("{replica} is empty and looks for its cell")));
            }
            _ => {}
        }
    }
    actions
}
