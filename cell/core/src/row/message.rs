//! Sixteen neighbouring messages of a conversation.

use std::sync::Arc;

use cell_types::{ConversationId, Cseq};

use crate::store::codec::{Row, write_postcard};
use crate::store::{Entity, KeyBytes, RowKey};
use crate::view::Message;

/// Messages per row: a page of 50 is then read with four or five lookups.
const MESSAGES: u64 = 16;

/// The first 16 bytes of SHA-256 of the body that was sent.
pub(crate) type BodyHash = [u8; 16];

/// Messages with neighbouring numbers, from the block's first on, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MessageBlock {
    messages: Vec<Arc<Message>>,
    /// One per message. Stays what it is when a message is edited or deleted: a repeated send is compared with it.
    hashes: Vec<BodyHash>,
}

impl MessageBlock {
    pub(crate) fn get(&self, cseq: Cseq) -> Option<&Arc<Message>> {
        self.messages.get(place(cseq))
    }

    pub(crate) fn hash(&self, cseq: Cseq) -> Option<&BodyHash> {
        self.hashes.get(place(cseq))
    }

    /// Messages from `cseq` on.
    pub(crate) fn from(&self, cseq: Cseq) -> &[Arc<Message>] {
        self.messages.get(place(cseq)..).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, message: Arc<Message>, hash: BodyHash) {
        self.messages.push(message);
        self.hashes.push(hash);
    }
}

impl Row for MessageBlock {
    const NAME: &'static str = "message";
    const IS_BLOCK: bool = true;

    /// The messages, then their hashes.
    fn write(&self, out: &mut Vec<u8>) {
        write_postcard(&self.messages, out);
        out.extend_from_slice(self.hashes.as_flattened());
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let (messages, rest) = postcard::take_from_bytes::<Vec<Arc<Message>>>(payload).ok()?;
        let (hashes, rest) = rest.as_chunks();
        (rest.is_empty() && hashes.len() == messages.len()).then(|| Self { messages, hashes: hashes.to_vec() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageBlockKey {
    pub(crate) conversation: ConversationId,
    pub(crate) block: u64,
}

impl MessageBlockKey {
    /// The block of a message; numbers begin with 1.
    pub(crate) fn of(conversation: ConversationId, cseq: Cseq) -> Self {
        Self { conversation, block: cseq.get().saturating_sub(1) / MESSAGES }
    }

    /// Whether this message is the first of its block.
    pub(crate) fn begins_with(cseq: Cseq) -> bool {
        place(cseq) == 0
    }
}

impl RowKey for MessageBlockKey {
    const KIND: u8 = 17;

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

fn place(cseq: Cseq) -> usize {
    // Below MESSAGES, so that it fits any usize.
    (cseq.get().saturating_sub(1) % MESSAGES) as usize
}
