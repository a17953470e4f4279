//! Time as the generator counts it: nanoseconds since its start, and the wall clock where people compare with other logs.

use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds since a [`Clock`]'s start.
pub type Nanos = u64;

pub const MILLI: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;

/// A monotonic clock with a wall-clock time of its start.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_unix_ms: u64,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self { start: Instant::now(), start_unix_ms: unix_ms() }
    }

    pub fn now(&self) -> Nanos {
        // 2^64 nanoseconds are 584 years.
        self.start.elapsed().as_nanos() as Nanos
    }

    pub fn at(&self, nanos: Nanos) -> Instant {
        self.start + Duration::from_nanos(nanos)
    }

    /// The wall clock at a moment of this clock, in Unix milliseconds.
    pub fn unix_ms(&self, nanos: Nanos) -> u64 {
        self.start_unix_ms + nanos / MILLI
    }
}

/// The wall clock in Unix milliseconds.
pub fn unix_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a load generator runs on real machines only")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    since.as_millis() as u64
}
