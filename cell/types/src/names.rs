//! Names of clusters, cells, replicas and volumes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;
use crate::text::check_length;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// Raft's id of one replica on one volume. Comes from a replicated counter and is never used again.
    NodeId(u64)
}
number! {
    /// Tells two cells apart that had the same name one after the other; carried by every call.
    Incarnation(u64)
}
number! {
    /// How often a process has started on a volume; peers remember it, which unmasks a volume that was rolled back.
    BootCount(u64)
}

/// Random id of a replica's volume, made when the empty volume is first opened. Text form: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(u128);

impl VolumeId {
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VolumeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "volume id", why: "expected 32 hexadecimal digits" };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| malformed)
    }
}

impl Serialize for VolumeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VolumeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Longest name in bytes: a Kubernetes object derives its own from it and must stay below 63.
const NAME_LEN_MAX: usize = 50;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                check_length($what, text, 1, NAME_LEN_MAX)?;
                let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                if !text.bytes().all(allowed) || text.starts_with('-') || text.ends_with('-') {
                    return Err(Error::Character { what: $what, allowed: "a-z 0-9 and - inside" });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// A cluster's id: what every call between its processes carries, so that two clusters never mix.
    ClusterId, "cluster id"
}
name! {
    /// A cell's name, `c0`, `c1` …, from a counter, never reused.
    CellName, "cell name"
}
name! {
    /// A replica's slot in its cell, `c0-1`: the name under which its peers find it.
    ReplicaName, "replica name"
}

impl ReplicaName {
    /// The slot with this ordinal in a cell.
    pub fn in_cell(cell: &CellName, ordinal: u32) -> Self {
        Self(format!("{cell}-{ordinal}"))
    }

    /// The ordinal at the end of the name, if there is one.
    pub fn ordinal(&self) -> Option<u32> {
        self.0.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_would_refuse_are_refused() {
        assert!("c0-1".parse::<ReplicaName>().is_ok());
        for text in ["", "C0", "-a", "a-", "a_b", &"x".repeat(51)] {
            assert!(text.parse::<CellName>().is_err(), "{text}");
        }
    }
}
