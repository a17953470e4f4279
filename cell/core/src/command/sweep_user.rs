//! A user's housekeeping: forgets devices that are gone, trims the mailbox.

use std::time::Duration;

use cell_types::{Timestamp, Useq, UserKey};

use super::receipts::settle;
use super::sweep::Budget;
use crate::row::{MailboxBlockKey, User};
use crate::tables::{Tables, expect_row};
use crate::{Effect, Error};

/// False if the budget did not suffice.
pub(super) fn sweep_user(
    tables: &mut Tables,
    effects: &mut Vec<Effect>,
    key: UserKey,
    budget: &mut Budget,
) -> Result<bool, Error> {
    // The user's row may be gone only if the file is corrupt; other rows of the user say that it was there.
    let before = expect_row(tables.users.get(&key)?, "user")?;
    if before.receipted < before.acked {
        settle(tables, effects, key)?;
    }
    let before = expect_row(tables.users.get(&key)?, "user")?;
    let mut user = User::clone(&before);
    let forget_before = ago(tables, tables.cell.settings.device_forget_millis);
    user.devices.retain(|device| device.seen >= forget_before);
    user.floor = floor(tables, key, &user)?;
    let first_kept = MailboxBlockKey::of(key, user.floor.next()).block;
    while user.first_block < first_kept && budget.spend() {
        tables.mailboxes.remove(&MailboxBlockKey { user: key, block: user.first_block });
        user.first_block += 1;
    }
    let is_done = user.first_block == first_kept;
    if user != *before {
        tables.decisions.push(user.devices.len() as u64);
        if user.floor > before.floor {
            effects.push(Effect::Trimmed { user: key, floor: user.floor });
        }
        *expect_row(tables.users.get_mut(&key)?, "user")? = user;
    }
    Ok(is_done)
}

/// The largest entry that may go, and everything before it.
fn floor(tables: &Tables, key: UserKey, user: &User) -> Result<Useq, Error> {
    let settings = tables.cell.settings;
    // Nobody has acked the mailbox of a user without devices.
    let acked = user.devices.iter().map(|device| device.acked).min().unwrap_or(Useq::ZERO);
    let acked = acked.min(user.receipted).min(all_but(user.head, settings.mailbox_keep_entries));
    let acked = newest_before(tables, key, (user.floor, acked), ago(tables, settings.mailbox_keep_millis))?;
    let expired = newest_before(tables, key, (user.floor, user.head), ago(tables, settings.mailbox_expire_millis))?;
    let surplus = all_but(user.head, settings.mailbox_entries_max);
    Ok(user.floor.max(acked).max(expired).max(surplus))
}

fn ago(tables: &Tables, millis: u64) -> Timestamp {
    tables.position.log_time.minus(Duration::from_millis(millis))
}

fn all_but(head: Useq, newest: u64) -> Useq {
    Useq::new(head.get().saturating_sub(newest))
}

/// The newest entry after `floor`, up to `upto`, from before a time; `floor` if there is none. Times never go back.
fn newest_before(tables: &Tables, key: UserKey, (floor, upto): (Useq, Useq), time: Timestamp) -> Result<Useq, Error> {
    let (mut older, mut newer) = (floor, upto.next());
    // The oldest entry answers nearly always.
    let mut probe = floor.next();
    while probe < newer {
        let block = expect_row(tables.mailboxes.get(&MailboxBlockKey::of(key, probe))?, "mailbox")?;
        if expect_row(block.get(probe), "mailbox")?.at < time {
            older = probe;
        } else {
            newer = probe;
        }
        probe = Useq::new(older.get() + (newer.get().saturating_sub(older.get())).div_ceil(2));
    }
    Ok(older)
}

#[cfg(test)]
mod tests {
    use crate::Reply;
    use crate::test_cell::*;
    use crate::view::Setting;

