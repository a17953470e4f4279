//! One kind of rows: what changed since the last checkpoint began, over what that one froze, over the disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::codec::Row;
use super::key::RowKey;
use super::merge::Merged;
use super::{Disk, Entity};
use crate::Error;

/// Rows by key. A generation that was frozen stays as a clean cache until the next one takes its place.
pub(crate) struct Table<K, V> {
    active: Generation<K, V>,
    base: Arc<Generation<K, V>>,
    disk: Arc<Disk>,
}

pub(crate) type Generation<K, V> = BTreeMap<K, Slot<V>>;

/// What a table hands to a checkpoint.
pub(crate) struct Freeze<K, V> {
    pub(crate) frozen: Arc<Generation<K, V>>,
    /// The generation that was a cache until now.
    pub(crate) old: Arc<Generation<K, V>>,
}

/// A row in memory; deleted if it has no value.
pub(crate) struct Slot<V> {
    pub(crate) value: Option<Arc<V>>,
    /// Nothing below has this key, so deleting the row leaves nothing to write.
    is_fresh: bool,
}

impl<K: RowKey, V: Row + Clone> Table<K, V> {
    pub(crate) fn new(disk: Arc<Disk>) -> Self {
        Self { active: BTreeMap::new(), base: Arc::default(), disk }
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<Arc<V>>, Error> {
        match self.active.get(key) {
            Some(slot) => Ok(slot.value.clone()),
            None => below(&self.base, &self.disk, key),
        }
    }

    /// The row, to be changed; `None` if there is none.
    pub(crate) fn get_mut(&mut self, key: &K) -> Result<Option<&mut V>, Error> {
        let slot = match self.active.entry(*key) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => match below(&self.base, &self.disk, key)? {
                Some(value) => place.insert(Slot { value: Some(value), is_fresh: false }),
                None => return Ok(None),
            },
        };
        Ok(slot.value.as_mut().map(Arc::make_mut))
    }

    /// The row, to be changed, made if there is none.
    pub(crate) fn get_mut_or(&mut self, key: &K, make: impl FnOnce() -> V) -> Result<&mut V, Error> {
        let slot = match self.active.entry(*key) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => {
                let value = below(&self.base, &self.disk, key)?;
                let is_fresh = value.is_none();
                place.insert(Slot { value, is_fresh })
            }
        };
        Ok(Arc::make_mut(slot.value.get_or_insert_with(|| Arc::new(make()))))
    }

    /// Adds a row whose key is known to be free, which saves looking for it.
    pub(crate) fn insert_new(&mut self, key: K, value: V) {
        let slot = self.active.entry(key).or_insert(Slot { value: None, is_fresh: true });
        debug_assert!(slot.value.is_none(), "{} row {:?} is not new", V::NAME, key.to_bytes());
        slot.value = Some(Arc::new(value));
    }

    /// Deletes a row; one that is not there is no matter.
    pub(crate) fn remove(&mut self, key: &K) {
        match self.active.entry(*key) {
            Entry::Occupied(slot) if slot.get().is_fresh => drop(slot.remove()),
            Entry::Occupied(mut slot) => slot.get_mut().value = None,
            Entry::Vacant(place) => drop(place.insert(Slot { value: None, is_fresh: false })),
        }
    }

    /// Rows from `first` to `last`, both included, in key order.
    pub(crate) fn range(&self, first: K, last: K) -> Result<impl Iterator<Item = Result<(K, Arc<V>), Error>>, Error> {
        let disk = self.disk.range::<K, V>(&first, &last)?;
        Ok(Merged::new(self.active.range(first..=last), self.base.range(first..=last), disk))
    }

    /// The first entity after `last` that has a row in memory, looking from a key on that is not after it.
    pub(crate) fn next_in_memory(&self, from: K, last: Entity) -> Option<Entity> {
        let first = |generation: &Generation<K, V>| {
            generation.range(from..).map(|(key, _)| key.entity()).find(|entity| *entity > last)
        };
        [first(&self.active), first(&self.base)].into_iter().flatten().min()
    }

    /// Moves what changed into a new base. Returns it, and the old one, whose freeing takes long.
    pub(crate) fn freeze(&mut self) -> Freeze<K, V> {
        let frozen = Arc::new(std::mem::take(&mut self.active));
        let old = std::mem::replace(&mut self.base, Arc::clone(&frozen));
        Freeze { frozen, old }
    }

    /// Reads from another checkpoint from now on: the one that wrote the base.
    pub(crate) fn set_disk(&mut self, disk: Arc<Disk>) {
        self.disk = disk;
    }

    /// Rows that are kept in memory: (changed, clean).
    pub(crate) fn rows_in_memory(&self) -> (usize, usize) {
        (self.active.len(), self.base.len())
    }
}

