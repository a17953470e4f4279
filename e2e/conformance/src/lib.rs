//! A client of the protocol that shares no code with the server: WebSocket, JSON values, and nothing else.
//!
//! The checks in `tests/` read as `docs/protocol.md` does; they run at the same time on one cluster, each with users of
//! its own.

pub mod checks;
pub mod client;
pub mod session;
pub mod token;
pub mod world;

pub use checks::Checks;
pub use client::Client;
pub use session::Session;
pub use world::World;
