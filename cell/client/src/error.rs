//! What the client's operations can fail with.

use cell_protocol::{ErrorCode, ErrorFrame};

use crate::event::StopReason;
use crate::store;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Send(#[from] SendFailure),
    /// The server's answer to a query.
    #[error("the server refused with {}: {}", .0.code.name(), .0.message)]
    Refused(ErrorFrame),
    /// The body is no JSON that the protocol takes (size, depth).
    #[error("the body cannot be sent: {why}")]
    Body { why: String },
    /// See [`crate::session::OUTBOX_LEN_MAX`].
    #[error("the outbox is full")]
    OutboxFull,
    /// See [`crate::session::QUERIES_MAX`].
    #[error("too many queries are waiting for an answer")]
    Busy,
    /// See [`crate::session::QUERY_TIME_MAX`].
    #[error("no answer in time")]
    TimedOut,
    /// A send that got this as its answer stays in the outbox: whether it arrived is unknown.
    #[error("the client has stopped: {0}")]
    Stopped(StopReason),
    /// The server answered something else than was asked.
    #[error("the server's answer does not fit the question")]
    UnexpectedAnswer,
    /// A client needs at least one URL.
    #[error("no server URL was given")]
    NoUrl,
    #[error("failed to open the outbox")]
    Store(#[from] store::Error),
}

/// Why a send will not be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    #[error("the server refused the message with {}: {message}", .code.name())]
    Refused { code: ErrorCode, message: String },
    /// First tried so long ago that the server may have forgotten the `mid`: sending it again could double it.
    #[error("whether the message arrived is unknown, and it is too old to ask")]
    Unknown,
    /// Larger than the frames that this server takes.
    #[error("the message is too large for this server")]
    TooLarge,
}
