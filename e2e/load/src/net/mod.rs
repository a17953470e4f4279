//! The way to the servers: addresses, tokens, WebSocket connections, simple sessions.

pub mod backoff;
pub mod connect;
pub mod session;
pub mod target;

pub use backoff::Backoff;
pub use connect::{Buffers, Connection, connect};
pub use session::Session;
pub use target::{Target, Url};
