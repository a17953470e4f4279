//! The numbers that order things, and a device's cursor made of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

macro_rules! sequence {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            pub const fn get(self) -> u64 {
                self.0
            }

            /// The number after this one; the last one of all stays. Clients may name any number, so this never wraps.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

sequence! {
    /// Number of a message in a conversation: dense from 1, assigned by its home. What clients see and page by.
    Cseq
}
sequence! {
    /// Number of an event in a conversation's log: dense from 1, assigned by its home.
    Eseq
}
sequence! {
    /// Number of an entry in a user's mailbox: dense from 1, assigned by the user's home cell.
    Useq
}
sequence! {
    /// Ownership epoch of a range; only grows.
    Epoch
}

/// `ep`: changes only when history was rewritten (restore, unsafe recovery). Text form `k` and a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryEpoch(u64);

impl HistoryEpoch {
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for HistoryEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

impl FromStr for HistoryEpoch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text.strip_prefix('k').and_then(|digits| digits.parse().ok());
        // Only what a server writes is read: no sign, no leading zeros.
        number
            .map(Self)
            .filter(|epoch| epoch.to_string() == text)
            .ok_or(Error::Malformed { what: "ep", why: "not one that a server made" })
    }
}

impl Serialize for HistoryEpoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for HistoryEpoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// A device's whole sync state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    pub ep: HistoryEpoch,
    pub useq: Useq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_only_as_a_server_writes_it() {
        assert_eq!("k10".parse(), Ok(HistoryEpoch::new(10)));
        for text in ["", "k", "10", "K10", "k010", "k+10", "k10 ", "k18446744073709551616"] {
            assert!(text.parse::<HistoryEpoch>().is_err(), "{text}");
        }
    }
}
