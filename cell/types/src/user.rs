//! User ids and the fixed-width key that stands for them in stored rows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::text::check_length;
use crate::{Error, PlacementKey};

/// Longest user id in bytes: the `sub` of a token, opaque to us.
pub const USER_ID_LEN_MAX: usize = 128;

/// An opaque user id, 1 to 128 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn placement(&self) -> PlacementKey {
        PlacementKey::of_user(&self.0)
    }

    /// The fixed-width key of this user's rows.
    pub fn key(&self) -> UserKey {
        let hash = Sha256::digest(self.0.as_bytes());
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        UserKey { placement: self.placement(), tag: u128::from_be_bytes(tag) }
    }
}

/// Key of a user's rows: the placement key, then the first 128 bits of SHA-256 of the id. Sorts by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserKey {
    pub placement: PlacementKey,
    pub tag: u128,
}

impl FromStr for UserId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        check_length("user id", text, 1, USER_ID_LEN_MAX)?;
        if text.chars().any(char::is_control) {
            return Err(Error::Character { what: "user id", allowed: "characters other than control characters" });
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<&str> for UserId {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A visitor rather than `&str`: JSON with escapes has no borrowed text.
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = UserId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user id")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<UserId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_their_limits_are_refused() {
        assert!("".parse::<UserId>().is_err());
        assert!("x".repeat(129).parse::<UserId>().is_err());
        assert!("a\nb".parse::<UserId>().is_err());
        assert!("x".repeat(128).parse::<UserId>().is_ok());
        assert!("Ünïcode ✓ with spaces".parse::<UserId>().is_ok());
    }
}
