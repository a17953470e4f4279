//! One-to-one chat under load with the checker on: [`run`], or [`Run`] for tests that break servers meanwhile.

pub mod config;
pub mod report;
pub mod run;
pub mod stats;

mod device;
mod due;
mod frames;
mod lines;
mod link;
mod outbox;
mod shared;
mod verify;

pub use config::{Config, Load, Senders};
pub use report::{Report, ServerUse, Summary};
pub use run::{Error, Run, run};
pub use stats::{Counters, Progress};
