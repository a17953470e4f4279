//! How long nobody was answered after each kill.

use serde::Serialize;

use crate::measure::Gap;

/// A gap that begins this long after a kill is its: a follower's death is noticed later than the leader's.
const BELONGS_MS: u64 = 2_000;

/// Clocks of two processes on one machine, and the last answers that were on their way.
const BEFORE_MS: u64 = 200;

/// A kill and the gap that followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    pub kill_unix_ms: u64,
    /// From the kill to the first ack after the gap; 0 when there was no gap worth the name.
    pub until_ack_ms: u64,
}

/// The moment of a line `kill <unix_ms>`.
pub fn parse_mark(line: &str) -> Option<u64> {
    line.trim().strip_prefix("kill ")?.trim().parse().ok()
}

/// The outage of each kill.
pub fn outages(kills: &[u64], gaps: &[Gap]) -> Vec<Outage> {
    let of = |kill: u64| {
        let near = gaps.iter().filter(|gap| {
            gap.start_unix_ms + BEFORE_MS >= kill && gap.start_unix_ms <= kill + BELONGS_MS && gap.end_unix_ms() > kill
        });
        let longest = near.max_by_key(|gap| gap.length_ms);
        Outage { kill_unix_ms: kill, until_ack_ms: longest.map_or(0, |gap| gap.end_unix_ms() - kill) }
    };
    kills.iter().map(|kill| of(*kill)).collect()
}

/// Median and largest, in milliseconds.
pub fn median_and_max(outages: &[Outage]) -> Option<(u64, u64)> {
    let mut all: Vec<_> = outages.iter().map(|outage| outage.until_ack_ms).collect();
    all.sort_unstable();
    Some((all[all.len().checked_sub(1)? / 2], *all.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_gets_the_longest_gap_that_began_with_it() {
        let gap = |start_unix_ms, length_ms| Gap { start_unix_ms, length_ms };
        let gaps = [gap(900, 600), gap(2_100, 120), gap(9_000, 5_000)];
        let outage = |kill_unix_ms, until_ack_ms| Outage { kill_unix_ms, until_ack_ms };
        let found = outages(&[1_000, 5_000], &gaps);
        assert_eq!(found, [outage(1_000, 500), outage(5_000, 0)]);
        assert_eq!(median_and_max(&found), Some((0, 500)));
        assert_eq!(median_and_max(&[]), None);
    }

    #[test]
    fn marks_are_lines_with_a_time() {
        assert_eq!(parse_mark("kill 1790000000123\n"), Some(1_790_000_000_123));
        assert_eq!(parse_mark("kill soon"), None);
        assert_eq!(parse_mark("1790000000123"), None);
    }
}
