//! One replica's process: gateway, store and delivery in one, assembled over the seams.
//!
//! `run` is the entry point; the binary `cell` and the local cluster's hidden command call it.

mod admin;
mod health;
mod home;
pub mod ops;
mod options;
pub mod os;
pub mod peers;
mod run;
mod stop;
mod tokens;
mod uplink;

pub use options::{LogFormat, Options, PeerAddress};
pub use run::run;
