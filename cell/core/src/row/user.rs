//! A user: the mailbox's bounds, and the devices.

use cell_types::{DeviceId, HistoryEpoch, Timestamp, Useq, UserId, UserKey};
use serde::{Deserialize, Serialize};

use crate::store::codec::postcard_row;
use crate::store::{Entity, KeyBytes, RowKey};

/// One row per user; made when the user is first named, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) ep: HistoryEpoch,
    /// The newest entry of the mailbox.
    pub(crate) head: Useq,
    /// Entries up to and including this one are gone.
    pub(crate) floor: Useq,
    /// The first mailbox block that is still stored; whole blocks below the floor go a few at a time.
    pub(crate) first_block: u64,
    /// The largest ack of any device, ever.
    pub(crate) acked: Useq,
    /// Up to here, what was acked has been turned into delivered watermarks; at most `acked`.
    pub(crate) receipted: Useq,
    /// Sorted by id.
    pub(crate) devices: Vec<Device>,
}
postcard_row!(User, "user");

/// A device's cumulative ack, and when it was last heard of (log time).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) acked: Useq,
    pub(crate) seen: Timestamp,
}

impl User {
    pub(crate) fn new(id: UserId, ep: HistoryEpoch) -> Self {
        Self {
            id,
            ep,
            head: Useq::ZERO,
            floor: Useq::ZERO,
            first_block: 0,
            acked: Useq::ZERO,
            receipted: Useq::ZERO,
            devices: Vec::new(),
        }
    }
}

impl RowKey for UserKey {
    const KIND: u8 = 1;

    fn entity(&self) -> Entity {
        Entity::user(*self)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head()
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        entity.as_user().filter(|_| numbers.is_empty())
    }
}
