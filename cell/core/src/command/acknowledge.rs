//! Acks of devices: what they have, and that they were seen.

use cell_types::Timestamp;

use super::receipts::settle;
use crate::record::{Acknowledge, DeviceAck};
use crate::row::{Device, User};
use crate::tables::Tables;
use crate::{Effect, Error, Reply};

/// Devices of a user: more than people have, few enough for one row.
const DEVICES_MAX: usize = 32;

/// Users that this cell does not own (any more) are left out: their home hears from the device again.
pub(super) fn acknowledge(tables: &mut Tables, effects: &mut Vec<Effect>, acks: &Acknowledge) -> Result<Reply, Error> {
    let now = tables.position.log_time;
    for ack in &acks.devices {
        let key = ack.user.key();
        if !tables.cell.owns(key.placement) {
            continue;
        }
        let user = tables.user_mut(key, &ack.user)?;
        let acked = take(user, ack, now);
        tables.decisions.push(acked);
        settle(tables, effects, key)?;
    }
    Ok(Reply::Done)
}

/// Raises the device's ack, never above the mailbox's head; returns it.
fn take(user: &mut User, ack: &DeviceAck, now: Timestamp) -> u64 {
    let upto = ack.acked.min(user.head);
    let place = match user.devices.binary_search_by(|device| device.id.cmp(&ack.device)) {
        Ok(place) => place,
        Err(_) => {
            if user.devices.len() >= DEVICES_MAX {
                forget_longest_unseen(user);
            }
            let place = user.devices.partition_point(|device| device.id < ack.device);
            user.devices.insert(place, Device { id: ack.device.clone(), acked: upto, seen: now });
            place
        }
    };
    let device = &mut user.devices[place];
    device.acked = device.acked.max(upto);
    device.seen = now;
    user.acked = user.acked.max(upto);
    device.acked.get()
}

fn forget_longest_unseen(user: &mut User) {
    let unseen = user.devices.iter().enumerate().min_by_key(|(_, device)| (device.seen, &device.id));
    if let Some((place, _)) = unseen {
        user.devices.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::test_cell::*;

    fn devices(cell: &TestCell, id: &str) -> Vec<(String, u64)> {
        let user = cell.state.tables.users.get(&user(id).key()).unwrap().unwrap();
        user.devices.iter().map(|device| (device.id.to_string(), device.acked.get())).collect()
    }

    #[test]
    fn an_ack_is_a_maximum_per_device_and_never_above_the_head() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3);
        cell.ack("bob", "phone", 3);
        cell.ack("bob", "phone", 2);
        cell.ack("bob", "laptop", 100);
        assert_eq!(devices(&cell, "bob"), [("laptop".to_owned(), 4), ("phone".to_owned(), 3)]);
    }

    #[test]
    fn an_ack_of_nothing_makes_user_and_device_known() {
        let mut cell = TestCell::new();
        cell.ack("carol", "phone", 0);
        assert_eq!(devices(&cell, "carol"), [("phone".to_owned(), 0)]);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_thirty_third_device_takes_the_place_of_the_one_unseen_for_longest() {
        let mut cell = TestCell::new();
        for n in 0..32 {
            cell.wait(Duration::from_secs(1));
            cell.ack("bob", &format!("d{n:02}"), 0);
        }
        cell.wait(Duration::from_secs(1));
        cell.ack("bob", "d00", 0);
        cell.ack("bob", "new", 0);
        let known = devices(&cell, "bob");
        assert_eq!(known.len(), 32);
        assert!(known.iter().any(|(id, _)| id == "d00") && known.iter().any(|(id, _)| id == "new"));
        assert!(!known.iter().any(|(id, _)| id == "d01"));
    }

    #[test]
    fn users_of_another_cell_are_left_out() {
        let mut cell = TestCell::owning(&["alice"]);
        cell.ack("bob", "phone", 0);
        assert!(cell.state.tables.users.get(&user("bob").key()).unwrap().is_none());
    }
}
