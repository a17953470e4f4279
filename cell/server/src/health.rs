//! Whether this replica lives, and whether it can serve clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cell_gateway::Gateway;
use cell_raft::Replica;

use crate::ops::Health;

/// Ready = joined as a voter and able to serve as a gateway; *not* "has a leader": an election must not empty the
/// Service in front of a cell.
pub struct ReplicaHealth {
    replica: Replica,
    gateway: OnceLock<Arc<Gateway>>,
    stopping: AtomicBool,
}

impl ReplicaHealth {
    pub fn new(replica: Replica) -> Arc<Self> {
        Arc::new(Self { replica, gateway: OnceLock::new(), stopping: AtomicBool::new(false) })
    }

    /// The gateway takes clients from here on.
    pub fn serves(&self, gateway: &Arc<Gateway>) {
        assert!(self.gateway.set(gateway.clone()).is_ok(), "a process has one gateway");
    }

    /// The process was asked to end: no new clients.
    pub fn stops(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn connections(&self) -> u32 {
        let open = self.gateway.get().map_or(0, |gateway| gateway.counters().connections);
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// In words, or nothing when clients can be served.
    pub fn why_not_ready(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("stopping: asked to end".into());
        }
        let status = self.replica.status().borrow().clone();
        if let Some(fatal) = status.fatal {
            return Some(fatal);
        }
        if !status.is_ready() {
            let why = status.messages.join("; ");
            return Some(if why.is_empty() { "not a voter of its cell yet".into() } else { why });
        }
        match self.gateway.get() {
            Some(gateway) if gateway.is_ready() => None,
            _ => Some("no key to sign resume tokens with yet".into()),
        }
    }
}

impl Health for ReplicaHealth {
    fn live(&self) -> Result<(), String> {
        self.replica.status().borrow().fatal.clone().map_or(Ok(()), Err)
    }

    fn ready(&self) -> Result<(), String> {
        self.why_not_ready().map_or(Ok(()), Err)
    }
}
