//! The way back from a home to the sessions of one gateway.

use cell_gateway::home::FromHome;

/// One gateway's connection to this home: unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Takes what a home says to a gateway's sessions.
pub trait Outlet: Send + Sync + 'static {
    /// Never blocks. What is queued is bounded by the windows and the unanswered commands of the sessions.
    fn push(&self, message: FromHome);
}
