//! Noting that a node has left the membership for ever.

use crate::record::RetireNode;
use crate::tables::Tables;
use crate::{Effect, Rejection, Reply};

/// Idempotent. Its volume is told from then on that it was replaced.
pub(super) fn retire_node(tables: &mut Tables, effects: &mut Vec<Effect>, retire: &RetireNode) -> Reply {
    match tables.cell.registry.iter_mut().find(|registered| registered.node == retire.node) {
        None => Reply::Rejected(Rejection::NoSuchNode),
        Some(registered) => {
            if !registered.retired {
                registered.retired = true;
                effects.push(Effect::CellChanged);
            }
            Reply::Done
        }
    }
}
