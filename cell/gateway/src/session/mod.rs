//! One client's session as a sans-I/O state machine: inputs and outputs are data, time is an argument.
//!
//! Every input appends frames for the client and messages for homes to [`Outputs`]; a transport feeds one and performs
//! the other. What the session is to do later it says through [`Session::next_wake_ms`].

mod commands;
mod hello;
pub mod limits;
mod pending;
mod subscription;
mod timers;
mod turn;

#[cfg(test)]
mod tests;

use cell_protocol::limits::MALFORMED_IN_A_ROW_MAX;
use cell_protocol::{
    ClientFrame, ClientMessage, CloseCode, ErrorCode, ErrorFrame, ParseError, ParseErrorKind, ServerFrame,
    parse_client, split_lines,
};
use cell_types::{DeviceId, PlacementKey, Timestamp, Useq, UserId};

use crate::counters::{CommandKind, count};
use crate::home::{FromHome, SessionId, ToHome};
use crate::token::Bearer;
use limits::{BACKLOG_MAX, HELLO_MS};
use pending::PendingCommands;
use subscription::{Opening, Subscription};
pub use turn::{Environment, Now, Outputs, Turn};

/// A session. Small while idle: there may be fifty thousand in a process.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    phase: Phase,
    /// Set by a good `hello`.
    peer: Option<Peer>,
    /// The last `Open` sent ([`crate::home::Open::attempt`]).
    attempt: u32,
    /// The last `Open` has no answer yet.
    awaits_opened: bool,
    /// When to send `Open` (again) unless something happens before.
    open_at_ms: Option<u64>,
    pending: PendingCommands,
    malformed_in_a_row: u32,
    /// When something last came from the client.
    heard_ms: u64,
    /// When something was last said to the client.
    said_ms: u64,
    /// When the close that a `goaway` announced is due.
    goaway_at_ms: Option<u64>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was said yet.
    Hello {
        deadline_ms: u64,
    },
    /// The token is good; the home is asked.
    Opening(Box<Opening>),
    /// Welcomed.
    Open(Subscription),
    Closed,
}

/// Who is at the other end.
#[derive(Debug)]
struct Peer {
    bearer: Bearer,
    device: DeviceId,
    /// The bearer's placement key: where the session's home is.
    key: PlacementKey,
    hello_at: Timestamp,
    hello_nonce: u64,
}

impl Peer {
    fn user(&self) -> &UserId {
        &self.bearer.user
    }
}

impl Session {
    /// A session whose WebSocket has just been opened.
    pub fn new(id: SessionId, now: Now) -> Self {
        Self {
            id,
            phase: Phase::Hello { deadline_ms: now.monotonic_ms + HELLO_MS },
            peer: None,
            attempt: 0,
            awaits_opened: false,
            open_at_ms: None,
            pending: PendingCommands::default(),
            malformed_in_a_row: 0,
            heard_ms: now.monotonic_ms,
            said_ms: now.monotonic_ms,
            goaway_at_ms: None,
        }
    }

