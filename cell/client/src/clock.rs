//! The two clocks that a session is told: one for time-outs, one for message ids and the 30-day rule.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cell_types::Timestamp;
use tokio::time::Instant;

use crate::session::Now;

/// Reads tokio's clock and the machine's calendar.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { elapsed: self.start.elapsed(), unix: calendar() }
    }

    /// The tokio time of a session's deadline.
    pub(crate) fn instant(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar; sessions get it as an argument")]
fn calendar() -> Timestamp {
    // A clock before 1970 is as wrong as one at 1970.
    Timestamp::from_millis(0).plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
