//! What a member whose home is in another cell has yet to get of a conversation.

use cell_types::{ConversationId, Eseq, PlacementKey, UserKey};
use serde::{Deserialize, Serialize};

use crate::store::codec::postcard_row;
use crate::store::key::take;
use crate::store::{Entity, KeyBytes, RowKey};

/// One row per remote member, at the conversation's home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outbox {
    pub(crate) incarnation: u32,
    /// That member's mailbox has every event up to this one.
    pub(crate) taken: Eseq,
}
postcard_row!(Outbox, "outbox");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OutboxKey {
    pub(crate) conversation: ConversationId,
    pub(crate) member: UserKey,
}

impl RowKey for OutboxKey {
    const KIND: u8 = 20;

    fn entity(&self) -> Entity {
        Entity::conversation(self.conversation)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.member.placement.get().to_be_bytes()).with(&self.member.tag.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        let (placement, tag) = (numbers.get(..8)?, numbers.get(8..).filter(|tag| tag.len() == 16)?);
        let placement = PlacementKey::new(u64::from_be_bytes(take(placement)));
        let member = UserKey { placement, tag: u128::from_be_bytes(take(tag)) };
        Some(Self { conversation: entity.as_conversation()?, member })
    }
}
