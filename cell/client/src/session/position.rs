//! Where this device is in the mailbox: what came, what was taken, what may be acked.

use cell_protocol::{Event, Resume, WhyFresh};
use cell_types::Useq;

use super::feed::Mark;

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Next(Mark),
    /// Seen before.
    Again,
    /// Something before it is missing: nothing may be shown over the gap.
    Gap,
}

#[derive(Debug, Default)]
pub(super) struct Position {
    /// What a `hello` resumes from: everything up to here was taken, or came in a snapshot.
    cursor: Option<Resume>,
    /// The last entry that came, in the cursor's epoch.
    seen: Useq,
    generation: u64,
    /// What the application itself has taken: what a restart may resume from.
    taken: Option<Resume>,
    /// A server told to drop the cursor.
    dropped: bool,
}

impl Position {
    pub(super) fn new(saved: Option<Resume>) -> Self {
        let seen = saved.as_ref().map_or(Useq::ZERO, |cursor| cursor.useq);
        Self { cursor: saved.clone(), seen, taken: saved, ..Self::default() }
    }

    pub(super) fn resume(&self) -> Option<&Resume> {
        self.cursor.as_ref()
    }

    /// What a restarted client may resume from.
    pub(super) fn taken(&self) -> Option<&Resume> {
        self.taken.as_ref()
    }

    pub(super) fn seen(&self) -> Useq {
        self.seen
    }

    /// The cursor is below what the server keeps.
    pub(super) fn drop_cursor(&mut self) {
        self.cursor = None;
        self.dropped = true;
    }

    /// A snapshot starts anew; its `at` counts as acked.
    pub(super) fn start_from(&mut self, ep: String, at: Useq, why: WhyFresh) -> (Mark, WhyFresh) {
        self.generation += 1;
        self.cursor = Some(Resume { ep, useq: at });
        self.seen = at;
        // Without a cursor the server can only say that this device is new to it.
        let why = if std::mem::take(&mut self.dropped) && why == WhyFresh::New { WhyFresh::Trimmed } else { why };
        (Mark { generation: self.generation, useq: at }, why)
    }

    pub(super) fn arrive(&mut self, event: &Event) -> Arrival {
        if event.useq <= self.seen {
            return Arrival::Again;
        }
        // An event with `n` stands for the numbers up to its own; those seen already do not matter.
        let missing = event.useq.get() - self.seen.get();
        if missing > event.covers {
            return Arrival::Gap;
        }
        self.seen = event.useq;
        Arrival::Next(Mark { generation: self.generation, useq: event.useq })
    }

    /// The application is as far as this.
    pub(super) fn take(&mut self, mark: Mark) {
        self.skip(mark);
        if mark.generation == self.generation && self.taken != self.cursor {
            self.taken = self.cursor.clone();
        }
    }

    /// Nobody wants what is up to here: it is acked, and a restart will ask for it nevertheless.
    pub(super) fn skip(&mut self, mark: Mark) {
        // After 4301 there is no cursor until the snapshot comes.
        if let Some(cursor) = self.cursor.as_mut().filter(|_| mark.generation == self.generation) {
            cursor.useq = cursor.useq.max(mark.useq);
        }
    }
}

#[cfg(test)]
mod tests {
    use cell_protocol::EventKind;

    use super::*;

    fn event(useq: u64, covers: u64) -> Event {
        Event { useq: Useq::new(useq), covers, kind: EventKind::Unknown }
    }

    fn at(useq: u64) -> Position {
        Position::new(Some(Resume { ep: "k1".into(), useq: Useq::new(useq) }))
    }

    #[test]
    fn entries_are_dense() {
        let mut position = at(10);
        assert!(matches!(position.arrive(&event(11, 1)), Arrival::Next(_)));
        assert_eq!(position.arrive(&event(13, 1)), Arrival::Gap);
        assert_eq!(position.arrive(&event(11, 1)), Arrival::Again);
        assert!(matches!(position.arrive(&event(12, 1)), Arrival::Next(_)));
    }

    #[test]
    fn an_event_with_n_stands_for_the_numbers_ending_in_its_own() {
        let mut position = at(10);
        assert_eq!(position.arrive(&event(14, 3)), Arrival::Gap);
        assert!(matches!(position.arrive(&event(14, 4)), Arrival::Next(_)));
        assert_eq!(position.arrive(&event(14, 4)), Arrival::Again);
        // Covers 13 to 15, of which 15 is new.
        assert!(matches!(position.arrive(&event(15, 3)), Arrival::Next(_)));
        assert!(matches!(position.arrive(&event(16, u64::MAX)), Arrival::Next(_)));
    }

    #[test]
    fn the_cursor_is_what_was_taken_and_not_what_came() {
        let mut position = at(10);
        let Arrival::Next(mark) = position.arrive(&event(11, 1)) else { panic!("it is the next one") };
        assert_eq!(position.resume().unwrap().useq, Useq::new(10));
        position.take(mark);
        assert_eq!(position.resume().unwrap().useq, Useq::new(11));
        assert_eq!(position.taken(), position.resume());
    }

    #[test]
    fn what_was_taken_of_the_time_before_a_snapshot_moves_nothing() {
        let mut position = at(10);
        let Arrival::Next(old) = position.arrive(&event(11, 1)) else { panic!("it is the next one") };
        let (reset, why) = position.start_from("k2".into(), Useq::new(3), WhyFresh::Epoch);
        assert_eq!(why, WhyFresh::Epoch);
        position.take(old);
        assert_eq!(position.resume(), Some(&Resume { ep: "k2".into(), useq: Useq::new(3) }));
        assert_eq!(position.taken().unwrap().ep, "k1", "the application has not taken the snapshot yet");
        position.take(reset);
        assert_eq!(position.taken(), position.resume());
    }
}