    /// Bob has 2,000 messages of a day ago, and one device that acked all but the last.
    fn full_mailbox() -> TestCell {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 2_000);
        cell.ack("bob", "phone", 2_000);
        cell.ack("bob", "phone", 2_000);
        cell.take_effects();
        cell
    }

    #[test]
    fn entries_that_every_device_acked_go_but_the_newest_thousand_stay() {
        let mut cell = full_mailbox();
        cell.wait(DAY * 2);
        cell.sweep();
        assert_eq!(cell.take_effects(), ["bob trimmed to 1001"]);
        assert_eq!(cell.mailbox("bob").len(), 1_000);
        assert_eq!(cell.mailbox_after("bob", 1_000), None);
        assert_eq!(cell.mailbox_after("bob", 1_001).unwrap()[0], "1002: message 1001 1000");
    }

    #[test]
    fn entries_of_the_last_day_stay() {
        let mut cell = full_mailbox();
        cell.wait(DAY / 2);
        cell.sweep();
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn entries_that_one_live_device_has_not_acked_stay() {
        let mut cell = full_mailbox();
        cell.ack("bob", "laptop", 10);
        cell.wait(DAY * 2);
        cell.sweep();
        assert_eq!(cell.take_effects(), ["bob trimmed to 10"]);
    }

    #[test]
    fn a_mailbox_without_devices_is_kept_for_the_first_one() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 2_000);
        cell.wait(DAY * 2);
        cell.take_effects();
        cell.sweep();
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn after_thirty_days_entries_go_whoever_acked_them() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 30);
        cell.wait(DAY * 20);
        cell.send_many("alice", "bob", 30);
        cell.wait(DAY * 11);
        cell.take_effects();
        cell.sweep();
        let mut trimmed = cell.take_effects();
        trimmed.sort();
        assert_eq!(trimmed, ["alice trimmed to 31", "bob trimmed to 31"]);
    }

    #[test]
    fn a_mailbox_never_keeps_more_than_its_maximum() {
        let mut cell = TestCell::new();
        assert_eq!(cell.set(Setting::MailboxEntriesMax(100)), Reply::Done);
        cell.send_many("alice", "bob", 150);
        cell.sweep();
        assert_eq!(cell.mailbox("bob").len(), 100);
    }

    #[test]
    fn a_device_unseen_for_thirty_days_is_forgotten_and_holds_nothing_back() {
        let mut cell = full_mailbox();
        cell.ack("bob", "laptop", 10);
        cell.wait(DAY * 29);
        cell.ack("bob", "phone", 2_000);
        cell.wait(DAY / 2 * 3);
        cell.take_effects();
        cell.sweep();
        let devices = &cell.state.tables.users.get(&user("bob").key()).unwrap().unwrap().devices;
        assert_eq!(devices.iter().map(|device| device.id.as_str()).collect::<Vec<_>>(), ["phone"]);
        assert!(cell.take_effects().contains(&"bob trimmed to 2001".to_owned()));
    }

    #[test]
    fn the_rows_of_trimmed_entries_leave_the_disk() {
        let mut cell = full_mailbox();
        let before = cell.dump().len();
        cell.wait(DAY * 31);
        cell.sweep();
        // 2,001 entries of two mailboxes, in blocks of 16.
        assert_eq!(cell.mailbox("bob").len(), 0);
        assert!(cell.dump().len() <= before - 2 * 125);
        assert_eq!(sent(2_001), cell.send("alice", "bob", "still counting"));
        assert_eq!(cell.mailbox("bob"), ["2002: message 2001 still counting"]);
    }

    #[test]
    fn nothing_goes_before_its_sender_was_told_that_it_arrived() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 5_000);
        cell.ack("bob", "phone", 5_001);
        cell.wait(DAY * 2);
        cell.take_effects();
        cell.sweep();
        let effects = cell.take_effects();
        assert!(effects.contains(&"alice 5003: bob got 2047".to_owned()), "{effects:?}");
        assert!(effects.contains(&"bob trimmed to 2048".to_owned()), "{effects:?}");
    }
}
