//! The outbox in memory: what goes out next, in which order, and when again.
//!
//! **Invariant:** the sends to one target reach the server in the order in which they entered the outbox, through any
//! refusal: each names the unanswered one before it as `after`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cell_protocol::{ErrorCode, ErrorFrame};
use cell_types::{MessageId, Timestamp};
use rand::Rng;

use super::backoff::Backoff;
use super::io::{Now, RequestId};
use crate::store::{Record, SavedSend};
use crate::target::SendTarget;

/// Sends in the outbox, with the failed ones that the application has not taken: some hours of typing without a
/// network, and what memory bears.
pub const OUTBOX_LEN_MAX: usize = 10_000;

/// A send first tried longer ago than this is not sent again: servers know a `mid` for 35 days, and clocks differ.
pub const RESEND_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Debug, Default)]
pub(super) struct Sends {
    entries: VecDeque<Entry>,
    /// Targets that wait after a temporary refusal.
    holds: BTreeMap<SendTarget, Hold>,
    /// The server asked to slow down.
    slow: Hold,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) send: SavedSend,
    /// None for a send of an earlier process.
    pub(super) request: Option<RequestId>,
    is_saved: bool,
    is_in_flight: bool,
    /// What it named as `after` when it last went out.
    after: Option<MessageId>,
    /// It was refused for now: it goes again with or after its predecessor, not alone.
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Hold {
    until: Duration,
    backoff: Backoff,
}

/// Whether a refusal is the first of a pipeline that is refused: the pipeline counts as one failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    New,
    Same,
}

impl Round {
    fn of(is_same: bool) -> Self {
        if is_same { Self::Same } else { Self::New }
    }
}

impl Hold {
    fn is_over(&self, now: Duration) -> bool {
        self.until <= now
    }

    fn extend(&mut self, now: Duration, at_least: Duration, round: Round, rng: &mut impl Rng) {
        let wait = match round {
            Round::New => self.backoff.next(rng).max(at_least),
            Round::Same => at_least,
        };
        self.until = self.until.max(now.saturating_add(wait));
    }
}

/// A send that goes out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) send: SavedSend,
    pub(super) after: Option<MessageId>,
}

