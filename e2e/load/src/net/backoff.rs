//! How long to wait before the next attempt: doubling with full jitter, as the protocol asks of clients.

use std::time::Duration;

use crate::mix::Dice;

/// The protocol's first bound.
const FIRST_MS: u64 = 200;

/// A bound that doubles with each failure.
#[derive(Debug, Clone)]
pub struct Backoff {
    bound_ms: u64,
    max_ms: u64,
}

impl Backoff {
    /// `max_ms`: the protocol's cap is 30 s; a run that lasts a minute wants less.
    pub fn new(max_ms: u64) -> Self {
        Self { bound_ms: FIRST_MS.min(max_ms), max_ms }
    }

    /// A session became live.
    pub fn reset(&mut self) {
        self.bound_ms = FIRST_MS.min(self.max_ms);
    }

    /// An attempt failed: wait this long.
    pub fn next(&mut self, dice: &mut Dice) -> Duration {
        let wait = dice.below(self.bound_ms + 1);
        self.bound_ms = (self.bound_ms * 2).min(self.max_ms);
        Duration::from_millis(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap_and_starts_over_when_live() {
        let mut dice = Dice::new(1);
        let mut backoff = Backoff::new(1000);
        for bound in [200, 400, 800, 1000, 1000] {
            assert_eq!(backoff.bound_ms, bound);
            assert!(backoff.next(&mut dice) <= Duration::from_millis(bound));
        }
        backoff.reset();
        assert_eq!(backoff.bound_ms, 200);
    }
}
