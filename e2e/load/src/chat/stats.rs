//! Figures of a run, counted as it goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::Violations;
use crate::clock::Clock;
use crate::measure::{GapFinder, Histogram};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),* }

        impl Counters {
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// What came since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name)),* }
            }
        }
    };
}

counters! {
    /// Messages that went out for the first time.
    sent,
    /// Sends that went out again.
    retries,
    acked,
    /// Acks that said `dup`.
    acked_again,
    /// Messages shown to the recipient's devices.
    delivered,
    /// Messages shown to the sender's devices.
    echoed,
    /// Acked, shown to all devices of both, and acked by all of the recipient's.
    done,
    /// All events, receipts among them.
    events,
    /// Sessions that became live, the first ones included.
    opened,
    resumed,
    fresh,
    reconnects,
    connect_failures,
    /// Connections given up because the server said nothing.
    timeouts,
    goaways,
    /// Closes with 4105: a slow server took our older connection for the newer.
    replaced,
    /// Temporary refusals.
    refusals,
}

/// What a run looks like from outside while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub elapsed_ms: u64,
    /// Sessions that are live now.
    pub live: u64,
    pub counters: Counters,
    pub violations: u64,
}

impl Progress {
    /// Several processes as one.
    pub fn add(&mut self, other: &Self) {
        self.elapsed_ms = self.elapsed_ms.max(other.elapsed_ms);
        self.live += other.live;
        self.counters.add(&other.counters);
        self.violations += other.violations;
    }
}

/// Everything that the devices of a process count together.
#[derive(Debug)]
pub(super) struct Stats {
    pub(super) live: u64,
    pub(super) counters: Counters,
    pub(super) to_ack: Histogram,
    pub(super) to_deliver: Histogram,
    pub(super) to_done: Histogram,
    pub(super) gaps: GapFinder,
    pub(super) sender_gap_max_ns: u64,
    /// Temporary refusals by name.
    pub(super) errors: BTreeMap<String, u64>,
    /// Close codes; 1006 is a connection that broke.
    pub(super) closes: BTreeMap<u16, u64>,
    pub(super) last_connect_error: Option<String>,
    pub(super) violations: Violations,
}

impl Stats {
    pub(super) fn new(clock: Clock, gap_ms: u64) -> Self {
        Self {
            live: 0,
            counters: Counters::default(),
            to_ack: Histogram::default(),
            to_deliver: Histogram::default(),
            to_done: Histogram::default(),
            gaps: GapFinder::new(clock, gap_ms),
            sender_gap_max_ns: 0,
            errors: BTreeMap::new(),
            closes: BTreeMap::new(),
            last_connect_error: None,
            violations: Violations::default(),
        }
    }

    /// The warm-up is over: latencies count from here.
    pub(super) fn clear_latencies(&mut self) {
        self.to_ack.clear();
        self.to_deliver.clear();
        self.to_done.clear();
    }
}
