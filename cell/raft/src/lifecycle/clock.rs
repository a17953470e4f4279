//! Log time: the stamp of an entry made now, bounded by what the voters' clocks say.

use std::time::Duration;

use cell_types::Timestamp;

/// How far log time may run ahead of the median of the voters' clocks.
pub(crate) const AHEAD_MAX: Duration = Duration::from_secs(5);

/// The leader's own clock, at most [`AHEAD_MAX`] ahead of the median of it and the other voters'.
pub(crate) fn stamp(own: Timestamp, others: &[Timestamp]) -> Timestamp {
    own.min(median(own, others).plus(AHEAD_MAX))
}

/// A leader that is this far ahead hands over.
pub(crate) fn is_too_far_ahead(own: Timestamp, others: &[Timestamp]) -> bool {
    own > median(own, others).plus(AHEAD_MAX)
}

/// Of an even number the lower middle: then no half of the voters is ahead of it by mistake.
fn median(own: Timestamp, others: &[Timestamp]) -> Timestamp {
    let mut all: Vec<_> = others.iter().copied().chain([own]).collect();
    all.sort_unstable();
    all[(all.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10_000_000;

    fn clocks(offsets: &[i64]) -> Vec<Timestamp> {
        offsets.iter().map(|offset| Timestamp::from_millis(NOW.checked_add_signed(*offset).unwrap())).collect()
    }

    fn stamped(offsets: &[i64]) -> i64 {
        stamp(Timestamp::from_millis(NOW), &clocks(offsets)).as_millis() as i64 - NOW as i64
    }

    fn is_ahead(offsets: &[i64]) -> bool {
        is_too_far_ahead(Timestamp::from_millis(NOW), &clocks(offsets))
    }

    #[test]
    fn a_leader_with_the_right_time_stamps_its_own() {
        assert_eq!(stamped(&[]), 0);
        assert_eq!(stamped(&[3, -3]), 0);
        assert_eq!(stamped(&[3_600_000, -3_600_000]), 0);
    }

    #[test]
    fn a_leader_behind_the_others_stamps_its_own() {
        assert_eq!(stamped(&[60_000, 60_000]), 0);
        assert!(!is_ahead(&[60_000, 60_000]));
    }

    #[test]
    fn a_leader_ahead_of_the_others_is_held_to_five_seconds_after_them() {
        assert_eq!(stamped(&[-60_000, -60_010]), -55_000);
        assert!(is_ahead(&[-60_000, -60_010]));
        assert_eq!(stamped(&[-4_000, -4_000]), 0);
        assert!(!is_ahead(&[-4_000, -4_000]));
    }

    #[test]
    fn one_wrong_clock_among_three_moves_nothing() {
        assert_eq!(stamped(&[-3_600_000, 0]), 0);
    }

    #[test]
    fn of_two_clocks_the_earlier_counts() {
        assert_eq!(stamped(&[-60_000]), -55_000);
    }
}
