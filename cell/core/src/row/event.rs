//! Sixty-four neighbouring references of a conversation's event log to what they changed.

use cell_types::{ConversationId, Cseq, Eseq};
use serde::{Deserialize, Serialize};

use crate::store::codec::postcard_row;
use crate::store::{Entity, KeyBytes, RowKey};

/// Events per row: a reference has three to five bytes, so that a row still is small.
const EVENTS: u64 = 64;

/// What happened in a conversation. Kinds are only ever added, at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    Message(Cseq),
}

/// Events with neighbouring numbers, from the block's first on, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventBlock {
    pub(crate) events: Vec<Event>,
}
postcard_row!(EventBlock, "event");

impl EventBlock {
    pub(crate) fn get(&self, eseq: Eseq) -> Option<Event> {
        self.events.get(place(eseq)).copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventBlockKey {
    pub(crate) conversation: ConversationId,
    pub(crate) block: u64,
}

impl EventBlockKey {
    /// The block of an event; numbers begin with 1.
    pub(crate) fn of(conversation: ConversationId, eseq: Eseq) -> Self {
        Self { conversation, block: eseq.get().saturating_sub(1) / EVENTS }
    }

    /// Whether this event is the first of its block.
    pub(crate) fn begins_with(eseq: Eseq) -> bool {
        place(eseq) == 0
    }
}

impl RowKey for EventBlockKey {
    const KIND: u8 = 18;

    fn entity(&self) -> Entity {
        Entity::conversation(self.conversation)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.block.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        Some(Self { conversation: entity.as_conversation()?, block: u64::from_be_bytes(numbers.try_into().ok()?) })
    }
}

fn place(eseq: Eseq) -> usize {
    // Below EVENTS, so that it fits any usize.
    (eseq.get().saturating_sub(1) % EVENTS) as usize
}
