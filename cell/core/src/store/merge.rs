//! Three sorted sources of one kind of rows as one: the upper one wins, and deleted rows are left out.

use std::collections::btree_map;
use std::iter::Peekable;
use std::sync::Arc;

use super::table::Slot;
use crate::Error;

/// Rows in key order.
pub(crate) struct Merged<'a, K, V, D: Iterator<Item = Result<(K, V), Error>>> {
    active: Peekable<btree_map::Range<'a, K, Slot<V>>>,
    base: Peekable<btree_map::Range<'a, K, Slot<V>>>,
    disk: Peekable<D>,
}

impl<'a, K, V, D: Iterator<Item = Result<(K, V), Error>>> Merged<'a, K, V, D> {
    pub(crate) fn new(
        active: btree_map::Range<'a, K, Slot<V>>,
        base: btree_map::Range<'a, K, Slot<V>>,
        disk: D,
    ) -> Self {
        Self { active: active.peekable(), base: base.peekable(), disk: disk.peekable() }
    }
}

impl<K: Copy + Ord, V, D: Iterator<Item = Result<(K, V), Error>>> Iterator for Merged<'_, K, V, D> {
    type Item = Result<(K, Arc<V>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let on_disk = match self.disk.peek() {
                Some(Ok((key, _))) => Some(*key),
                Some(Err(_)) => return self.disk.next().and_then(Result::err).map(Err),
                None => None,
            };
            let heads = [self.active.peek().map(|(key, _)| **key), self.base.peek().map(|(key, _)| **key), on_disk];
            let key = heads.into_iter().flatten().min()?;
            // Every source that stands at this key goes on; the uppermost says what the row is.
            let active = self.active.next_if(|(at, _)| **at == key);
            let base = self.base.next_if(|(at, _)| **at == key);
            let disk = if on_disk == Some(key) { self.disk.next().and_then(Result::ok) } else { None };
            let value = match active.or(base) {
                Some((_, slot)) => slot.value.clone(),
                None => disk.map(|(_, value)| Arc::new(value)),
            };
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}
