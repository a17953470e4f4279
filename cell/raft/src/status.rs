//! What a replica says of itself to the shell: a snapshot that changes as it goes.

use std::time::Duration;

use cell_types::{BootCount, NodeId, ReplicaName, VolumeId};

/// Where a replica is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifecycle {
    /// The volume is being opened.
    #[default]
    Starting,
    /// The volume is empty: waits to be founded, and asks the peers to join meanwhile.
    Empty,
    /// Has a node id and asks its peers whether they know a later start of this volume.
    Confirming,
    /// Takes part in the cell.
    Running,
    /// Stopped by an error; [`Status::fatal`] says which. The process must exit.
    Failed,
    /// Shut down on request.
    Stopped,
}

/// What a running replica is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    #[default]
    Down,
    /// A copy without a vote: joining, or leaving.
    Learner,
    Follower,
    Candidate,
    Leader,
}

/// A snapshot of a replica's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub lifecycle: Lifecycle,
    pub role: Role,
    /// A voter of the last committed membership that this replica knows.
    pub voter: bool,
    /// The founding of the cell is applied.
    pub founded: bool,
    pub term: u64,
    pub leader: Option<ReplicaName>,
    pub node: Option<NodeId>,
    /// Unset only while the volume is being opened.
    pub volume: Option<VolumeId>,
    pub boot: Option<BootCount>,
    /// Log indexes; 0 before the first entry.
    pub last_log: u64,
    pub committed: u64,
    pub applied: u64,
    /// Last entry in the last durable checkpoint.
    pub durable: u64,
    pub purged: u64,
    /// Bytes of log entries that are kept.
    pub log_bytes: u64,
    pub voters: Vec<ReplicaName>,
    /// On the leader: every other member.
    pub members: Vec<MemberStatus>,
    /// Sentences for people: why it is not ready, what was set aside.
    pub messages: Vec<String>,
    /// Why the replica stopped; the process must exit.
    pub fatal: Option<String>,
}

/// Another member, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    pub replica: ReplicaName,
    pub node: NodeId,
    pub voter: bool,
    /// Entries it has not confirmed yet; unknown before its first answer.
    pub lag: Option<u64>,
    /// How long ago it was last heard.
    pub heard: Option<Duration>,
}

impl Status {
    /// Joined a founded cell as a voter, and not stopped; not "has a leader", which changes with every election.
    pub fn is_ready(&self) -> bool {
        self.lifecycle == Lifecycle::Running && self.voter && self.founded
    }
}