impl Sends {
    pub(super) fn new(saved: impl IntoIterator<Item = SavedSend>) -> Self {
        let entries = saved.into_iter().map(|send| Entry { is_saved: true, ..Entry::new(send, None) }).collect();
        Self { entries, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, send: SavedSend, request: RequestId) {
        self.entries.push_back(Entry::new(send, Some(request)));
    }

    /// The connection is gone: what was not answered goes out again.
    pub(super) fn connection_lost(&mut self) {
        for entry in &mut self.entries {
            entry.is_in_flight = false;
            entry.is_refused = false;
        }
        // A new connection is a new start; what still does not work is refused and held again.
        self.holds.clear();
        self.slow = Hold::default();
    }

    /// Takes out what is too old to be sent again.
    pub(super) fn expire(&mut self, unix: Timestamp) -> Vec<Entry> {
        let is_old = |entry: &Entry| {
            !entry.is_in_flight && entry.send.tried.is_some_and(|tried| unix.since(tried) > RESEND_AGE_MAX)
        };
        let mut expired = Vec::new();
        while let Some(at) = self.entries.iter().position(is_old) {
            expired.extend(self.entries.remove(at));
        }
        expired
    }

    /// What goes out now: at most `room`, each behind its predecessor. `records` gets what must be kept before.
    pub(super) fn next_batch(&mut self, now: Now, room: usize, records: &mut Vec<Record>) -> Vec<Outgoing> {
        let mut batch = Vec::new();
        let mut last: BTreeMap<&SendTarget, Before> = BTreeMap::new();
        let mut blocked: BTreeSet<&SendTarget> = BTreeSet::new();
        let is_slow = !self.slow.is_over(now.elapsed);
        for entry in &mut self.entries {
            if batch.len() >= room || is_slow {
                break;
            }
            let Entry { send, is_saved, is_in_flight, after, is_refused, .. } = entry;
            let before = last.get(&send.to).copied();
            if *is_in_flight {
                last.insert(&send.to, Before { mid: send.mid, goes_now: false });
                continue;
            }
            let is_held = self.holds.get(&send.to).is_some_and(|hold| !hold.is_over(now.elapsed));
            let is_alone = *is_refused && before.is_some_and(|before| !before.goes_now);
            if is_held || is_alone || blocked.contains(&send.to) {
                blocked.insert(&send.to);
                continue;
            }
            if send.tried.is_none() {
                send.tried = Some(now.unix);
                if *is_saved {
                    records.push(Record::Tried { mid: send.mid, at: now.unix });
                }
            }
            (*is_in_flight, *is_refused) = (true, false);
            *after = before.map(|before| before.mid);
            batch.push(Outgoing { send: send.clone(), after: *after });
            last.insert(&send.to, Before { mid: send.mid, goes_now: true });
        }
        batch
    }

    /// The sends that entered since the last call, to be kept; with what [`Self::next_batch`] made of them.
    pub(super) fn unsaved(&mut self) -> Vec<(SavedSend, Option<RequestId>)> {
        let mut unsaved = Vec::new();
        // They entered at the end.
        for entry in self.entries.iter_mut().rev().take_while(|entry| !entry.is_saved) {
            entry.is_saved = true;
            unsaved.push((entry.send.clone(), entry.request));
        }
        unsaved.reverse();
        unsaved
    }

    /// The send was accepted: its target works.
    pub(super) fn accepted(&mut self, mid: MessageId) -> Option<Entry> {
        let entry = self.remove(mid)?;
        self.holds.remove(&entry.send.to);
        self.slow.backoff.reset();
        Some(entry)
    }

    /// Takes a send out. Those behind it name the one before it from now on.
    pub(super) fn remove(&mut self, mid: MessageId) -> Option<Entry> {
        let at = self.position(mid)?;
        self.entries.remove(at)
    }

    /// Takes everything out, for the end of the session.
    pub(super) fn drain_requests(&mut self) -> Vec<RequestId> {
        self.entries.iter_mut().filter_map(|entry| entry.request.take()).collect()
    }

    /// A temporary refusal: the send stays where it is in its order and goes out again later.
    pub(super) fn refused_for_now(&mut self, mid: MessageId, error: &ErrorFrame, now: Now, rng: &mut impl Rng) {
        let Some(at) = self.position(mid) else { return };
        let to = self.entries[at].send.to.clone();
        let is_behind = self.entries.iter().take(at).any(|entry| entry.send.to == to);
        let entry = &mut self.entries[at];
        entry.is_in_flight = false;
        entry.is_refused = true;
        let at_least = Duration::from_millis(error.retry_ms.unwrap_or(0));
        match error.code {
            ErrorCode::SlowDown => {
                self.slow.extend(now.elapsed, at_least, Round::of(!self.slow.is_over(now.elapsed)), rng)
            }
            // What becomes of its predecessor decides about it: one that is gone is not named again.
            ErrorCode::OutOfOrder if is_behind || entry.after.is_some() => {}
            _ => self.holds.entry(to).or_default().extend(now.elapsed, at_least, Round::of(is_behind), rng),
        }
    }

    /// When a send may go out again that was held at this time.
    pub(super) fn deadline(&self, held_at: Duration) -> Option<Duration> {
        let holds = self.holds.values().chain([&self.slow]);
        holds.map(|hold| hold.until).filter(|until| *until > held_at).min()
    }

    fn position(&self, mid: MessageId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.send.mid == mid)
    }
}

/// The unanswered send before another to the same target.
#[derive(Debug, Clone, Copy)]
struct Before {
    mid: MessageId,
    goes_now: bool,
}

impl Entry {
    fn new(send: SavedSend, request: Option<RequestId>) -> Self {
        Self { send, request, is_saved: false, is_in_flight: false, after: None, is_refused: false }
    }
}
