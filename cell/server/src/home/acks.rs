//! Acks wait in the leader's memory and are written by one entry now and then, for all sessions together.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_core::record::DeviceAck;
use cell_types::{DeviceId, Useq, UserId};

/// How often acks are written: `dlvd` is to come within 2 s, and one entry carries thousands.
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// Devices of one entry: about 100 KiB.
pub(super) const DEVICES_PER_ENTRY_MAX: usize = 2_000;

/// Cumulative acks that no entry carries yet.
#[derive(Debug, Default)]
pub(super) struct PendingAcks {
    devices: BTreeMap<(UserId, DeviceId), Useq>,
}

impl PendingAcks {
    /// A device has everything up to here, or was seen.
    pub(super) fn note(&mut self, user: &UserId, device: &DeviceId, acked: Useq) {
        let known = self.devices.entry((user.clone(), device.clone())).or_insert(acked);
        *known = acked.max(*known);
    }

    /// Takes what the next entry carries.
    pub(super) fn take(&mut self) -> Vec<DeviceAck> {
        let mut taken = Vec::with_capacity(self.devices.len().min(DEVICES_PER_ENTRY_MAX));
        while taken.len() < DEVICES_PER_ENTRY_MAX
            && let Some(((user, device), acked)) = self.devices.pop_first()
        {
            taken.push(DeviceAck { user, device, acked });
        }
        taken
    }

    /// The entry did not come through: these wait again, unless a later ack is there.
    pub(super) fn put_back(&mut self, devices: Vec<DeviceAck>) {
        for DeviceAck { user, device, acked } in devices {
            self.note(&user, &device, acked);
        }
    }

    pub(super) fn clear(&mut self) {
        self.devices.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_ack_of_a_device_is_written_once() {
        let (user, device) = ("alice".parse().unwrap(), "phone".parse().unwrap());
        let mut acks = PendingAcks::default();
        for acked in [3, 9, 5] {
            acks.note(&user, &device, Useq::new(acked));
        }
        let taken = acks.take();
        assert_eq!(taken, [DeviceAck { user: user.clone(), device: device.clone(), acked: Useq::new(9) }]);
        assert_eq!(acks.len(), 0);
        acks.note(&user, &device, Useq::new(10));
        acks.put_back(taken);
        assert_eq!(acks.take()[0].acked, Useq::new(10));
    }
}
