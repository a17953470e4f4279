//! The gateway that runs in every replica: clients' sessions, their transports, their tokens.
//!
//! A session is a sans-I/O state machine (`session`); its home (the leader of its user's cell) is reached through
//! [`home::Homes`]; a transport feeds it from a socket; [`Gateway`] owns them all.

pub mod counters;
pub mod gateway;
pub mod home;
pub mod session;
pub mod token;

mod mailbox;
#[cfg(test)]
mod test_support;
mod transport;
mod wheel;

pub use counters::{Counters, CountersSnapshot};
pub use gateway::{Gateway, Options, Seams};
pub use home::Homes;
pub use token::Verifier;
