//! One device's view: its cursor, and what it has seen of the conversation. Says what is wrong with each event.

use std::collections::VecDeque;

use super::Kind;
use crate::cast::Side;
use crate::clock::Nanos;

/// Skipped stretches that a device remembers, to tell a late message from a repeated one.
const MISSING_MAX: usize = 64;

/// `(ep, useq)`: the whole sync state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub ep: String,
    pub useq: u64,
}

/// A device of one of the two.
#[derive(Debug)]
pub struct Mailbox {
    pub side: Side,
    pub device: u32,
    cursor: Option<Cursor>,
    /// A snapshot replaced the events up to here: the next message may be any up to `next_cseq`.
    after_snapshot: bool,
    announced: bool,
    next_cseq: u32,
    /// By sender: the number that must come next.
    next_number: [u32; 2],
    /// By sender: a snapshot hid some, so the next number may be any later one.
    skips_numbers: [bool; 2],
    /// Messages below were shown by a snapshot, if by no event.
    snapshot_below: u32,
    /// Stretches of `cseq` that were skipped.
    missing: VecDeque<(u32, u32)>,
    /// The first event after the last ack came at this time.
    unacked_since: Option<Nanos>,
    unacked: u32,
    acked_number: [u32; 2],
    acked_cseq: u32,
}

impl Mailbox {
    pub fn new(side: Side, device: u32) -> Self {
        Self {
            side,
            device,
            cursor: None,
            after_snapshot: false,
            announced: false,
            next_cseq: 1,
            next_number: [0; 2],
            skips_numbers: [false; 2],
            snapshot_below: 0,
            missing: VecDeque::new(),
            unacked_since: None,
            unacked: 0,
            acked_number: [0; 2],
            acked_cseq: 0,
        }
    }

    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Forgets the cursor, as a close code of 4300 to 4399 demands.
    pub fn drop_cursor(&mut self) {
        self.cursor = None;
    }

    pub fn next_cseq(&self) -> u32 {
        self.next_cseq
    }

    pub fn next_number(&self, from: Side) -> u32 {
        self.next_number[from.index()]
    }

    pub fn acked_number(&self, from: Side) -> u32 {
        self.acked_number[from.index()]
    }

    pub fn acked_cseq(&self) -> u32 {
        self.acked_cseq
    }

    /// Stretches of `cseq` that never came.
    pub fn missing(&self) -> impl Iterator<Item = (u32, u32)> {
        self.missing.iter().copied()
    }

    /// A snapshot stands for everything up to `at`; `head` is its newest message's number.
    pub fn snapshot(&mut self, ep: &str, at: u64, head: Option<u32>) {
        self.cursor = Some(Cursor { ep: ep.to_owned(), useq: at });
        self.after_snapshot = true;
        if let Some(head) = head {
            self.announced = true;
            self.skips_numbers = [true; 2];
            self.next_cseq = self.next_cseq.max(head + 1);
            self.snapshot_below = self.next_cseq;
            // A snapshot delivers like an ack.
            self.acked_cseq = self.acked_cseq.max(head);
        }
    }

    /// Messages below this number of the conversation were shown by a snapshot, if by no event.
    pub fn snapshot_below(&self) -> u32 {
        self.snapshot_below
    }

    /// A message that only a snapshot showed.
    pub fn caught_up(&mut self, from: Side) {
        let next = &mut self.next_number[from.index()];
        *next += 1;
        self.acked_number[from.index()] = self.acked_number[from.index()].max(*next);
    }

    /// Any event: its place in the mailbox.
    pub fn event(&mut self, useq: u64, covers: u64, now: Nanos) -> Result<(), (Kind, String)> {
        self.unacked_since.get_or_insert(now);
        self.unacked += 1;
        let Some(cursor) = &mut self.cursor else {
            return Err((Kind::BadFrame, format!("event {useq} before a welcome")));
        };
        let last = cursor.useq;
        cursor.useq = last.max(useq);
        if useq <= last {
            Err((Kind::UseqRepeated, format!("event {useq} came after {last}")))
        } else if useq - covers.min(useq) != last {
            Err((Kind::UseqGap, format!("event {useq} with n {covers} came after {last}")))
        } else {
            Ok(())
        }
    }

    pub fn announce(&mut self) {
        self.announced = true;
    }

