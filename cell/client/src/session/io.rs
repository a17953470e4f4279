//! What goes into a session and what comes out of it, as data.

use std::time::Duration;

use cell_protocol::{Answer, Command};
use cell_types::{Body, ConversationId, Cseq, DeviceId, MessageId, Timestamp, UserId};

use crate::error::Error;
use crate::store::Record;
use crate::target::SendTarget;

/// What a session is for.
#[derive(Debug, Clone)]
pub struct Config {
    pub device: DeviceId,
    /// At least one.
    pub urls: Vec<String>,
    /// Whom the token must name.
    pub user: Option<UserId>,
    /// Whether the cursor goes to the store.
    pub keep_cursor: bool,
}

/// Both clocks, as the driver reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment; never goes back. For time-outs.
    pub elapsed: Duration,
    /// The calendar, which may jump. For message ids and the age of sends.
    pub unix: Timestamp,
}

/// The driver's name for a send or a query.
pub type RequestId = u64;

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed; at the latest at [`Session::deadline`](super::Session::deadline).
    Tick,
    /// The answer to [`Output::FetchToken`]; the error is for people.
    Token(Result<String, String>),
    /// The connection that the last [`Output::Connect`] asked for stands.
    Connected,
    /// A text message came. Never one of a connection before the last [`Output::Connect`] or [`Output::Disconnect`].
    Text(String),
    /// The connection ended or did not come about. With the close frame's code where one came.
    Closed { code: Option<u16>, why: String },
    /// The application took this many more events.
    Taken { count: u64 },
    /// The application dropped its stream of events: they are acked without it, so that the session goes on.
    Unheard,
    /// The application sends.
    Send { request: RequestId, to: SendTarget, body: Body },
    /// The application asks.
    Query { request: RequestId, command: Command },
    /// The store failed at [`Output::Persist`]; the outputs behind it were not performed.
    StoreFailed { message: String },
    /// The application ends the session.
    Close,
}

/// Something that the driver is to do. Outputs are performed in their order.
#[derive(Debug)]
pub enum Output {
    /// Keep these, on disk where `synced` says so, before doing anything that follows.
    Persist { records: Vec<Record>, synced: bool },
    /// Ask the provider for a fresh JWT and say [`Input::Token`].
    FetchToken,
    /// Connect there and say [`Input::Connected`] or [`Input::Closed`]; forget a previous attempt.
    Connect { url: String },
    /// Send this text message.
    Transmit(String),
    /// Close the connection, after what was to be sent; nothing is to be said about its end.
    Disconnect,
    /// The send is durable in the outbox.
    InOutbox { request: RequestId, mid: MessageId },
    /// The send was answered, or refused before it entered the outbox.
    Sent { request: RequestId, result: Result<Sent, Error> },
    /// The query was answered.
    Answer { request: RequestId, result: Result<Answer, Error> },
}

/// A message that a quorum of the cell has on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub mid: MessageId,
    pub conversation: ConversationId,
    pub cseq: Cseq,
    pub ts: Timestamp,
}
