//! One connection, from `hello` to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_protocol::{Limits, Resume, Welcome, WhyFresh};
use cell_types::{MessageId, Useq};

use super::io::RequestId;
use super::tokens::Freshness;

/// From the socket's connection to `welcome`: above the server's own 5 s for a `hello`.
pub(super) const WELCOME_TIME_MAX: Duration = Duration::from_secs(10);

/// A send that is not answered for so long on a connection that otherwise lives: connect anew and ask again.
pub(super) const SEND_ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// An ack waits so long for company.
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(200);

/// Taken events that are acked without waiting: an eighth of the usual window, so that it never runs empty.
pub const ACK_BATCH_LEN: u64 = 64;

/// Sends on their way at once: half of the usual `inflight`, so that queries have room.
pub const SENDS_IN_FLIGHT_MAX: usize = 32;

/// Heartbeats that a server may ask for; a strange number must neither spin a client nor make it deaf.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
const HEARTBEAT_MAX: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    /// The cursor that `hello` named.
    pub(super) resume: Option<Resume>,
    pub(super) token: Freshness,
    /// What the server said against the token.
    pub(super) token_refused: Option<String>,
    /// When something last came, and last went out.
    pub(super) heard: Duration,
    pub(super) said: Duration,
    pub(super) heartbeat: Duration,
    pub(super) limits: Limits,
    /// The server will close; leave then.
    pub(super) leave_at: Option<Duration>,
    /// The last entry that came on this connection: an ack above it would be refused.
    pub(super) received: Useq,
    pub(super) acked: Useq,
    pub(super) ack_due: Option<Duration>,
    in_flight: BTreeMap<u32, InFlight>,
    next_id: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// `hello` is out.
    Opening,
    /// The snapshot is next.
    Resetting {
        ep: String,
        why: WhyFresh,
    },
    Replaying,
    Live,
}

/// A command that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Send(MessageId),
    Query(RequestId),
}

#[derive(Debug)]
struct InFlight {
    asked: Asked,
    since: Duration,
}

impl Link {
    pub(super) fn new(now: Duration, token: Freshness, resume: Option<Resume>) -> Self {
        Self {
            phase: Phase::Opening,
            token,
            token_refused: None,
            heard: now,
            said: now,
            heartbeat: HEARTBEAT_MAX,
            limits: Limits { frame: 0, body: 0, inflight: 0, window: 0 },
            leave_at: None,
            received: resume.as_ref().map_or(Useq::ZERO, |cursor| cursor.useq),
            acked: resume.as_ref().map_or(Useq::ZERO, |cursor| cursor.useq),
            ack_due: None,
            resume,
            in_flight: BTreeMap::new(),
            next_id: 1,
        }
    }

    pub(super) fn welcome(&mut self, welcome: &Welcome) {
        self.heartbeat = Duration::from_millis(welcome.heartbeat_ms).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
        self.limits = welcome.limits;
        self.phase = match welcome.fresh {
            Some(why) => Phase::Resetting { ep: welcome.ep.clone(), why },
            None => Phase::Replaying,
        };
    }

    pub(super) fn is_welcome(&self) -> bool {
        self.phase != Phase::Opening
    }

    /// The id of a command that goes out now.
    pub(super) fn ask(&mut self, asked: Asked, now: Duration) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.in_flight.insert(id, InFlight { asked, since: now });
        id
    }

    pub(super) fn answered(&mut self, id: u32) -> Option<Asked> {
        self.in_flight.remove(&id).map(|in_flight| in_flight.asked)
    }

    /// How many more commands may go out.
    pub(super) fn room(&self) -> usize {
        let limit = usize::try_from(self.limits.inflight).unwrap_or(usize::MAX).max(1);
        limit.saturating_sub(self.in_flight.len())
    }

    /// How many more sends may go out.
    pub(super) fn room_for_sends(&self) -> usize {
        let sends = self.in_flight.values().filter(|in_flight| matches!(in_flight.asked, Asked::Send(_))).count();
        self.room().min(SENDS_IN_FLIGHT_MAX.saturating_sub(sends))
    }

    /// When this connection must have said something, or counts as dead.
    pub(super) fn dead_at(&self) -> Duration {
        let silent = match self.phase {
            Phase::Opening => self.heard + WELCOME_TIME_MAX,
            // The server says something every heartbeat; one may be late.
            _ => self.heard + self.heartbeat * 2,
        };
        silent.min(self.unanswered_at().unwrap_or(Duration::MAX))
    }

    fn unanswered_at(&self) -> Option<Duration> {
        let sends = self.in_flight.values().filter(|in_flight| matches!(in_flight.asked, Asked::Send(_)));
        sends.map(|send| send.since + SEND_ANSWER_TIME_MAX).min()
    }

    /// When the server must hear something: it closes after two heartbeats.
    pub(super) fn keepalive_at(&self) -> Duration {
        self.said + self.heartbeat
    }

    /// Forgets the ids of queries that ran out of time, so that they take no room.
    pub(super) fn forget_query(&mut self, request: RequestId) {
        self.in_flight.retain(|_, in_flight| in_flight.asked != Asked::Query(request));
    }
}
