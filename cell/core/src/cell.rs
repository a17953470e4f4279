//! The cell's own rows: who it is, what it owns, its replicas and settings, and where in the log it stands.

use bytes::Bytes;
use cell_types::{HistoryEpoch, NodeId, PlacementKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::LogPosition;
use crate::store::codec::postcard_row;
use crate::view::{Identity, OwnedRange, Registered, Settings};

/// The behaviour that a new cell follows, and the newest one that this program knows.
pub(crate) const BEHAVIOUR: u32 = 1;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// What the protocol promises: "at least the newest 1,000 entries and those of the last 24 h stay".
const DEFAULT_SETTINGS: Settings = Settings {
    voters: 3,
    mailbox_keep_entries: 1_000,
    mailbox_keep_millis: DAY_MILLIS,
    // A device that was away longer starts from a snapshot, which is cheaper than replaying a month.
    mailbox_expire_millis: 30 * DAY_MILLIS,
    // About 100 MB of small messages for one user.
    mailbox_entries_max: 100_000,
    device_forget_millis: 30 * DAY_MILLIS,
    // Clients re-send by themselves what they first tried up to 30 days ago; five days are for clocks and queues.
    dedupe_keep_millis: 35 * DAY_MILLIS,
    // Two hours of sending without a pause; half a megabyte per sender and conversation.
    dedupe_keep_entries: 10_000,
    history_epoch: HistoryEpoch::new(1),
    version: BEHAVIOUR,
};

/// What changes seldom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// None until the cell is founded.
    pub(crate) identity: Option<Identity>,
    /// Disjoint, in key order.
    pub(crate) ranges: Vec<OwnedRange>,
    /// In the order of node ids.
    pub(crate) registry: Vec<Registered>,
    /// Never given out before.
    pub(crate) next_node: NodeId,
    pub(crate) settings: Settings,
}
postcard_row!(Cell, "cell");

impl Cell {
    pub(crate) const KEY: &'static [u8] = b"cell";

    pub(crate) fn owns(&self, key: PlacementKey) -> bool {
        // A cell owns a handful of ranges.
        self.ranges.iter().any(|(range, _)| range.contains(key))
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            identity: None,
            ranges: Vec::new(),
            registry: Vec::new(),
            next_node: NodeId::new(1),
            settings: DEFAULT_SETTINGS,
        }
    }
}

/// What changes with every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The last entry that was applied.
    pub(crate) applied: Option<LogPosition>,
    /// The last membership, and the entry that it came in. Opaque here.
    pub(crate) membership: Option<(LogPosition, Bytes)>,
    pub(crate) log_time: Timestamp,
    /// Of everything decided so far.
    pub(crate) digest: u64,
}
postcard_row!(Position, "position");

impl Position {
    pub(crate) const KEY: &'static [u8] = b"position";
}
