//! A user's side of a conversation, at the user's home; and the index of a user's conversations by activity.

use cell_types::{ConversationId, Cseq, Eseq, Useq, UserId, UserKey};
use serde::{Deserialize, Serialize};

use crate::store::codec::postcard_row;
use crate::store::{Entity, KeyBytes, RowKey};

/// Messages that a snapshot shows of a conversation.
pub(crate) const RECENTS_MAX: usize = 15;

/// The watermark of what a user's mailbox has taken of a conversation. Never deleted, so that nothing is taken twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) incarnation: u32,
    /// The last event taken.
    pub(crate) eseq: Eseq,
    /// The other user, or oneself in a chat with oneself.
    pub(crate) with: UserId,
    /// The newest message taken.
    pub(crate) head: Cseq,
    /// How far this user has read.
    pub(crate) read: Cseq,
    /// How far others have read, and how far it was delivered to them, as far as this user was told.
    pub(crate) peer_read: Cseq,
    pub(crate) peer_delivered: Cseq,
    /// Mailbox entries of the newest messages, oldest first, at most [`RECENTS_MAX`].
    pub(crate) recents: Vec<Useq>,
}
postcard_row!(Member, "member");

impl Member {
    /// The newest message's mailbox entry: the conversation's place in the list.
    pub(crate) fn newest(&self) -> Option<Useq> {
        self.recents.last().copied()
    }

    pub(crate) fn push_recent(&mut self, useq: Useq) {
        if self.recents.len() == RECENTS_MAX {
            self.recents.remove(0);
        }
        self.recents.push(useq);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberKey {
    pub(crate) user: UserKey,
    pub(crate) conversation: ConversationId,
}

impl RowKey for MemberKey {
    const KIND: u8 = 3;

    fn entity(&self) -> Entity {
        Entity::user(self.user)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.conversation.to_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        Some(Self { user: entity.as_user()?, conversation: ConversationId::from_bytes(numbers).ok()? })
    }
}

/// Sorts a user's conversations by their newest message, newest first. The row holds the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActivityKey {
    pub(crate) user: UserKey,
    /// `u64::MAX` less the entry's number.
    inverted: u64,
}

impl ActivityKey {
    pub(crate) fn new(user: UserKey, newest: Useq) -> Self {
        Self { user, inverted: u64::MAX - newest.get() }
    }

    pub(crate) fn newest(self) -> Useq {
        Useq::new(u64::MAX - self.inverted)
    }
}

postcard_row!(ConversationId, "activity");

impl RowKey for ActivityKey {
    const KIND: u8 = 4;

    fn entity(&self) -> Entity {
        Entity::user(self.user)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.inverted.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        Some(Self { user: entity.as_user()?, inverted: u64::from_be_bytes(numbers.try_into().ok()?) })
    }
}