fn below<K: RowKey, V: Row>(base: &Generation<K, V>, disk: &Disk, key: &K) -> Result<Option<Arc<V>>, Error> {
    match base.get(key) {
        Some(slot) => Ok(slot.value.clone()),
        None => Ok(disk.get(key)?.map(Arc::new)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cell_types::{ConversationId, Eseq, PlacementKey, UserKey};
    use proptest::prelude::*;

    use super::*;
    use crate::cell::{Cell, Position};
    use crate::row::{Outbox, OutboxKey};
    use crate::store::Checkpoint;
    use crate::test_cell::Memory;

    struct Tested {
        table: Table<OutboxKey, Outbox>,
        under_way: Option<Checkpoint>,
    }

    fn key(n: u8) -> OutboxKey {
        let conversation = ConversationId::direct(&"a".parse().unwrap(), &"b".parse().unwrap());
        OutboxKey { conversation, member: UserKey { placement: PlacementKey::new(1), tag: n.into() } }
    }

    fn row(value: u64) -> Outbox {
        Outbox { incarnation: 0, taken: Eseq::new(value) }
    }

    impl Tested {
        fn new() -> Self {
            Self { table: Table::new(Disk::open(Memory::default().database()).unwrap()), under_way: None }
        }

        fn begin(&mut self) {
            self.end();
            let mut checkpoint = Checkpoint::new(Arc::clone(&self.table.disk), Cell::default(), Position::default());
            checkpoint.add(self.table.freeze());
            self.under_way = Some(checkpoint);
        }

        fn end(&mut self) {
            if let Some(checkpoint) = self.under_way.take() {
                checkpoint.write().unwrap();
                self.table.set_disk(checkpoint.into_written().unwrap().0);
            }
        }
    }

    #[test]
    fn a_row_that_came_and_went_between_checkpoints_leaves_nothing_to_write() {
        let mut tested = Tested::new();
        tested.table.insert_new(key(1), row(1));
        tested.table.remove(&key(1));
        assert_eq!(tested.table.rows_in_memory(), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_table_reads_like_a_map_wherever_its_rows_are(
            steps in proptest::collection::vec((0..6_u8, 0..12_u8, 1..1_000_u64), 1..80),
        ) {
            let (mut tested, mut model) = (Tested::new(), BTreeMap::new());
            for (step, n, value) in steps {
                match step {
                    0 | 1 => {
                        *tested.table.get_mut_or(&key(n), || row(0)).unwrap() = row(value);
                        model.insert(n, value);
                    }
                    2 => {
                        let changed = tested.table.get_mut(&key(n)).unwrap().map(|found| *found = row(value));
                        prop_assert_eq!(changed.is_some(), model.contains_key(&n));
                        model.entry(n).and_modify(|known| *known = value);
                    }
                    3 => {
                        tested.table.remove(&key(n));
                        model.remove(&n);
                    }
                    4 => tested.begin(),
                    _ => tested.end(),
                }
                for n in 0..12 {
                    let found = tested.table.get(&key(n)).unwrap().map(|found| found.taken.get());
                    prop_assert_eq!(found, model.get(&n).copied());
                }
                let listed: Vec<_> = tested.table.range(key(2), key(9)).unwrap()
                    .map(|found| found.map(|(key, row)| (key.member.tag as u8, row.taken.get())).unwrap()).collect();
                let expected: Vec<_> = model.range(2..=9).map(|(n, value)| (*n, *value)).collect();
                prop_assert_eq!(listed, expected);
            }
        }
    }
}
