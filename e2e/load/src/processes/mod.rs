//! Several generator processes as one: a process can hold 20,000 descriptors, and uses one core.

pub mod coordinator;
pub mod message;
pub mod worker;

pub use coordinator::{Error, Team};
pub use message::{FromWorker, Outcome, Task, ToWorker};
