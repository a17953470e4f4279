//! What is heard of the other replicas: when, their clocks, their starts, what they can follow.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use cell_types::{BootCount, NodeId, Timestamp};
use tokio::time::Instant;

use crate::network::Tick;

/// The highest behaviour this program follows ([`cell_core::record::Activate`]).
pub(crate) const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) boot: BootCount,
    /// Its clock, then.
    clock: Timestamp,
    pub(crate) version: u32,
}

impl Heard {
    /// Its clock now, as far as can be known; whatever our own clock does meanwhile.
    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.plus(self.at.elapsed())
    }
}

/// By node id. One entry per node ever heard in this run: a handful.
#[derive(Debug, Default)]
pub(crate) struct PeersHeard(Mutex<BTreeMap<NodeId, Heard>>);

impl PeersHeard {
    pub(crate) fn note(&self, tick: &Tick) {
        let Some(node) = tick.node else { return };
        let heard = Heard { at: Instant::now(), boot: tick.boot, clock: tick.clock, version: tick.version };
        self.0.lock().expect("no panic under this lock").insert(node, heard);
    }

    pub(crate) fn of(&self, node: NodeId) -> Option<Heard> {
        self.0.lock().expect("no panic under this lock").get(&node).copied()
    }

    /// For how long a node has been silent, counted from `since` at the earliest.
    pub(crate) fn silent(&self, node: NodeId, since: Instant) -> Duration {
        self.of(node).map_or(since, |heard| heard.at.max(since)).elapsed()
    }
}
