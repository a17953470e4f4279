//! Half-open ranges of placement keys.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, PlacementKey};

/// One past the last placement key.
const KEY_SPACE_END: u128 = 1 << 64;

/// `[start, end)` of placement keys, never empty. Text form of an end: hexadecimal, the last one `10000000000000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRange {
    start: u64,
    end: u128,
}

impl KeyRange {
    /// Every key there is.
    pub const ALL: Self = Self { start: 0, end: KEY_SPACE_END };

    pub fn new(start: PlacementKey, end: u128) -> Result<Self, Error> {
        if u128::from(start.get()) < end && end <= KEY_SPACE_END {
            Ok(Self { start: start.get(), end })
        } else {
            Err(Error::Malformed { what: "range", why: "its start must be below its end, and its end at most 2^64" })
        }
    }

    pub const fn start(self) -> PlacementKey {
        PlacementKey::new(self.start)
    }

    /// Exclusive.
    pub const fn end(self) -> u128 {
        self.end
    }

    pub fn contains(self, key: PlacementKey) -> bool {
        self.start <= key.get() && u128::from(key.get()) < self.end
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_key_space_holds_its_first_and_last_key() {
        assert!(KeyRange::ALL.contains(PlacementKey::new(0)) && KeyRange::ALL.contains(PlacementKey::new(u64::MAX)));
        assert_eq!(KeyRange::ALL.to_string(), "0000000000000000-10000000000000000");
    }

    #[test]
    fn the_end_is_exclusive_and_an_empty_range_is_refused() {
        let range = KeyRange::new(PlacementKey::new(5), 7).unwrap();
        assert!(range.contains(PlacementKey::new(6)) && !range.contains(PlacementKey::new(7)));
        assert!(KeyRange::new(PlacementKey::new(7), 7).is_err());
        assert!(KeyRange::new(PlacementKey::new(0), (1 << 64) + 1).is_err());
    }
}
