//! Message ids: UUIDs made by clients, compared as 128 bits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Error;

/// A `mid`. The dedupe key of a message is `(conversation, sender, mid)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl FromStr for MessageId {
    type Err = Error;

    /// Takes the hyphenated form only, in either case: 8-4-4-4-12 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed =
            Error::Malformed { what: "mid", why: "expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057" };
        if text.len() != 36 {
            return Err(malformed);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| malformed)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.as_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(|bytes| Self(Uuid::from_bytes(bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_sent_back_in_lower_case() {
        let id: MessageId = "01890A5D-AC96-774B-BCCE-B302099A8057".parse().unwrap();
        assert_eq!(id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
    }

    #[test]
    fn other_forms_of_uuids_are_refused() {
        for text in ["", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}", "not-a-uuid"] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }
}
