//! The stored history of a pair, page by page, against what was acked.

use std::collections::BTreeSet;

use super::ledger::Entry;
use super::pair::Pair;
use super::{Kind, Violations};
use crate::cast::{Cast, Side};
use crate::scan::Message;

/// Missing messages that a check remembers: more of them are not seen better.
const SKIPPED_MAX: usize = 1_000;

/// Reads a conversation from its first message on.
#[derive(Debug)]
pub struct HistoryCheck {
    place: String,
    next_cseq: u32,
    /// By sender.
    next_number: [u32; 2],
    /// By sender: messages that were not where they belong; they may still come.
    skipped: [BTreeSet<u32>; 2],
    scratch: Vec<u8>,
}

impl HistoryCheck {
    pub fn new(place: String) -> Self {
        Self { place, next_cseq: 1, next_number: [0; 2], skipped: Default::default(), scratch: Vec::new() }
    }

    /// The number to page on after.
    pub fn after(&self) -> u32 {
        self.next_cseq - 1
    }

    /// The next message of the history.
    pub fn message(&mut self, cast: &Cast, pair: &mut Pair, message: &Message<'_>, violations: &mut Violations) {
        let Ok(cseq) = u32::try_from(message.cseq) else {
            violations.push(Kind::BadFrame, &self.place, format_args!("cseq {}", message.cseq));
            return;
        };
        if cseq != self.next_cseq {
            let kind = if cseq > self.next_cseq { Kind::CseqGap } else { Kind::Duplicated };
            violations.push(kind, &self.place, format_args!("{cseq} where {} was due", self.next_cseq));
        }
        self.next_cseq = self.next_cseq.max(cseq.saturating_add(1));
        let (from, number) = match pair.identify(cast, message, &mut self.scratch) {
            Ok(sent) => sent,
            Err((kind, detail)) => return violations.push(kind, &self.place, detail),
        };
        let next = self.next_number[from.index()];
        self.next_number[from.index()] = next.max(number + 1);
        let skipped = &mut self.skipped[from.index()];
        if number > next {
            skipped.extend((next..number).take(SKIPPED_MAX.saturating_sub(skipped.len())));
        } else if number < next {
            let kind = if skipped.remove(&number) { Kind::Reordered } else { Kind::Duplicated };
            violations.push(kind, &self.place, format_args!("{from:?}'s {number} as {cseq}, after {}", next - 1));
        }
        match pair.ledger_mut(from).place(number, cseq) {
            Entry::Fits => {}
            Entry::Differs(known) => violations.push(
                Kind::CseqMismatch,
                &self.place,
                format_args!("{from:?}'s {number} is {cseq}, {known} was said before"),
            ),
            Entry::NeverSent => {
                violations.push(Kind::WrongContent, &self.place, format_args!("{from:?} never sent {number}"));
            }
        }
    }

    /// The last page was read: everything acked must have been there.
    pub fn finish(&self, pair: &Pair, violations: &mut Violations) {
        for from in Side::BOTH {
            let ledger = pair.ledger(from);
            let skipped = self.skipped[from.index()].iter().copied();
            for number in skipped.chain(self.next_number[from.index()]..ledger.issued()) {
                if ledger.is_acked(number) {
                    let cseq = ledger.cseq(number).unwrap_or(0);
                    violations.push(Kind::Lost, &self.place, format_args!("{from:?}'s {number}, acked as {cseq}"));
                } else if number < self.next_number[from.index()] {
                    // It was never acked, so the next one said that it comes after it.
                    let detail = format_args!("{from:?}'s {} is there without {number} before it", number + 1);
                    violations.push(Kind::Reordered, &self.place, detail);
                }
            }
        }
    }
}
