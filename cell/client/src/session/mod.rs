//! A client's session as a state machine: connecting, opening, replaying, live, waiting.
//!
//! Sans-I/O. A driver feeds it [`Input`]s with the time, performs its [`Output`]s in their order, hands its events to
//! the application and calls again at [`Session::deadline`]. Randomness comes with the session's generator.
//!
//! **Invariants:** a send is in the store before it goes out, and leaves it only when answered or given up. Events are
//! handed over in the order of the mailbox, each once, never over a gap. Only what the application took is acked.

mod addresses;
mod backoff;
mod connection;
mod feed;
mod incoming;
mod io;
mod link;
mod outgoing;
mod position;
mod queries;
mod sends;
#[cfg(test)]
mod tests;
mod tokens;
mod verdict;

use std::time::Duration;

use cell_types::UserId;
use rand::rngs::StdRng;

pub use self::backoff::{BACKOFF_FIRST, BACKOFF_MAX};
pub use self::io::{Config, Input, Now, Output, RequestId, Sent};
pub use self::link::{ACK_BATCH_LEN, ACK_DELAY_MAX, SENDS_IN_FLIGHT_MAX};
pub use self::queries::{QUERIES_MAX, QUERY_TIME_MAX};
pub use self::sends::{OUTBOX_LEN_MAX, RESEND_AGE_MAX};

use self::addresses::Addresses;
use self::backoff::Backoff;
use self::feed::Feed;
use self::link::Link;
use self::position::Position;
use self::queries::Queries;
use self::sends::Sends;
use self::tokens::Tokens;
use crate::error::Error;
use crate::event::{ClientEvent, StopReason};
use crate::mid::new_mid;
use crate::store::{Record, Saved, SavedSend};

/// One device's session over all its connections.
#[derive(Debug)]
pub struct Session {
    config: Config,
    rng: StdRng,
    /// Known from the store or the first welcome.
    user: Option<UserId>,
    state: State,
    addresses: Addresses,
    backoff: Backoff,
    tokens: Tokens,
    position: Position,
    feed: Feed,
    sends: Sends,
    queries: Queries,
    records: Vec<Record>,
    outputs: Vec<Output>,
    /// When outputs were last taken: what was not due then is still to come.
    flushed_at: Duration,
}

#[derive(Debug)]
enum State {
    /// Until the next attempt.
    Waiting {
        until: Duration,
    },
    /// The provider was asked.
    FetchingToken {
        until: Duration,
    },
    Connecting {
        until: Duration,
    },
    /// Opening, replaying or live: see [`link::Phase`].
    Open(Box<Link>),
    Stopped(StopReason),
}

impl Session {
    /// A session that goes on from what a store kept. It connects at the first [`Input::Tick`].
    pub fn new(config: Config, saved: Saved, mut rng: StdRng) -> Self {
        let Saved { user, cursor, sends } = saved;
        let mut session = Self {
            addresses: Addresses::new(config.urls.clone(), &mut rng),
            rng,
            state: State::Waiting { until: Duration::ZERO },
            backoff: Backoff::default(),
            tokens: Tokens::default(),
            position: Position::new(cursor.filter(|_| config.keep_cursor)),
            feed: Feed::default(),
            sends: Sends::new(sends),
            queries: Queries::default(),
            records: Vec::new(),
            outputs: Vec::new(),
            flushed_at: Duration::ZERO,
            user,
            config,
        };
        // Somebody else's outbox must not even be looked at.
        if let (Some(expected), Some(got)) = (session.config.user.clone(), session.user.clone())
            && expected != got
        {
            session.stop(StopReason::WrongUser { expected, got });
        }
        session
    }

    /// Takes one input in. Several may be fed before the outputs are taken: one write to the store then serves all.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Tick => self.tick(now),
            Input::Token(token) => self.token(now, token),
            Input::Connected => self.connected(now),
            Input::Text(text) => self.text(now, &text),
            Input::Closed { code, why } => self.closed(now, code, why),
            Input::Taken { count } => self.taken(count),
            Input::Unheard => {
                self.feed.unheard();
                self.note_taken();
            }
            Input::Send { request, to, body } => {
                let send = SavedSend { mid: new_mid(now.unix, &mut self.rng), to, body, tried: None };
                self.send(request, send);
            }
            Input::Query { request, command } => {
                if let Some(error) = self.stopped() {
                    self.outputs.push(Output::Answer { request, result: Err(error) });
                } else if !self.queries.push(request, command, now.elapsed) {
                    self.outputs.push(Output::Answer { request, result: Err(Error::Busy) });
                }
            }
            Input::StoreFailed { message } => self.stop(StopReason::Store { message }),
            Input::Close => self.close(now),
        }
    }

    /// What is to be done now, in this order.
    pub fn take_outputs(&mut self, now: Now) -> Vec<Output> {
        self.flushed_at = now.elapsed;
        let frames = self.flush(now);
        let mut outputs = Vec::new();
        if !self.records.is_empty() {
            let records = std::mem::take(&mut self.records);
            let synced = records.iter().any(Record::must_be_synced);
            outputs.push(Output::Persist { records, synced });
        }
        outputs.extend(frames.into_iter().map(Output::Transmit));
        outputs.append(&mut self.outputs);
        outputs
    }

    /// The next event for the application. Counts as taken only with [`Input::Taken`].
    pub fn next_event(&mut self) -> Option<ClientEvent> {
        self.feed.next()
    }

    /// Whether [`Self::next_event`] has one.
    pub fn has_event(&self) -> bool {
        !self.feed.is_empty()
    }

    /// False while the application is so far behind that nothing more should be read from the connection.
    pub fn wants_text(&self) -> bool {
        !self.feed.is_full()
    }

    /// When [`Input::Tick`] is due at the latest, as of the last [`Self::take_outputs`]; it may have passed since.
    pub fn deadline(&self) -> Option<Duration> {
        let link = match &self.state {
            State::Stopped(_) => return None,
            State::Waiting { until } | State::FetchingToken { until } | State::Connecting { until } => Some(*until),
            State::Open(link) => {
                let keepalive = link.is_welcome().then(|| link.keepalive_at());
                [Some(link.dead_at()), keepalive, link.leave_at, link.ack_due].into_iter().flatten().min()
            }
        };
        [link, self.queries.deadline(), self.sends.deadline(self.flushed_at)].into_iter().flatten().min()
    }

    /// Whether the session has ended; nothing but closing is left to be done.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped(_))
    }

    fn stopped(&self) -> Option<Error> {
        match &self.state {
            State::Stopped(why) => Some(Error::Stopped(why.clone())),
            _ => None,
        }
    }

    fn send(&mut self, request: RequestId, send: SavedSend) {
        let refused = match self.stopped() {
            Some(error) => Some(error),
            None if self.sends.len() + self.feed.failures() >= OUTBOX_LEN_MAX => Some(Error::OutboxFull),
            None => None,
        };
        match refused {
            Some(error) => self.outputs.push(Output::Sent { request, result: Err(error) }),
            None => self.sends.push(send, request),
        }
    }

    fn taken(&mut self, count: u64) {
        self.feed.take(count);
        self.note_taken();
    }

    /// Moves the cursor to where the application is.
    fn note_taken(&mut self) {
        match self.feed.taken() {
            Some(mark) if self.feed.is_unheard() => self.position.skip(mark),
            Some(mark) => self.position.take(mark),
            None => {}
        }
    }
}
