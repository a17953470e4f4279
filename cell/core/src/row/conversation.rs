//! A conversation at its home: the numbers given out, and the members.

use cell_types::{ConversationId, Cseq, Eseq, UserId};
use serde::{Deserialize, Serialize};

use crate::store::codec::postcard_row;
use crate::store::{Entity, KeyBytes, RowKey};

/// One row per conversation; made by its first message, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// Raised only by a restore or a recovery: numbers of another incarnation say nothing about this one.
    pub(crate) incarnation: u32,
    /// The newest message.
    pub(crate) head: Cseq,
    /// The newest event.
    pub(crate) eseq: Eseq,
    /// Buckets of the dedupe table; never fewer.
    pub(crate) buckets: u32,
    /// Entries of the dedupe table.
    pub(crate) entries: u64,
    /// In the order in which they joined; a place is never given to another.
    pub(crate) participants: Vec<Participant>,
}
postcard_row!(Conversation, "conversation");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Participant {
    pub(crate) user: UserId,
    /// How far this member has read.
    pub(crate) read: Cseq,
    /// This member's entries of the dedupe table.
    pub(crate) entries: u64,
    /// This member's messages up to and including this one have left the dedupe table.
    pub(crate) forgotten: Cseq,
}

impl Conversation {
    /// The conversation of two users, or of one with oneself.
    pub(crate) fn direct(one: &UserId, other: &UserId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut participants = vec![Participant::new(low)];
        if high != low {
            participants.push(Participant::new(high));
        }
        Self { incarnation: 0, head: Cseq::ZERO, eseq: Eseq::ZERO, buckets: 1, entries: 0, participants }
    }

    /// The place of a member.
    pub(crate) fn place_of(&self, user: &UserId) -> Option<usize> {
        self.participants.iter().position(|participant| participant.user == *user)
    }

    /// Whom a member of a direct conversation talks with.
    pub(crate) fn peer_of(&self, place: usize) -> &UserId {
        let others = self.participants.iter().enumerate().find(|(other, _)| *other != place);
        &others.map_or(&self.participants[place], |(_, participant)| participant).user
    }
}

impl Participant {
    fn new(user: &UserId) -> Self {
        Self { user: user.clone(), read: Cseq::ZERO, entries: 0, forgotten: Cseq::ZERO }
    }
}

impl RowKey for ConversationId {
    const KIND: u8 = 16;

    fn entity(&self) -> Entity {
        Entity::conversation(*self)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head()
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        entity.as_conversation().filter(|_| numbers.is_empty())
    }
}
