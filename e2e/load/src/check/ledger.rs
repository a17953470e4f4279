//! What one sender sent, and which number of the conversation each message got: four bytes a message.

use std::collections::VecDeque;

use crate::clock::Nanos;

/// Marks a number that an `ok` confirmed; conversations of a run stay far below 2^31 messages.
const ACKED: u32 = 1 << 31;

/// One sender's messages, numbered from 0.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By message: its `cseq` (0: not known yet) and whether it was acked.
    cseqs: Vec<u32>,
    /// Every message below is acked.
    acked_below: u32,
    acked_total: u64,
    /// Every message below is acked, delivered to both users' devices and acked by the recipient's.
    done_below: u32,
    /// When each message from `done_below` on was due.
    due: VecDeque<Nanos>,
}

/// What a ledger says to a `cseq` that it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The first to say it, or the same as before.
    Fits,
    /// Another place said this number.
    Differs(u32),
    /// Nobody sent such a message.
    NeverSent,
}

impl Ledger {
    /// The next message, due now or a while ago.
    pub fn issue(&mut self, due: Nanos) -> u32 {
        let number = self.issued();
        self.cseqs.push(0);
        self.due.push_back(due);
        number
    }

    pub fn issued(&self) -> u32 {
        // A Vec of 2^32 entries would be 16 GiB; runs end long before.
        self.cseqs.len() as u32
    }

    /// The `cseq` of a message, if a place said it.
    pub fn cseq(&self, number: u32) -> Option<u32> {
        self.cseqs.get(number as usize).map(|entry| entry & !ACKED).filter(|cseq| *cseq > 0)
    }

    pub fn is_acked(&self, number: u32) -> bool {
        self.cseqs.get(number as usize).is_some_and(|entry| entry & ACKED != 0)
    }

    pub fn acked_below(&self) -> u32 {
        self.acked_below
    }

    pub fn acked_total(&self) -> u64 {
        self.acked_total
    }

    pub fn done_below(&self) -> u32 {
        self.done_below
    }

    /// When a message was due, while it is not done.
    pub fn due(&self, number: u32) -> Option<Nanos> {
        self.due.get(number.checked_sub(self.done_below)? as usize).copied()
    }

    /// A place shows a message under a number of the conversation.
    pub fn place(&mut self, number: u32, cseq: u32) -> Entry {
        let Some(entry) = self.cseqs.get_mut(number as usize) else { return Entry::NeverSent };
        match *entry & !ACKED {
            0 => {
                *entry |= cseq;
                Entry::Fits
            }
            known if known == cseq => Entry::Fits,
            known => Entry::Differs(known),
        }
    }

    /// An `ok` came.
    pub fn ack(&mut self, number: u32, cseq: u32) -> Entry {
        let entry = self.place(number, cseq);
        if let Some(state) = self.cseqs.get_mut(number as usize)
            && *state & ACKED == 0
        {
            *state |= ACKED;
            self.acked_total += 1;
        }
        while self.is_acked(self.acked_below) {
            self.acked_below += 1;
        }
        entry
    }

    /// Everything below is done; calls `each` with the due time of those that were not yet.
    pub fn done(&mut self, below: u32, mut each: impl FnMut(Nanos)) {
        while self.done_below < below {
            self.done_below += 1;
            if let Some(due) = self.due.pop_front() {
                each(due);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_sent() -> Ledger {
        let mut ledger = Ledger::default();
        assert_eq!([ledger.issue(10), ledger.issue(20), ledger.issue(30)], [0, 1, 2]);
        ledger
    }

    #[test]
    fn answers_may_come_in_any_order() {
        let mut ledger = three_sent();
        ledger.ack(1, 2);
        assert_eq!((ledger.acked_below(), ledger.acked_total()), (0, 1));
        ledger.ack(0, 1);
        assert_eq!((ledger.acked_below(), ledger.acked_total()), (2, 2));
        ledger.ack(0, 1);
        assert_eq!(ledger.acked_total(), 2);
    }

    #[test]
    fn two_numbers_for_one_message_are_seen_whoever_says_them() {
        let mut ledger = three_sent();
        assert_eq!(ledger.place(0, 1), Entry::Fits);
        assert_eq!(ledger.ack(0, 1), Entry::Fits);
        assert_eq!(ledger.place(0, 7), Entry::Differs(1));
        assert_eq!(ledger.ack(1, 2), Entry::Fits);
        assert_eq!(ledger.place(1, 3), Entry::Differs(2));
        assert_eq!(ledger.place(3, 4), Entry::NeverSent);
    }

    #[test]
    fn due_times_are_forgotten_when_the_messages_are_done() {
        let mut ledger = three_sent();
        let mut seen = Vec::new();
        ledger.done(2, |due| seen.push(due));
        assert_eq!(seen, [10, 20]);
        assert_eq!((ledger.due(1), ledger.due(2)), (None, Some(30)));
    }
}
