//! A local cluster of real processes, ways to hurt it, and a chat under load that notices what it should not.
//!
//! A test starts a [`LocalCluster`], puts a [`Chat`] on it, breaks something, waits for the cluster to heal, and
//! asks the chat whether anything was lost, doubled or reordered.

pub mod chat;
pub mod chatctl;
pub mod cluster;
pub mod folder;
pub mod metrics;
pub mod namespace;
pub mod network;
pub mod notes;
pub mod process;
pub mod scattered;
pub mod status;
pub mod tmpfs;
pub mod trickle;
pub mod wait;

mod logs;
mod turn;
mod up;

pub use chat::{Chat, Verdict};
pub use cluster::{HEAL_LIMIT, LocalCluster, Options};
pub use namespace::{Link, may_administer};
pub use network::Network;
pub use notes::Notes;
pub use process::Pid;
pub use scattered::ScatteredCell;
pub use status::{Replica, Role, Status};
pub use tmpfs::SmallDisk;
pub use wait::await_condition;
