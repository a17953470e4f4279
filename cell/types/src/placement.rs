//! Placement keys: where in the key space a user or a conversation lives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Error;

/// Fixed for ever: changing it would move every user to another cell. The bytes spell `chatcell`.
const PLACEMENT_SEED: u64 = 0x6368_6174_6365_6c6c;

/// A point of the key space, `xxh3_64(user id)` with a fixed seed. Golden vectors guard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlacementKey(u64);

impl PlacementKey {
    /// Cluster-wide rows (keyring, counters, the operator's term) are led by this key.
    pub const CLUSTER: Self = Self(0);

    pub const fn new(key: u64) -> Self {
        Self(key)
    }

    /// The key of the user with this id.
    pub fn of_user(id: &str) -> Self {
        Self(xxh3_64_with_seed(id.as_bytes(), PLACEMENT_SEED))
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PlacementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for PlacementKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "placement key", why: "expected 1 to 16 hexadecimal digits" };
        if text.is_empty() || text.len() > 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These never change: a different key is a different home, and every stored row would be in the wrong cell.
    #[test]
    fn placement_keys_match_their_golden_vectors() {
        let golden = [
            ("alice", "c12c0109f733ec23"),
            ("bob", "96cb190b305ec13d"),
            ("名前", "facedb07e7eec83d"),
            ("", "c4064146d6f0eb60"),
        ];
        for (id, key) in golden {
            assert_eq!(PlacementKey::of_user(id).to_string(), key, "{id}");
        }
    }

    #[test]
    fn text_of_other_than_hexadecimal_digits_is_refused() {
        for text in ["", "g", "+1", "00000000000000000"] {
            assert!(text.parse::<PlacementKey>().is_err(), "{text}");
        }
    }
}