    /// Whether the transport should read from the client, given how many bytes wait to be written to it.
    ///
    /// Not before the `welcome`, so that it is the first answer; and not while the client does not take what it asked
    /// for.
    pub fn wants_input(&self, backlog: usize) -> bool {
        matches!(self.phase, Phase::Hello { .. } | Phase::Open(_)) && backlog <= BACKLOG_MAX
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// A text message: one or more JSON objects, one a line.
    pub fn text(&mut self, turn: &mut Turn<'_>, message: &str) {
        self.heard_ms = turn.ms();
        let mut lines = split_lines(message).peekable();
        if lines.peek().is_none() && matches!(self.phase, Phase::Hello { .. }) {
            return self.malformed(turn, "the first message must be a hello");
        }
        for line in lines {
            self.line(turn, line);
        }
    }

    /// A binary message: malformed.
    pub fn binary(&mut self, turn: &mut Turn<'_>) {
        self.heard_ms = turn.ms();
        self.malformed(turn, "a message must be text");
    }

    /// A text message that is not UTF-8.
    pub fn not_utf8(&mut self, turn: &mut Turn<'_>) {
        self.close(turn, CloseCode::NotUtf8);
    }

    /// A message past [`cell_protocol::limits::FRAME_LEN_MAX`].
    pub fn oversize(&mut self, turn: &mut Turn<'_>) {
        self.close(turn, CloseCode::FrameTooLarge);
    }

    /// The client closed the connection, or it broke.
    pub fn gone(&mut self, turn: &mut Turn<'_>) {
        if !self.is_closed() {
            self.end(turn);
        }
    }

    /// The client took some of what waits for it. While it is not read from, that is its sign of life.
    pub fn wrote(&mut self, turn: &mut Turn<'_>, backlog: usize) {
        if !self.wants_input(backlog) {
            self.heard_ms = turn.ms();
        }
        self.dispatch(turn);
    }

    pub fn from_home(&mut self, turn: &mut Turn<'_>, message: FromHome) {
        match message {
            FromHome::Opened(opened) => self.opened(turn, opened),
            FromHome::Events { events, .. } => self.events(turn, events),
            FromHome::Answered { request, result, .. } => self.answered(turn, request, result),
            FromHome::Replaced { .. } => self.close(turn, CloseCode::Replaced),
            FromHome::Trimmed { .. } => self.close(turn, CloseCode::CursorTrimmed),
            FromHome::NotNow { .. } => self.not_now(turn),
        }
    }

    /// Closes with this code, unless the session is over already.
    pub fn close(&mut self, turn: &mut Turn<'_>, code: CloseCode) {
        if !self.is_closed() {
            turn.out.close = Some(code);
            self.end(turn);
        }
    }

    fn end(&mut self, turn: &mut Turn<'_>) {
        if let Some(peer) = &self.peer {
            turn.home(peer.key, ToHome::Close { session: self.id });
        }
        self.phase = Phase::Closed;
        self.pending = PendingCommands::default();
    }

    fn line(&mut self, turn: &mut Turn<'_>, line: &str) {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Opening(opening) => {
                if !opening.hold(line) {
                    self.close(turn, CloseCode::Overload);
                }
            }
            Phase::Hello { .. } => {
                count(&turn.counters().frames_in, 1);
                self.first(turn, line);
            }
            Phase::Open(_) => {
                count(&turn.counters().frames_in, 1);
                match parse_client(line) {
                    Ok(frame) => self.frame(turn, frame),
                    Err(error) => self.refused(turn, &error),
                }
            }
        }
    }

    fn frame(&mut self, turn: &mut Turn<'_>, frame: ClientFrame) {
        self.malformed_in_a_row = 0;
        if let Some(upto) = frame.ack
            && !self.acknowledge(turn, upto)
        {
            let id = if let ClientMessage::Command { id, .. } = frame.message { Some(id) } else { None };
            return self.bad_ack(turn, id, upto);
        }
        match frame.message {
            ClientMessage::KeepAlive | ClientMessage::Ack => {}
            ClientMessage::Hello(_) => self.error(turn, None, ErrorCode::BadRequest, "hello was said already"),
            ClientMessage::Command { id, command } => self.command(turn, id, command),
        }
    }

    /// A line that is no good frame: it is answered, and the session goes on.
    fn refused(&mut self, turn: &mut Turn<'_>, error: &ParseError) {
        let is_malformed = error.kind == ParseErrorKind::Malformed;
        if !is_malformed
            && let Some(upto) = error.ack
            && !self.acknowledge(turn, upto)
        {
            self.malformed_in_a_row = 0;
            return self.bad_ack(turn, error.id, upto);
        }
        turn.counters().command(CommandKind::Other, Some(error.kind.code()));
        self.say(turn, &ServerFrame::Error(error.to_frame()));
        self.count_malformed(turn, is_malformed);
    }

    fn malformed(&mut self, turn: &mut Turn<'_>, why: &str) {
        match self.phase {
            Phase::Closed | Phase::Opening(_) => {}
            Phase::Hello { .. } => {
                self.error(turn, None, ErrorCode::BadRequest, why);
                self.close(turn, CloseCode::BadProtocol);
            }
            Phase::Open(_) => {
                self.error(turn, None, ErrorCode::BadRequest, why);
                self.count_malformed(turn, true);
            }
        }
    }

    fn count_malformed(&mut self, turn: &mut Turn<'_>, is_malformed: bool) {
        self.malformed_in_a_row = if is_malformed { self.malformed_in_a_row + 1 } else { 0 };
        if self.malformed_in_a_row >= MALFORMED_IN_A_ROW_MAX {
            self.close(turn, CloseCode::BadProtocol);
        }
    }

    fn bad_ack(&mut self, turn: &mut Turn<'_>, id: Option<u32>, upto: Useq) {
        turn.counters().command(CommandKind::Other, Some(ErrorCode::BadRequest));
        self.error(turn, id, ErrorCode::BadRequest, &format!("event {upto} was not sent on this connection"));
    }

    fn error(&mut self, turn: &mut Turn<'_>, id: Option<u32>, code: ErrorCode, message: &str) {
        let retry_ms = None;
        self.say(turn, &ServerFrame::Error(ErrorFrame { id, code, retry_ms, message: message.to_owned() }));
    }

    fn say(&mut self, turn: &mut Turn<'_>, frame: &ServerFrame) {
        self.said_ms = turn.ms();
        turn.frame(frame);
    }
}
