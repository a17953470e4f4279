//! What the devices of a run share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};

use super::config::Config;
use super::stats::Stats;
use crate::cast::Cast;
use crate::check::Pair;
use crate::clock::{Clock, Nanos};

/// Openings at a time: more only queue up in the server and time out together.
const OPENINGS_MAX: usize = 256;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Connect,
    /// Messages are sent from this moment on.
    Send(Nanos),
    /// Nothing new is sent; what is on its way arrives.
    Tail,
    /// Sessions end.
    End,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) cast: Cast,
    pub(super) clock: Clock,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) openings: Arc<Semaphore>,
    /// A session became live, or a sender sent all it has.
    pub(super) moved: Notify,
    stats: Mutex<Stats>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let clock = Clock::start();
        Self {
            cast: Cast::new(&config.run),
            clock,
            phase: watch::Sender::new(Phase::Connect),
            openings: Arc::new(Semaphore::new(OPENINGS_MAX)),
            moved: Notify::new(),
            stats: Mutex::new(Stats::new(clock, config.gap_ms)),
            config,
        }
    }

    pub(super) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }
}

/// A panic while a lock was held fails the run anyway; what was counted is still worth reporting.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pair that its devices share. Locked before the stats.
pub(super) type SharedPair = Mutex<Pair>;
