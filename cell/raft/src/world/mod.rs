//! A cell of replicas in one thread for tests: memory volumes, links that can be cut, processes that can be killed,
//! paused time. Not the simulated world, which has faults of its own.

mod cell;
mod net;
mod process;
mod volume;

mod failures;
mod life;
mod snapshots;
mod suite;

pub(crate) use cell::{World, message, run};
pub(crate) use net::Net;
pub(crate) use process::Process;
pub(crate) use volume::MemoryVolume;
