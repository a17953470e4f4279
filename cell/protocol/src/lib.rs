//! The client protocol, version 1, as data: what clients say, what servers say, and the JSON of both.
//!
//! Sans-I/O. `client` and `server` hold the frames; `parse_client`, `write_client`, `parse_server`, `write_server`
//! turn them into JSON lines and back.

pub mod client;
pub mod close;
pub mod error;
pub mod limits;
pub mod lines;
pub mod parse_client;
pub mod parse_error;
pub mod parse_server;
pub mod server;
pub mod write_client;
pub mod write_server;

mod body;
mod json;
mod object;
mod value;
mod wire;

pub use client::{
    ClientFrame, ClientMessage, Command, ConversationRef, Hello, NoSuchConversation, Page, Resume, Target,
};
pub use close::CloseCode;
pub use error::{ErrorCode, ErrorFrame};
pub use lines::split_lines;
pub use parse_client::parse_client;
pub use parse_error::{ParseError, ParseErrorKind};
pub use parse_server::parse_server;
pub use server::{
    Answer, ConversationView, Event, EventKind, Limits, MessageView, PageMore, ServerFrame, Snapshot, Welcome, WhyFresh,
};
pub use write_client::write_client;
pub use write_server::write_server;
