//! From a gateway to the homes of its sessions: one multiplexed stream per pair of processes, to whoever leads.

mod frames;
mod queue;
mod route;
mod serve;
mod weight;

pub use route::{Arrivals, Uplink};
pub use serve::SessionServer;
