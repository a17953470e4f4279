//! Replicated settings: they change outcomes, so they change by an entry, at the same place for every replica.

use std::ops::RangeInclusive;

use crate::tables::Tables;
use crate::view::Setting;
use crate::{Effect, Rejection, Reply};

const MINUTE_MILLIS: u64 = 60 * 1_000;
const YEAR_MILLIS: u64 = 365 * 24 * 60 * MINUTE_MILLIS;

/// One reading page at most is asked for at once, so fewer than this many entries would cut off live sessions.
const KEEP_ENTRIES: RangeInclusive<u64> = 16..=1_000_000;
/// Up to a year; zero trusts acks alone.
const KEEP_MILLIS: RangeInclusive<u64> = 0..=YEAR_MILLIS;
/// A minute at least, so that nothing expires between two heartbeats of a device.
const EXPIRE_MILLIS: RangeInclusive<u64> = MINUTE_MILLIS..=10 * YEAR_MILLIS;
/// A gigabyte of small messages for one user.
const ENTRIES_MAX: RangeInclusive<u64> = 16..=1_000_000;
/// A client re-sends pipelined messages, whose predecessors must still be known.
const DEDUPE_ENTRIES: RangeInclusive<u64> = 64..=1_000_000;

pub(super) fn change_setting(tables: &mut Tables, effects: &mut Vec<Effect>, setting: Setting) -> Reply {
    let settings = &mut tables.cell.settings;
    let before = *settings;
    let (value, place, bounds) = match setting {
        Setting::Voters(voters) => {
            if !is_voter_count(voters) {
                return Reply::Rejected(Rejection::BadSetting);
            }
            settings.voters = voters;
            return changed(before != *settings, effects);
        }
        Setting::MailboxKeepEntries(value) => (value, &mut settings.mailbox_keep_entries, KEEP_ENTRIES),
        Setting::MailboxKeepMillis(value) => (value, &mut settings.mailbox_keep_millis, KEEP_MILLIS),
        Setting::MailboxExpireMillis(value) => (value, &mut settings.mailbox_expire_millis, EXPIRE_MILLIS),
        Setting::MailboxEntriesMax(value) => (value, &mut settings.mailbox_entries_max, ENTRIES_MAX),
        Setting::DeviceForgetMillis(value) => (value, &mut settings.device_forget_millis, EXPIRE_MILLIS),
        Setting::DedupeKeepMillis(value) => (value, &mut settings.dedupe_keep_millis, EXPIRE_MILLIS),
        Setting::DedupeKeepEntries(value) => (value, &mut settings.dedupe_keep_entries, DEDUPE_ENTRIES),
    };
    if !bounds.contains(&value) {
        return Reply::Rejected(Rejection::BadSetting);
    }
    *place = value;
    changed(before != *settings, effects)
}

/// An even number of voters survives no more losses than one fewer, and more than five make every commit slower.
pub(super) fn is_voter_count(voters: u32) -> bool {
    matches!(voters, 1 | 3 | 5)
}

fn changed(is_changed: bool, effects: &mut Vec<Effect>) -> Reply {
    if is_changed {
        effects.push(Effect::CellChanged);
    }
    Reply::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    #[test]
    fn a_setting_within_its_bounds_is_taken_and_said_once() {
        let mut cell = TestCell::new();
        assert_eq!(cell.set(Setting::MailboxKeepEntries(500)), Reply::Done);
        assert_eq!(cell.set(Setting::MailboxKeepEntries(500)), Reply::Done);
        assert_eq!(cell.take_effects(), ["cell changed"]);
        assert_eq!(cell.state.settings().mailbox_keep_entries, 500);
    }

    #[test]
    fn a_setting_out_of_its_bounds_is_refused() {
        let mut cell = TestCell::new();
        let before = cell.state.settings();
        for setting in [Setting::Voters(2), Setting::DedupeKeepEntries(0), Setting::MailboxKeepMillis(u64::MAX)] {
            assert_eq!(cell.set(setting), rejected(Rejection::BadSetting));
        }
        assert_eq!(cell.state.settings(), before);
    }
}
