//! The Rust client of Chatcells.
//!
//! It keeps one WebSocket to a cluster, reconnects and resumes by itself, keeps unanswered sends in an outbox and sends
//! them again until they are answered (the server knows them by their `mid`), and shows what happens as a stream of
//! events, each once and in order.
//!
//! ```no_run
#![doc = include_str!("../examples/hello.rs")]
//! ```
//!
//! [`session`] is the state machine behind it, without I/O, clock or randomness of its own; [`Client`] is its shell.
//!
//! A close code of the class 44xx and 4105 stop a client; everything else it mends. An application that takes no events
//! makes the server hold them back: the window closes.

mod body;
mod builder;
mod client;
mod clock;
mod error;
mod event;
mod events;
mod mid;
pub mod session;
mod shell;
pub mod store;
mod target;

pub use body::{from_body, to_body};
pub use builder::{Builder, TokenError};
pub use cell_protocol::{ConversationView, ErrorCode, ErrorFrame, MessageView, Page, PageMore, Snapshot, WhyFresh};
pub use cell_types::{
    Body, ConversationId, ConversationKind, Cseq, DeviceId, Eseq, MessageId, Timestamp, Useq, UserId,
};
pub use client::{Client, ConversationsPage, HistoryPage, SendHandle};
pub use error::{Error, SendFailure};
pub use event::{ClientEvent, StopReason};
pub use events::Events;
pub use session::Sent;
pub use target::SendTarget;
