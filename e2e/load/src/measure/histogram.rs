//! A histogram of latencies in microseconds, exact to 2 %, that travels between processes and adds up.

use serde::{Deserialize, Serialize};

/// Buckets for each doubling: a bucket is less than 2 % wide.
const SUB_BUCKETS: u64 = 128;
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();

/// Counts by latency. Grows with the largest value: 128 counters for each doubling.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

/// A histogram in the numbers that people compare, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Histogram {
    pub fn record_nanos(&mut self, nanos: u64) {
        let us = nanos / 1000;
        let bucket = bucket_of(us);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn add(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.total,
            p50_ms: self.quantile_us(500) as f64 / 1000.0,
            p99_ms: self.quantile_us(990) as f64 / 1000.0,
            p999_ms: self.quantile_us(999) as f64 / 1000.0,
            max_ms: self.max_us as f64 / 1000.0,
        }
    }

    /// The value that this many of a thousand do not exceed.
    fn quantile_us(&self, per_mille: u64) -> u64 {
        let rank = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return highest_of(bucket).min(self.max_us);
            }
        }
        self.max_us
    }
}

fn bucket_of(us: u64) -> usize {
    if us < SUB_BUCKETS {
        return us as usize;
    }
    let doublings = u64::from(us.ilog2() - SUB_BITS + 1);
    // The top SUB_BITS bits below the leading one choose among the upper half of a doubling's buckets.
    let sub = us >> doublings;
    (doublings * SUB_BUCKETS / 2 + sub) as usize
}

/// The largest value in a bucket.
fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let doublings = bucket / (SUB_BUCKETS / 2) - 1;
    let sub = bucket - doublings * SUB_BUCKETS / 2;
    ((sub + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_less_than_two_per_cent_wide_and_holds_its_values() {
        for us in (0..5000).chain([65_535, 65_536, 1_000_003, 3_600_000_000]) {
            let high = highest_of(bucket_of(us));
            assert!(high >= us && high <= us + us / 60, "{us} fell into the bucket up to {high}");
            assert!(bucket_of(high + 1) == bucket_of(us) + 1, "{us}: no bucket is skipped");
        }
    }

    #[test]
    fn quantiles_are_those_of_all_parts_together() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=99).for_each(|ms| low.record_nanos(ms * 1_000_000));
        high.record_nanos(5_000_000_000);
        low.add(&high);
        let quantiles = low.quantiles();
        assert_eq!(quantiles.count, 100);
        assert!((49.0..=51.0).contains(&quantiles.p50_ms), "{quantiles:?}");
        assert!((98.0..=100.0).contains(&quantiles.p99_ms), "{quantiles:?}");
        assert_eq!(quantiles.max_ms, 5000.0);
    }
}
