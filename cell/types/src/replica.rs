//! What planners and replicas say of a replica: how many there are to be, how far one has come, what it does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How many voters a cell has. Odd, because an even voter adds a machine to lose and no machine that may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum ReplicaCount {
    One,
    Three,
    Five,
}

impl ReplicaCount {
    pub const fn get(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::Five => 5,
        }
    }

    /// How many replicas may be lost at one time.
    pub const fn losses_survived(self) -> u32 {
        (self.get() - 1) / 2
    }
}

impl TryFrom<u32> for ReplicaCount {
    type Error = Error;

    fn try_from(count: u32) -> Result<Self, Error> {
        match count {
            1 => Ok(Self::One),
            3 => Ok(Self::Three),
            5 => Ok(Self::Five),
            _ => Err(Error::Malformed { what: "number of replicas", why: "expected 1, 3 or 5" }),
        }
    }
}

impl From<ReplicaCount> for u32 {
    fn from(count: ReplicaCount) -> Self {
        count.get()
    }
}

impl fmt::Display for ReplicaCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

/// How far a replica has come on its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// A new volume: it waits to be founded, or for peers that know the cell.
    Empty,
    /// It obeyed `Found`, which is not committed yet.
    Founding,
    /// It found its cell and asks to be let in, or catches up as a learner.
    Joining,
    /// A member of its cell.
    Running,
    /// Its node id has left the cell for ever.
    Removed,
    /// It cannot go on without a person; its messages say why.
    Failed,
}

/// What a replica does in its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Leader,
    Follower,
    Learner,
    Down,
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Founding => "founding",
            Self::Joining => "joining",
            Self::Running => "running",
            Self::Removed => "removed",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Learner => "learner",
            Self::Down => "down",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_one_three_or_five_replicas() {
        let taken: Vec<u32> = (0..9).filter(|count| ReplicaCount::try_from(*count).is_ok()).collect();
        assert_eq!(taken, [1, 3, 5]);
        assert_eq!(ReplicaCount::Five.losses_survived(), 2);
    }
}
