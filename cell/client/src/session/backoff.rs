//! How long to wait before the next attempt: 0.2 s doubling, full jitter, at most 30 s.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Bound of the first wait.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// Bound of every wait: a cluster that is back serves everybody again within this time.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Counts attempts in a row that failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure. Full jitter: anything from zero to the bound, so that a crowd spreads out.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        // 0.2 s times 2^8 is past the cap.
        let bound = BACKOFF_FIRST.saturating_mul(1 << self.failures.min(8)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(rng.random_range(0.0..=1.0))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_stay_below_a_bound_that_doubles_from_200_ms_to_30_s_and_use_all_of_it() {
        let mut rng = StdRng::seed_from_u64(1);
        for failures in 0..12_u32 {
            let bound = Duration::from_millis((200 << failures.min(20)).min(30_000));
            let waits: Vec<_> = (0..200).map(|_| Backoff { failures }.next(&mut rng)).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(
                *most <= bound && *most > bound.mul_f64(0.9) && *least < bound.mul_f64(0.1),
                "{failures}: {least:?} {most:?}"
            );
        }
    }

    #[test]
    fn a_reset_starts_over() {
        let mut backoff = Backoff { failures: 9 };
        backoff.reset();
        assert!(backoff.next(&mut StdRng::seed_from_u64(1)) <= BACKOFF_FIRST);
        assert_eq!(backoff.failures, 1);
    }
}
