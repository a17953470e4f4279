//! Broken promises, counted by kind, with examples for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Examples that a report keeps: the first few show the cause, the rest repeat it.
const EXAMPLES_MAX: usize = 50;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Acked, and not in the history.
    Lost,
    /// Acked, and a device never got it.
    Undelivered,
    /// Shown twice, or stored under two numbers.
    Duplicated,
    /// Shown after a later one, or stored in another order than sent.
    Reordered,
    /// A number of the conversation was skipped.
    CseqGap,
    /// A number of the mailbox was skipped.
    UseqGap,
    /// A number of the mailbox came twice.
    UseqRepeated,
    /// Two places say different numbers for one message.
    CseqMismatch,
    /// Another body, id or sender than what was sent.
    WrongContent,
    /// Another conversation than that of the two.
    WrongConversation,
    /// `msg` before its conversation's `conv`.
    Unannounced,
    /// A cursor was not honoured, though nothing was trimmed.
    ResumeRefused,
    /// A head or a `live` below what was there or was promised.
    HeadTooLow,
    /// `dlvd` beyond what the other user's devices acked.
    DeliveredTooEarly,
    /// Not JSON, or not what the protocol says.
    BadFrame,
    /// A refusal for good of a command that is in order.
    Refused,
    /// A close with a verdict of bad behaviour, of which we know none.
    WrongClose,
    /// The tail did not arrive in time, or a history could not be read.
    TimedOut,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub kind: Kind,
    /// The device or the place that saw it.
    pub place: String,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.kind, self.place, self.detail)
    }
}

/// All broken promises of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    pub counts: BTreeMap<Kind, u64>,
    /// The first ones.
    pub examples: Vec<Violation>,
}

impl Violations {
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    pub fn push(&mut self, kind: Kind, place: &impl fmt::Display, detail: impl fmt::Display) {
        *self.counts.entry(kind).or_default() += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Violation { kind, place: place.to_string(), detail: detail.to_string() });
        }
    }

    pub fn add(&mut self, other: Self) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}
