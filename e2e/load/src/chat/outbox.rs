//! A sender's unanswered sends: what goes out next, in order, through refusals and reconnects. Sans-I/O.

use std::collections::VecDeque;

use crate::clock::Nanos;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent, for the first time or again.
    Waiting,
    Sent(Nanos),
}

#[derive(Debug)]
struct Slot {
    number: u32,
    tries: u32,
    state: State,
}

/// The unanswered sends of one user, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    slots: VecDeque<Slot>,
    hold_until: Nanos,
}

/// A send that is to go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) number: u32,
    pub(super) is_retry: bool,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A new message; numbers grow.
    pub(super) fn push(&mut self, number: u32) {
        self.slots.push_back(Slot { number, tries: 0, state: State::Waiting });
    }

    /// Whether sends may go out: after a refusal they wait.
    pub(super) fn is_open(&self, now: Nanos) -> bool {
        now >= self.hold_until
    }

    /// What waits, oldest first; it counts as sent now.
    pub(super) fn take_waiting(&mut self, now: Nanos) -> impl Iterator<Item = Outgoing> {
        let is_open = self.is_open(now);
        self.slots.iter_mut().filter(move |slot| is_open && slot.state == State::Waiting).map(move |slot| {
            slot.state = State::Sent(now);
            slot.tries += 1;
            Outgoing { number: slot.number, is_retry: slot.tries > 1 }
        })
    }

    /// An answer for good came. Whether there was such a send on its way.
    pub(super) fn answered(&mut self, number: u32) -> bool {
        let Some(at) = self.position(number) else { return false };
        self.slots.remove(at);
        true
    }

    /// The server asks to try again later. Whether there was such a send on its way.
    pub(super) fn refused(&mut self, number: u32, until: Nanos) -> bool {
        let Some(at) = self.position(number) else { return false };
        self.slots[at].state = State::Waiting;
        self.hold_until = self.hold_until.max(until);
        true
    }

    /// The connection is gone: all that is unanswered goes out again on the next one.
    pub(super) fn disconnected(&mut self) {
        self.hold_until = 0;
        for slot in &mut self.slots {
            slot.state = State::Waiting;
        }
    }

    /// When the longest unanswered send went out.
    pub(super) fn oldest_sent(&self) -> Option<Nanos> {
        let sent = |slot: &Slot| if let State::Sent(at) = slot.state { Some(at) } else { None };
        self.slots.iter().filter_map(sent).min()
    }

    /// When waiting sends may go out.
    pub(super) fn wakes_at(&self) -> Option<Nanos> {
        self.slots.iter().any(|slot| slot.state == State::Waiting).then_some(self.hold_until)
    }

    fn position(&self, number: u32) -> Option<usize> {
        // Answers mostly come in order, so the first slot is it.
        self.slots.iter().position(|slot| slot.number == number && matches!(slot.state, State::Sent(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(outbox: &mut Outbox, now: Nanos) -> Vec<(u32, bool)> {
        outbox.take_waiting(now).map(|out| (out.number, out.is_retry)).collect()
    }

    fn three_sent() -> Outbox {
        let mut outbox = Outbox::default();
        (0..3).for_each(|number| outbox.push(number));
        assert_eq!(take(&mut outbox, 5), [(0, false), (1, false), (2, false)]);
        outbox
    }

    #[test]
    fn what_is_refused_goes_out_again_in_order_after_the_wait() {
        let mut outbox = three_sent();
        assert!(outbox.refused(2, 100) && outbox.refused(1, 90) && outbox.answered(0));
        assert_eq!(outbox.wakes_at(), Some(100));
        assert_eq!(take(&mut outbox, 99), []);
        assert_eq!(take(&mut outbox, 100), [(1, true), (2, true)]);
    }

    #[test]
    fn after_a_reconnect_all_that_is_unanswered_goes_out_again() {
        let mut outbox = three_sent();
        assert!(outbox.answered(1));
        outbox.disconnected();
        assert_eq!(take(&mut outbox, 6), [(0, true), (2, true)]);
    }

    #[test]
    fn a_second_answer_is_not_expected() {
        let mut outbox = three_sent();
        assert!(outbox.answered(1) && !outbox.answered(1) && !outbox.refused(1, 0));
        assert!(outbox.refused(0, 0) && !outbox.answered(0), "refused, and not sent again yet");
    }
}
