//! What a replica is told at its start, and the timing it gives to openraft.

use std::time::Duration;

use cell_types::{CellName, ClusterId, Incarnation, ReplicaName};

/// Entries of one append message; its bytes are limited by the log reader.
const APPEND_ENTRIES_MAX: u64 = 512;

/// A learner this close behind is as good as a voter: at full load these are some tens of milliseconds.
pub(crate) const CAUGHT_UP_ENTRIES_MAX: u64 = 128;

/// Between attempts to reach a peer that is gone: soon enough to meet it back within an election.
const BACKOFF: &str = "50ms 100ms 200ms ...200ms";

/// Who a replica is, and its limits.
#[derive(Debug, Clone)]
pub struct Options {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
    pub replica: ReplicaName,
    /// All slots of the cell, this replica's included. One slot: nobody could rebuild this volume, so a corrupt store
    /// stops the process instead of being set aside.
    pub peers: Vec<ReplicaName>,
    pub heartbeat: Duration,
    /// A follower that hears nothing for a random time in between asks for votes.
    pub election: (Duration, Duration),
    /// redb's page cache for the state file, in bytes.
    pub state_cache_bytes: usize,
    /// Log entries kept in memory, in bytes: what followers and apply read without touching the file.
    pub log_cache_bytes: usize,
    /// A checkpoint is due after this many bytes of commands: replay after a crash reads about as much log.
    pub checkpoint_bytes: u64,
    /// Log kept behind the last checkpoint, in bytes: a follower that was away for a moment needs no snapshot.
    pub log_tail_bytes: u64,
}

impl Options {
    /// The usual timing and memory: heartbeat 75 ms, election 225 to 450 ms.
    pub fn new(
        (cluster, cell, incarnation): (ClusterId, CellName, Incarnation),
        replica: ReplicaName,
        peers: Vec<ReplicaName>,
    ) -> Self {
        Self {
            cluster,
            cell,
            incarnation,
            replica,
            peers,
            heartbeat: Duration::from_millis(75),
            election: (Duration::from_millis(225), Duration::from_millis(450)),
            state_cache_bytes: 64 << 20,
            log_cache_bytes: 64 << 20,
            checkpoint_bytes: 32 << 20,
            log_tail_bytes: 32 << 20,
        }
    }

    /// Nobody else holds this cell's data.
    pub(crate) fn is_alone(&self) -> bool {
        self.peers.iter().all(|peer| *peer == self.replica)
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = &ReplicaName> {
        self.peers.iter().filter(|peer| **peer != self.replica)
    }

    pub(crate) fn raft_config(&self) -> Result<openraft::Config, openraft::ConfigError> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: self.cell.to_string(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election.0),
            election_timeout_max: millis(self.election.1),
            enable_pre_vote: Some(true),
            enable_leader_restore: Some(false),
            // Lower latency: followers get an entry while the leader still writes it.
            broadcast_submitted_on_append: Some(true),
            max_payload_entries: APPEND_ENTRIES_MAX,
            replication_lag_threshold: CAUGHT_UP_ENTRIES_MAX,
            // Checkpoints are ours; the log is purged only behind a durable one, explicitly.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            backoff: BACKOFF.to_owned(),
            ..Default::default()
        }
        .validate()
    }
}
