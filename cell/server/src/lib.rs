//! One replica's process: gateway, store and delivery in one, assembled over the seams.
//!
//! `run` is the entry point; the binary `cell` and the local cluster's hidden command call it. The parts are public so that
//! a simulated machine can assemble them over its own seams.

pub mod admin;
pub mod directory;
pub mod health;
pub mod home;
pub mod ops;
mod options;
pub mod os;
pub mod peers;
mod run;
mod stop;
mod tokens;
pub mod uplink;

pub use options::{LogFormat, Options, PeerAddress};
pub use run::run;
