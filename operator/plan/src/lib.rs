//! The planner of every executor, local or on Kubernetes: from what is wanted and what is seen to what is to be done next.
//!
//! Pure and synchronous: no I/O, no clock, no memory between calls. Executors perform one action at a time, idempotently,
//! look again, and ask again. An empty plan means: converged.

pub mod action;
mod cell;
pub mod desired;
mod founding;
pub mod health;
pub mod observed;
mod replicas;
mod voters;

pub use action::{Action, Verb};
pub use desired::{Desired, Error, Limits, Tokens};
pub use health::{Condition, ConditionKind, Health, assess};
pub use observed::{FoundingRecord, Observed, ObservedCell, Process, ReplicaStatus, Slot};

use cell::Cell;

/// What to do next, and why. Actions of one plan may be performed in any order, or only some of them.
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let nothing = ObservedCell::default();
    let mut actions = Vec::new();
    for name in desired.cell_names() {
        let cell = Cell::new(desired, name.clone(), observed.cells.get(&name).unwrap_or(&nothing));
        actions.extend(replicas::start(&cell));
        actions.extend(founding::found(&cell));
        actions.extend(voters::change(&cell));
        actions.extend(replicas::stop(&cell));
        actions.extend(replicas::wait(&cell));
    }
    actions
}
