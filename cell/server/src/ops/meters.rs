//! Counters and histograms that the hot paths touch.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cell_gateway::home::FromHome;
use cell_protocol::EventKind;
use cell_types::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

/// Upper bounds in seconds: from a fast fsync to a failover.
const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// What this process counts as it goes.
#[derive(Debug)]
pub struct Meters {
    commit: Histogram,
    delivery: Histogram,
    events: Counter<u64, AtomicU64>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            commit: Histogram::new(LATENCY_BUCKETS),
            delivery: Histogram::new(LATENCY_BUCKETS),
            events: Counter::default(),
        }
    }
}

impl Meters {
    pub fn register(&self, registry: &mut Registry) {
        let commit = "Time from taking a write at the leader to its answer, applied on a quorum";
        registry.register_with_unit("commit", commit, Unit::Seconds, self.commit.clone());
        let delivery = "Time from a message's log time to its hand-over to a session in this process";
        registry.register_with_unit("delivery", delivery, Unit::Seconds, self.delivery.clone());
        registry.register("home_events_sent", "Mailbox entries sent to sessions", self.events.clone());
    }

    /// A write goes to the log.
    pub fn commit_begins(self: &Arc<Self>) -> Commit {
        Commit { meters: self.clone(), since: Instant::now() }
    }

    pub fn events_sent(&self, events: usize) {
        self.events.inc_by(events as u64);
    }

    /// A home said something to a session of this process.
    pub fn delivered(&self, message: &FromHome, now: Timestamp) {
        let FromHome::Events { events, .. } = message else { return };
        // Several at once are a replay, whose messages are old.
        if let [event] = &events[..]
            && let EventKind::Message(message) = &event.kind
        {
            self.delivery.observe(now.since(message.ts).as_secs_f64());
        }
    }
}

/// A write under way.
pub struct Commit {
    meters: Arc<Meters>,
    since: Instant,
}

impl Commit {
    pub fn ends(self) {
        let took: Duration = self.since.elapsed();
        self.meters.commit.observe(took.as_secs_f64());
    }
}
