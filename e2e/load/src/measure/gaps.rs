//! Gaps between acks: how long nobody's send was answered.

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, MILLI, Nanos};

/// Gaps that a run remembers; more than this is not a run with faults but a server that crawls.
const GAPS_MAX: usize = 10_000;

/// A time without an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub start_unix_ms: u64,
    pub length_ms: u64,
}

impl Gap {
    pub fn end_unix_ms(&self) -> u64 {
        self.start_unix_ms + self.length_ms
    }
}

/// Finds gaps in one stream of acks.
#[derive(Debug, Clone)]
pub struct GapFinder {
    clock: Clock,
    at_least: Nanos,
    last: Option<Nanos>,
    gaps: Vec<Gap>,
}

impl GapFinder {
    pub fn new(clock: Clock, at_least_ms: u64) -> Self {
        Self { clock, at_least: at_least_ms * MILLI, last: None, gaps: Vec::new() }
    }

    /// From now on an ack is expected.
    pub fn start(&mut self, now: Nanos) {
        self.last = Some(now);
    }

    pub fn ack(&mut self, now: Nanos) {
        let Some(last) = self.last.replace(now) else { return };
        let length = now.saturating_sub(last);
        if length >= self.at_least && self.gaps.len() < GAPS_MAX {
            self.gaps.push(Gap { start_unix_ms: self.clock.unix_ms(last), length_ms: length / MILLI });
        }
    }

    /// No more acks are expected.
    pub fn stop(&mut self, now: Nanos) {
        self.ack(now);
        self.last = None;
    }

    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }
}

/// The times that lie in a gap of both: of two generators, neither was answered.
pub fn common_gaps(one: &[Gap], other: &[Gap], at_least_ms: u64) -> Vec<Gap> {
    let mut common = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let start_unix_ms = a.start_unix_ms.max(b.start_unix_ms);
        let length_ms = a.end_unix_ms().min(b.end_unix_ms()).saturating_sub(start_unix_ms);
        if length_ms >= at_least_ms.max(1) {
            common.push(Gap { start_unix_ms, length_ms });
        }
        if a.end_unix_ms() <= b.end_unix_ms() {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(start_unix_ms: u64, length_ms: u64) -> Gap {
        Gap { start_unix_ms, length_ms }
    }

    #[test]
    fn two_generators_share_the_gaps_in_which_neither_was_answered() {
        let one = [gap(1000, 500), gap(3000, 900)];
        let other = [gap(1200, 600), gap(3000, 150), gap(3300, 1000)];
        assert_eq!(common_gaps(&one, &other, 100), [gap(1200, 300), gap(3000, 150), gap(3300, 600)]);
        assert_eq!(common_gaps(&one, &[], 100), []);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_lasts_long_enough_while_acks_are_expected_is_a_gap() {
        let clock = Clock::start();
        let mut finder = GapFinder::new(clock, 100);
        finder.ack(50 * MILLI);
        finder.start(1000 * MILLI);
        finder.ack(1099 * MILLI);
        finder.ack(1300 * MILLI);
        finder.stop(1450 * MILLI);
        finder.ack(9000 * MILLI);
        let lengths: Vec<_> = finder.gaps().iter().map(|gap| gap.length_ms).collect();
        assert_eq!(lengths, [201, 150]);
    }
}
