//! One session's place in its user's mailbox, and its window. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use cell_protocol::limits::{WINDOW_BYTES_MAX, WINDOW_EVENTS_MAX};
use cell_types::{DeviceId, Timestamp, Useq, UserId, UserKey};

use super::outlet::Outlet;

/// Of two sessions of one device the one with the greater order wins: time of `hello`, then a random tie-break.
pub(super) type HelloOrder = (Timestamp, u64);

/// A session as its home sees it.
pub(super) struct Subscription {
    pub(super) user: UserId,
    pub(super) key: UserKey,
    pub(super) device: DeviceId,
    pub(super) order: HelloOrder,
    /// Which of the session's openings this is.
    pub(super) attempt: u32,
    pub(super) outlet: Arc<dyn Outlet>,
    /// Until its opening is answered, nothing is sent.
    open: bool,
    sent: Useq,
    acked: Useq,
    /// The newest entry of the mailbox that this subscription heard of.
    known: Useq,
    /// Lengths of the entries after `acked` up to `sent`.
    unacked: VecDeque<u32>,
    unacked_bytes: usize,
}

/// Who a subscription is for and how to reach it.
pub(super) struct Subscriber {
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    pub(super) order: HelloOrder,
    pub(super) attempt: u32,
    pub(super) outlet: Arc<dyn Outlet>,
}

impl Subscription {
    /// Not open yet; it notes what it hears meanwhile.
    pub(super) fn opening(subscriber: Subscriber) -> Self {
        let Subscriber { user, device, order, attempt, outlet } = subscriber;
        let key = user.key();
        Self {
            user,
            key,
            device,
            order,
            attempt,
            outlet,
            open: false,
            sent: Useq::ZERO,
            acked: Useq::ZERO,
            known: Useq::ZERO,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
        }
    }

    /// Opens at a place: everything up to `sent` is the client's, of which it has acked `acked`.
    pub(super) fn open_at(&mut self, sent: Useq, acked: Useq, head: Useq) {
        self.open = true;
        self.sent = sent;
        // An ack may have overtaken the opening's answer.
        self.acked = self.acked.max(acked).min(sent);
        self.known = self.known.max(head);
        // What a former home sent has no lengths here: it counts as events only.
        let outstanding = usize::try_from(sent.get() - self.acked.get()).unwrap_or(usize::MAX);
        self.unacked = std::iter::repeat_n(0, outstanding.min(WINDOW_EVENTS_MAX as usize)).collect();
        self.unacked_bytes = 0;
    }

    pub(super) fn sent(&self) -> Useq {
        self.sent
    }

    pub(super) fn acked(&self) -> Useq {
        self.acked
    }

    /// Hears of a new entry. True if it is the next one and may be sent now.
    pub(super) fn hears(&mut self, useq: Useq) -> bool {
        self.known = self.known.max(useq);
        self.open && useq == self.sent.next() && self.has_room()
    }

    /// Something is in the mailbox that may be sent now.
    pub(super) fn wants_more(&self) -> bool {
        self.open && self.sent < self.known && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.sent.get() - self.acked.get() < WINDOW_EVENTS_MAX && self.unacked_bytes < WINDOW_BYTES_MAX
    }

    /// How many entries, and about how many bytes, may be sent now.
    pub(super) fn room(&self) -> (usize, usize) {
        let events = WINDOW_EVENTS_MAX.saturating_sub(self.sent.get() - self.acked.get());
        (usize::try_from(events).unwrap_or(usize::MAX), WINDOW_BYTES_MAX.saturating_sub(self.unacked_bytes))
    }

    /// Notes that the next entry was sent.
    pub(super) fn sends(&mut self, useq: Useq, len: usize) {
        debug_assert_eq!(useq, self.sent.next(), "entries are sent without gaps");
        self.sent = useq;
        self.known = self.known.max(useq);
        self.unacked.push_back(u32::try_from(len).unwrap_or(u32::MAX));
        self.unacked_bytes += len;
    }

    /// The device has everything up to here. True if that is news.
    pub(super) fn acknowledges(&mut self, upto: Useq) -> bool {
        let upto = if self.open { upto.min(self.sent) } else { upto };
        if upto <= self.acked {
            return false;
        }
        if self.open {
            for _ in self.acked.get()..upto.get() {
                let len = self.unacked.pop_front().unwrap_or(0);
                self.unacked_bytes = self.unacked_bytes.saturating_sub(len as usize);
            }
            if self.unacked.is_empty() {
                // An idle session holds no memory for its window.
                self.unacked = VecDeque::new();
            }
        }
        self.acked = upto;
        true
    }
}

#[cfg(test)]
pub(super) mod tests {
    use cell_gateway::home::FromHome;

    use super::*;

    pub(in crate::home) struct Nowhere;

    impl Outlet for Nowhere {
        fn push(&self, _message: FromHome) {}
    }

    pub(in crate::home) fn subscription(device: &str, hello_at: u64) -> Subscription {
        Subscription::opening(Subscriber {
            user: "alice".parse().unwrap(),
            device: device.parse().unwrap(),
            order: (Timestamp::from_millis(hello_at), 0),
            attempt: 1,
            outlet: Arc::new(Nowhere),
        })
    }

    fn open() -> Subscription {
        let mut subscription = subscription("phone", 1);
        subscription.open_at(Useq::new(10), Useq::new(10), Useq::new(10));
        subscription
    }

    #[test]
    fn the_next_entry_is_sent_and_any_other_is_only_noted() {
        let mut session = open();
        assert!(session.hears(Useq::new(11)));
        session.sends(Useq::new(11), 100);
        assert!(!session.hears(Useq::new(13)), "12 was not sent yet");
        assert!(session.wants_more());
    }

    #[test]
    fn a_full_window_stops_sending_and_an_ack_opens_it() {
        let mut session = open();
        for useq in 11..=10 + WINDOW_EVENTS_MAX {
            assert!(session.hears(Useq::new(useq)));
            session.sends(Useq::new(useq), 10);
        }
        let next = Useq::new(11 + WINDOW_EVENTS_MAX);
        assert!(!session.hears(next));
        assert!(session.acknowledges(Useq::new(11)));
        assert!(session.wants_more());
        assert_eq!(session.room().0, 1);
    }

    #[test]
    fn bytes_fill_the_window_too_and_come_back_with_acks() {
        let mut session = open();
        session.sends(Useq::new(11), WINDOW_BYTES_MAX);
        assert!(!session.hears(Useq::new(12)));
        session.acknowledges(Useq::new(11));
        assert_eq!(session.room().1, WINDOW_BYTES_MAX);
    }

    #[test]
    fn an_entry_heard_while_opening_is_sent_after_it() {
        let mut session = subscription("phone", 1);
        assert!(!session.hears(Useq::new(5)));
        session.open_at(Useq::new(4), Useq::new(4), Useq::new(4));
        assert!(session.wants_more());
    }

    #[test]
    fn an_ack_that_overtook_the_opening_counts() {
        let mut session = subscription("phone", 1);
        assert!(session.acknowledges(Useq::new(7)));
        session.open_at(Useq::new(9), Useq::new(2), Useq::new(9));
        assert_eq!((session.acked(), session.room().0), (Useq::new(7), WINDOW_EVENTS_MAX as usize - 2));
    }

    #[test]
    fn acks_only_rise_and_never_pass_what_was_sent() {
        let mut session = open();
        session.sends(Useq::new(11), 1);
        assert!(session.acknowledges(Useq::new(99)));
        assert_eq!(session.acked(), Useq::new(11));
        assert!(!session.acknowledges(Useq::new(3)));
    }
}