    /// A message's place in the conversation, and among its sender's.
    pub fn message(&mut self, from: Side, number: u32, cseq: u32) -> Result<(), (Kind, String)> {
        let next = self.next_number[from.index()];
        self.next_number[from.index()] = next.max(number + 1);
        let skips = std::mem::take(&mut self.skips_numbers[from.index()]);
        if std::mem::take(&mut self.after_snapshot) && cseq < self.next_cseq {
            // The snapshot's state is newer than its `at`, so the replay repeats what it showed.
            self.next_cseq = cseq + 1;
            return Ok(());
        }
        let expected = self.next_cseq;
        self.next_cseq = expected.max(cseq + 1);
        if cseq > expected {
            if self.missing.len() < MISSING_MAX {
                self.missing.push_back((expected, cseq - 1));
            }
            return Err((Kind::CseqGap, format!("message {cseq} came where {expected} was due")));
        }
        if cseq < expected {
            let late = self.take_missing(cseq);
            let kind = if late { Kind::Reordered } else { Kind::Duplicated };
            return Err((kind, format!("message {cseq} came after {}", expected - 1)));
        }
        if number < next && !skips {
            return Err((Kind::Duplicated, format!("{from:?}'s {number} is stored again as {cseq}")));
        }
        if number > next && !skips {
            return Err((Kind::Reordered, format!("{from:?}'s {number} is {cseq}, before {from:?}'s {next}")));
        }
        if !self.announced {
            return Err((Kind::Unannounced, format!("message {cseq}")));
        }
        Ok(())
    }

    fn take_missing(&mut self, cseq: u32) -> bool {
        let Some(at) = self.missing.iter().position(|(low, high)| (*low..=*high).contains(&cseq)) else { return false };
        let (low, high) = self.missing.remove(at).expect("the position was just found");
        for rest in [(low, cseq - 1), (cseq + 1, high)] {
            if rest.0 <= rest.1 {
                self.missing.push_back(rest);
            }
        }
        true
    }

    /// When the oldest unacked event came, and how many there are.
    pub fn unacked(&self) -> Option<(Nanos, u32)> {
        self.unacked_since.map(|since| (since, self.unacked))
    }

    /// An ack of everything goes out: its number.
    pub fn ack(&mut self) -> u64 {
        self.unacked_since = None;
        self.unacked = 0;
        self.acked_number = self.next_number;
        self.acked_cseq = self.next_cseq - 1;
        self.cursor.as_ref().map_or(0, |cursor| cursor.useq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Mailbox {
        let mut mailbox = Mailbox::new(Side::B, 0);
        mailbox.snapshot("k1", 0, None);
        mailbox.announce();
        mailbox
    }

    fn kind<T>(result: Result<T, (Kind, String)>) -> Option<Kind> {
        result.err().map(|(kind, _)| kind)
    }

    #[test]
    fn void_numbers_are_no_gap() {
        let mut mailbox = fresh();
        assert_eq!(kind(mailbox.event(1, 1, 0)), None);
        assert_eq!(kind(mailbox.event(4, 3, 0)), None);
        assert_eq!(kind(mailbox.event(6, 1, 0)), Some(Kind::UseqGap));
        assert_eq!(kind(mailbox.event(6, 1, 0)), Some(Kind::UseqRepeated));
        assert_eq!(kind(mailbox.event(7, 1, 0)), None);
    }

    #[test]
    fn a_late_message_is_reordered_and_a_repeated_one_duplicated() {
        let mut mailbox = fresh();
        assert_eq!(kind(mailbox.message(Side::A, 0, 1)), None);
        assert_eq!(kind(mailbox.message(Side::A, 2, 3)), Some(Kind::CseqGap));
        assert_eq!(kind(mailbox.message(Side::A, 1, 2)), Some(Kind::Reordered));
        assert_eq!(kind(mailbox.message(Side::A, 1, 2)), Some(Kind::Duplicated));
        assert_eq!(mailbox.missing().count(), 0);
    }

    #[test]
    fn one_message_under_two_numbers_is_duplicated_and_two_in_the_wrong_order_are_reordered() {
        let mut mailbox = fresh();
        assert_eq!(kind(mailbox.message(Side::A, 0, 1)), None);
        assert_eq!(kind(mailbox.message(Side::A, 0, 2)), Some(Kind::Duplicated));
        assert_eq!(kind(mailbox.message(Side::A, 2, 3)), Some(Kind::Reordered));
        assert_eq!(kind(mailbox.message(Side::B, 0, 4)), None);
    }

    #[test]
    fn a_replay_may_repeat_what_the_snapshot_showed_but_must_reach_it() {
        let mut mailbox = Mailbox::new(Side::A, 0);
        mailbox.snapshot("k1", 5, Some(9));
        assert_eq!(kind(mailbox.message(Side::A, 7, 8)), None);
        assert_eq!(kind(mailbox.message(Side::A, 8, 9)), None);
        assert_eq!(kind(mailbox.message(Side::A, 9, 10)), None);

        let mut mailbox = Mailbox::new(Side::A, 0);
        mailbox.snapshot("k1", 5, Some(9));
        assert_eq!(kind(mailbox.message(Side::A, 10, 11)), Some(Kind::CseqGap));
    }

    #[test]
    fn a_message_needs_its_conversation_first() {
        let mut mailbox = Mailbox::new(Side::A, 0);
        mailbox.snapshot("k1", 0, None);
        assert_eq!(kind(mailbox.message(Side::A, 0, 1)), Some(Kind::Unannounced));
    }
}
