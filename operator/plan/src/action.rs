//! What a plan consists of.

use std::fmt;

use cell_types::{CellName, ReplicaCount, ReplicaName};

use crate::FoundingRecord;

/// One thing to do, and the reason in words, which people are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub verb: Verb,
    pub why: String,
}

/// Every verb is idempotent, and harmless if what was seen has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    StartReplica {
        replica: ReplicaName,
    },
    /// Gracefully: the process hands over and flushes first.
    StopReplica {
        replica: ReplicaName,
    },
    /// Moves a volume that its cell has given up out of the way, after stopping its process. Nothing is deleted.
    SetVolumeAside {
        replica: ReplicaName,
    },
    /// Writes the record if there is none. If there is one already, that one counts.
    RecordFounders(FoundingRecord),
    /// Tells one founder. Only what is recorded may be sent.
    Found {
        replica: ReplicaName,
        record: FoundingRecord,
    },
    /// Remembers for ever that the founding is committed.
    ConfirmFounding {
        cell: CellName,
    },
    /// Asks the leader to let another voter lead.
    HandOver {
        cell: CellName,
        leader: ReplicaName,
        to: ReplicaName,
    },
    /// Asks the leader.
    SetVoters {
        cell: CellName,
        leader: ReplicaName,
        voters: ReplicaCount,
    },
    /// Nothing to do but look again.
    Wait {
        object: String,
    },
    /// Nothing can be done until a person acts.
    Blocked {
        /// The rule that forbids to go on.
        gate: Gate,
        object: String,
        /// What clears it.
        clears: String,
    },
}

/// Rules that stop a planner until a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// A cell is founded once: a founder's volume is not what was recorded.
    FoundingOnce,
    /// More volumes are gone than the cell can lose.
    QuorumLost,
    /// A replica says that it cannot go on.
    ReplicaFailed,
}

impl Gate {
    /// For conditions: one word.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::FoundingOnce => "FoundingOnce",
            Self::QuorumLost => "QuorumLost",
            Self::ReplicaFailed => "ReplicaFailed",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartReplica { replica } => write!(f, "start {replica}"),
            Self::StopReplica { replica } => write!(f, "stop {replica}"),
            Self::SetVolumeAside { replica } => write!(f, "set the volume of {replica} aside"),
            Self::RecordFounders(record) => write!(f, "record the founders of {}", record.cell),
            Self::Found { replica, .. } => write!(f, "tell {replica} to found its cell"),
            Self::ConfirmFounding { cell } => write!(f, "remember that {cell} is founded"),
            Self::HandOver { leader, to, .. } => write!(f, "hand over from {leader} to {to}"),
            Self::SetVoters { cell, voters, .. } => write!(f, "set the voters of {cell} to {voters}"),
            Self::Wait { object } => write!(f, "wait for {object}"),
            Self::Blocked { object, .. } => write!(f, "blocked at {object}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verb, self.why)?;
        if let Verb::Blocked { clears, .. } = &self.verb {
            write!(f, ". {clears}")?;
        }
        Ok(())
    }
}
