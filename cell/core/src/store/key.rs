//! Keys of rows as bytes: fixed width per kind, big-endian, so that they sort by value.
//!
//! placement key (8) | entity kind (1) | entity tag (16) | row kind (1) | numbers

use std::fmt;

use cell_types::{ConversationId, PlacementKey, UserKey};

/// Placement key, entity kind and tag.
const ENTITY_LEN: usize = 25;

/// The longest key is that of a member row: an entity, the row kind, and a conversation.
const KEY_LEN_MAX: usize = ENTITY_LEN + 1 + 25;

const ENTITY_KIND_AT: usize = 8;
const ENTITY_CLUSTER: u8 = 0;
const ENTITY_USER: u8 = 1;
/// Added to the kind that a conversation's own bytes have (1 direct, 2 group).
const ENTITY_CONVERSATION: u8 = 1;

/// What rows belong to: all rows of one are neighbours, and so are all entities of one placement key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entity([u8; ENTITY_LEN]);

impl Entity {
    /// Owner of the cluster-wide rows.
    pub(crate) const CLUSTER: Self = Self([0; ENTITY_LEN]);

    pub(crate) fn user(user: UserKey) -> Self {
        let mut bytes = [0; ENTITY_LEN];
        bytes[..8].copy_from_slice(&user.placement.get().to_be_bytes());
        bytes[ENTITY_KIND_AT] = ENTITY_USER;
        bytes[9..].copy_from_slice(&user.tag.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn conversation(conversation: ConversationId) -> Self {
        let mut bytes = conversation.to_bytes();
        bytes[ENTITY_KIND_AT] += ENTITY_CONVERSATION;
        Self(bytes)
    }

    pub(crate) fn placement(self) -> PlacementKey {
        PlacementKey::new(u64::from_be_bytes(take(&self.0[..8])))
    }

    pub(crate) fn as_user(self) -> Option<UserKey> {
        let tag = u128::from_be_bytes(take(&self.0[9..]));
        (self.0[ENTITY_KIND_AT] == ENTITY_USER).then(|| UserKey { placement: self.placement(), tag })
    }

    pub(crate) fn as_conversation(self) -> Option<ConversationId> {
        let mut bytes = self.0;
        bytes[ENTITY_KIND_AT] = bytes[ENTITY_KIND_AT].checked_sub(ENTITY_CONVERSATION)?;
        ConversationId::from_bytes(&bytes).ok()
    }

    pub(crate) fn is_cluster(self) -> bool {
        self.0[ENTITY_KIND_AT] == ENTITY_CLUSTER
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The entity that a row's key begins with.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        Some(Self(key.get(..ENTITY_LEN)?.try_into().ok()?))
    }

    /// Sorts after every row of this entity and before every row of the next.
    pub(crate) fn end(self) -> KeyBytes {
        KeyBytes::new(self, u8::MAX)
    }

    /// A user that is not after this entity, but after every user that is before its placement key.
    pub(crate) fn user_at_most(self) -> UserKey {
        self.as_user().unwrap_or(UserKey { placement: self.placement(), tag: 0 })
    }

    /// A conversation that no conversation after this entity comes before.
    pub(crate) fn conversation_at_most(self) -> ConversationId {
        let mut first = [0; ENTITY_LEN];
        first[..8].copy_from_slice(&self.0[..8]);
        first[ENTITY_KIND_AT] = 1;
        self.as_conversation().unwrap_or(ConversationId::from_bytes(&first).expect("kind 1 is known"))
    }
}

/// An encoded key, without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct KeyBytes {
    bytes: [u8; KEY_LEN_MAX],
    len: usize,
}

impl KeyBytes {
    pub(crate) fn new(entity: Entity, row_kind: u8) -> Self {
        let mut bytes = [0; KEY_LEN_MAX];
        bytes[..ENTITY_LEN].copy_from_slice(&entity.0);
        bytes[ENTITY_LEN] = row_kind;
        Self { bytes, len: ENTITY_LEN + 1 }
    }

    #[must_use]
    pub(crate) fn with(mut self, number: &[u8]) -> Self {
        self.bytes[self.len..self.len + number.len()].copy_from_slice(number);
        self.len += number.len();
        self
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.as_slice()))
    }
}

/// A typed key. Its order is that of its bytes.
pub(crate) trait RowKey: Copy + Ord {
    /// Tells the rows of one entity apart; unique over all kinds of entities.
    const KIND: u8;

    fn entity(&self) -> Entity;

    /// Entity, row kind, and the numbers of this kind.
    fn to_bytes(&self) -> KeyBytes;

    /// Reads the numbers back.
    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self>;

    fn head(&self) -> KeyBytes {
        KeyBytes::new(self.entity(), Self::KIND)
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` if these bytes are no key of this kind.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let entity = Entity::of_key(bytes)?;
        (*bytes.get(ENTITY_LEN)? == Self::KIND).then(|| Self::from_parts(entity, &bytes[ENTITY_LEN + 1..]))?
    }
}

/// Exactly as many bytes as the array has.
pub(crate) fn take<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller sliced that many")
}

/// For messages about rows.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use cell_types::UserId;

    use super::*;

    #[test]
    fn everything_of_one_placement_key_is_one_contiguous_piece_of_the_key_space() {
        let alice: UserId = "alice".parse().unwrap();
        let conversation = ConversationId::direct(&alice, &"bob".parse().unwrap());
        let entities = [Entity::user(alice.key()), Entity::conversation(conversation)];
        assert_eq!(conversation.home(), alice.placement());
        for entity in entities {
            assert_eq!(entity.placement(), alice.placement());
            assert!(entity.as_bytes() > &alice.placement().get().to_be_bytes()[..]);
            assert!(entity.as_bytes() < &(alice.placement().get() + 1).to_be_bytes()[..]);
        }
        assert!(entities[0] < entities[1]);
    }

    #[test]
    fn an_entity_names_the_user_or_the_conversation_it_was_made_of() {
        let alice: UserId = "alice".parse().unwrap();
        let conversation = ConversationId::direct(&alice, &"bob".parse().unwrap());
        let (user, talk) = (Entity::user(alice.key()), Entity::conversation(conversation));
        assert_eq!((user.as_user(), user.as_conversation()), (Some(alice.key()), None));
        assert_eq!((talk.as_user(), talk.as_conversation()), (None, Some(conversation)));
        assert!(Entity::CLUSTER.is_cluster() && Entity::CLUSTER.as_conversation().is_none());
    }
}
