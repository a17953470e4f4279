//! Housekeeping as an explicit, bounded command: it walks the entities in key order, some at a time.

use super::sweep_conversation::sweep_conversation;
use super::sweep_user::sweep_user;
use crate::record::Sweep;
use crate::store::Entity;
use crate::tables::Tables;
use crate::{Effect, Error, Reply};

/// Entities looked at per command, at some ten microseconds each while nothing is due: apply must not stall.
const ENTITIES_MAX: u32 = 256;

/// Rows removed or read for removal per command, at about five microseconds each.
const ROWS_MAX: u32 = 1_000;

/// Rows that may still be touched.
pub(super) struct Budget(u32);

impl Budget {
    /// False if there is none left.
    pub(super) fn spend(&mut self) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        is_left
    }
}

/// An entity with more to do than the budget allows is looked at again by the next sweep.
pub(super) fn sweep(tables: &mut Tables, effects: &mut Vec<Effect>, sweep: &Sweep) -> Result<Reply, Error> {
    let mut last = Entity::of_key(&sweep.from).unwrap_or(Entity::CLUSTER);
    let mut budget = Budget(ROWS_MAX);
    for _ in 0..sweep.entities_max.min(ENTITIES_MAX) {
        let Some(entity) = next_entity(tables, last)? else { return Ok(Reply::Swept { next: Vec::new() }) };
        let is_done = match (entity.as_user(), entity.as_conversation()) {
            (Some(user), _) => sweep_user(tables, effects, user, &mut budget)?,
            (_, Some(conversation)) => sweep_conversation(tables, conversation, &mut budget)?,
            _ => true,
        };
        if !is_done {
            break;
        }
        last = entity;
    }
    Ok(Reply::Swept { next: last.as_bytes().to_vec() })
}

/// Users and conversations keep their own row for ever, so that the first row of any kind names a living entity.
fn next_entity(tables: &Tables, last: Entity) -> Result<Option<Entity>, Error> {
    let on_disk = tables.disk().seek(last.end().as_slice())?;
    let candidates = [
        tables.users.next_in_memory(last.user_at_most(), last),
        tables.conversations.next_in_memory(last.conversation_at_most(), last),
        on_disk.and_then(|key| Entity::of_key(&key)),
    ];
    Ok(candidates.into_iter().flatten().min())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::test_cell::*;

    /// The entities that sweeps of one entity each stop at.
    fn walk(cell: &mut TestCell) -> BTreeSet<Vec<u8>> {
        let (mut seen, mut from) = (BTreeSet::new(), Vec::new());
        loop {
            let Reply::Swept { next } = cell.apply(Sweep { from, entities_max: 1 }) else { panic!("not swept") };
            if next.is_empty() {
                return seen;
            }
            assert!(seen.last().is_none_or(|last| *last < next), "in key order");
            seen.insert(next.clone());
            from = next;
        }
    }

    #[test]
    fn sweeps_come_by_every_user_and_conversation_wherever_their_rows_are() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "on disk");
        cell.checkpoint();
        cell.send("carol", "bob", "in the clean cache");
        let checkpoint = cell.state.begin_checkpoint().unwrap();
        cell.send("alice", "dave", "changed");
        let entities = ["alice", "bob", "carol", "dave"].map(|id| Entity::user(user(id).key()));
        let talks = [("alice", "bob"), ("carol", "bob"), ("alice", "dave")];
        let talks = talks.map(|(one, other)| Entity::conversation(direct(one, other)));
        let expected: BTreeSet<_> = entities.iter().chain(&talks).map(|entity| entity.as_bytes().to_vec()).collect();
        assert_eq!(walk(&mut cell), expected);
        checkpoint.write().unwrap();
        cell.state.end_checkpoint(checkpoint);
        cell.checkpoint();
        assert_eq!(walk(&mut cell), expected);
    }

    #[test]
    fn a_position_that_is_none_begins_anew() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        assert!(
            matches!(cell.apply(Sweep { from: vec![1, 2, 3], entities_max: 9 }), Reply::Swept { next } if next.is_empty())
        );
    }
}
