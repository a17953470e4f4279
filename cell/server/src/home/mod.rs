//! The home of users and conversations: what the leader of a cell does for sessions, wherever their gateways are.

mod acks;
mod chores;
mod convert;
mod execute;
mod keyring;
mod opening;
mod outlet;
mod refusal;
mod service;
mod subscription;
mod table;

pub use keyring::Keys;
pub use outlet::{LinkId, Outlet};
pub use service::{Home, HomeSlot, Stats};
