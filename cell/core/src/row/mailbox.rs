//! Sixteen neighbouring entries of a user's mailbox.

use std::sync::Arc;

use cell_types::{Useq, UserKey};

use crate::store::codec::{Row, read_postcard, write_postcard};
use crate::store::{Entity, KeyBytes, RowKey};
use crate::view::MailboxEntry;

/// Entries per row: a B-tree row per entry costs ten times as much to write, and a larger block is written again
/// and again while it fills up.
const ENTRIES: u64 = 16;

/// Entries with neighbouring numbers, from the block's first on, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MailboxBlock {
    pub(crate) entries: Vec<Arc<MailboxEntry>>,
}

impl MailboxBlock {
    pub(crate) fn get(&self, useq: Useq) -> Option<&Arc<MailboxEntry>> {
        self.entries.get(place(useq))
    }

    /// Entries from `useq` on, with their numbers.
    pub(crate) fn from(&self, useq: Useq) -> impl Iterator<Item = (Useq, &Arc<MailboxEntry>)> {
        let entries = self.entries.iter().skip(place(useq));
        entries.enumerate().map(move |(n, entry)| (Useq::new(useq.get() + n as u64), entry))
    }
}

impl Row for MailboxBlock {
    const NAME: &'static str = "mailbox";
    const IS_BLOCK: bool = true;

    fn write(&self, out: &mut Vec<u8>) {
        write_postcard(&self.entries, out);
    }

    fn read(payload: &[u8]) -> Option<Self> {
        Some(Self { entries: read_postcard(payload)? })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MailboxBlockKey {
    pub(crate) user: UserKey,
    pub(crate) block: u64,
}

impl MailboxBlockKey {
    /// The block of an entry; numbers begin with 1.
    pub(crate) fn of(user: UserKey, useq: Useq) -> Self {
        Self { user, block: useq.get().saturating_sub(1) / ENTRIES }
    }

    /// Whether this entry is the first of its block.
    pub(crate) fn begins_with(useq: Useq) -> bool {
        place(useq) == 0
    }
}

impl RowKey for MailboxBlockKey {
    const KIND: u8 = 2;

    fn entity(&self) -> Entity {
        Entity::user(self.user)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.block.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        Some(Self { user: entity.as_user()?, block: u64::from_be_bytes(numbers.try_into().ok()?) })
    }
}

fn place(useq: Useq) -> usize {
    // Below ENTRIES, so that it fits any usize.
    (useq.get().saturating_sub(1) % ENTRIES) as usize
}
