//! Conversation ids, which carry the placement key of their home.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{Error, PlacementKey, UserId};

/// Home (8 bytes), kind (1), tag (16).
const ENCODED_LEN: usize = 25;

/// What sort of conversation an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConversationKind {
    /// Two users, or one with oneself.
    Direct,
    /// A named set of members.
    Group,
}

impl ConversationKind {
    const fn code(self) -> u8 {
        match self {
            Self::Direct => 1,
            Self::Group => 2,
        }
    }
}

/// A conversation. The id names its home, so that any process can route to it without a lookup.
///
/// Text form: 34 characters of `[A-Za-z0-9_-]` (base64url of 25 bytes). Opaque to clients.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId {
    home: PlacementKey,
    kind: ConversationKind,
    tag: u128,
}

impl ConversationId {
    /// The conversation of two users (or of one with oneself), the same whoever asks.
    ///
    /// Its home is the key of one of the two, chosen by a hash of the sorted, length-prefixed pair, so that an
    /// account that talks to everybody does not own everything.
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut hasher = Sha256::new();
        hasher.update(b"direct");
        for user in [low, high] {
            // A length is at most 128, so one byte holds it.
            hasher.update([u8::try_from(user.as_str().len()).expect("a user id has at most 128 bytes")]);
            hasher.update(user.as_str().as_bytes());
        }
        let hash = hasher.finalize();
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        let home = if hash[16] & 1 == 0 { low } else { high };
        Self { home: home.placement(), kind: ConversationKind::Direct, tag: u128::from_be_bytes(tag) }
    }

    pub const fn home(self) -> PlacementKey {
        self.home
    }

    pub const fn kind(self) -> ConversationKind {
        self.kind
    }

    /// 25 bytes that sort like the id: home, kind, tag.
    pub fn to_bytes(self) -> [u8; ENCODED_LEN] {
        let mut bytes = [0; ENCODED_LEN];
        bytes[..8].copy_from_slice(&self.home.get().to_be_bytes());
        bytes[8] = self.kind.code();
        bytes[9..].copy_from_slice(&self.tag.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { what: "conversation id", why };
        let bytes: &[u8; ENCODED_LEN] = bytes.try_into().map_err(|_| malformed("wrong length"))?;
        let kind = match bytes[8] {
            1 => ConversationKind::Direct,
            2 => ConversationKind::Group,
            _ => return Err(malformed("unknown kind")),
        };
        let (mut home, mut tag) = ([0; 8], [0; 16]);
        home.copy_from_slice(&bytes[..8]);
        tag.copy_from_slice(&bytes[9..]);
        Ok(Self { home: PlacementKey::new(u64::from_be_bytes(home)), kind, tag: u128::from_be_bytes(tag) })
    }
}

impl FromStr for ConversationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; ENCODED_LEN];
        let malformed = Error::Malformed { what: "conversation id", why: "not one that a server made" };
        if text.len() != 34 {
            return Err(malformed);
        }
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(ENCODED_LEN) => Self::from_bytes(&bytes),
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 34];
        URL_SAFE_NO_PAD.encode_slice(self.to_bytes(), &mut text).expect("34 characters hold 25 bytes");
        f.write_str(std::str::from_utf8(&text).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.home, self.kind, self.tag.to_be_bytes()).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            let (home, kind, tag) = Deserialize::deserialize(deserializer)?;
            Ok(Self { home, kind, tag: u128::from_be_bytes(tag) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn both_users_meet_the_same_conversation_at_one_of_their_keys() {
        let (alice, bob) = (user("alice"), user("bob"));
        let id = ConversationId::direct(&alice, &bob);
        assert_eq!(id, ConversationId::direct(&bob, &alice));
        assert!([alice.placement(), bob.placement()].contains(&id.home()));
    }

    #[test]
    fn the_pair_is_length_prefixed_so_that_no_two_pairs_share_a_conversation() {
        assert_ne!(ConversationId::direct(&user("a"), &user("bc")), ConversationId::direct(&user("ab"), &user("c")));
    }

    #[test]
    fn an_account_that_talks_to_everybody_homes_about_half_of_its_conversations() {
        let hub = user("hub");
        let at_hub =
            (0..1000).filter(|n| ConversationId::direct(&hub, &user(&format!("u{n}"))).home() == hub.placement());
        assert!((400..600).contains(&at_hub.count()));
    }

    /// Stored in every row and known to clients: never changes.
    #[test]
    fn conversation_ids_match_their_golden_vector() {
        assert_eq!(
            ConversationId::direct(&user("alice"), &user("bob")).to_string(),
            "wSwBCfcz7CMBrgW9ARmhkiYzvPCYx9emzA"
        );
    }

    #[test]
    fn text_and_bytes_round_trip_and_garbage_is_refused() {
        let id = ConversationId::direct(&user("alice"), &user("bob"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(postcard::from_bytes::<ConversationId>(&postcard::to_stdvec(&id).unwrap()).unwrap(), id);
        for text in ["", "x", &"=".repeat(34), &"A".repeat(34), &"A".repeat(64)] {
            assert!(text.parse::<ConversationId>().is_err(), "{text}");
        }
    }
}
