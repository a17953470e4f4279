//! The state of a cell: what was applied, kept in memory over the last durable checkpoint in redb.

use std::sync::Arc;

use bytes::Bytes;
use cell_types::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cell::{BEHAVIOUR, Position};
use crate::digest::{self, Recent};
use crate::record::Batch;
use crate::store::Disk;
use crate::tables::Tables;
use crate::view::{Identity, OwnedRange, Registered, Settings, SigningKey, Stats};
use crate::{Effect, Reply, command};

pub use crate::snapshot::SnapshotReader;
pub use crate::store::Checkpoint;

/// A position in the replicated log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPosition {
    pub term: u64,
    pub node: NodeId,
    pub index: u64,
}

/// This replica is broken: it must stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("failed to read or write the state file")]
    Storage(#[source] Arc<redb::Error>),
    #[error("the state file is corrupt: {0}")]
    Corrupt(String),
    #[error("the state file has format {found}, this program reads up to {known}: run the newer version")]
    NewerFormat { found: u32, known: u32 },
    #[error("the cell follows behaviour {asked}, this program knows up to {known}: run the newer version")]
    NewerBehaviour { asked: u32, known: u32 },
    #[error("this replica diverged: its digest after entry {index} is {own:016x}, the cell's is {cells:016x}")]
    Diverged { index: u64, own: u64, cells: u64 },
    #[error("a log entry is not readable: {0}")]
    BadRecord(String),
    #[error("entry {got} was applied after entry {last}")]
    OutOfTurn { last: u64, got: u64 },
    #[error("the state file holds a snapshot that was not received to its end")]
    UnfinishedSnapshot,
    #[error("a chunk of a snapshot does not fit: {0}")]
    BadChunk(&'static str),
}

/// A cell's replicated state. Reads see what was applied last, durable or not.
pub struct State {
    pub(crate) tables: Tables,
    digests: Recent,
    durable: Position,
    is_checkpointing: bool,
    /// (commands, bytes) since the last checkpoint began, and in the one before.
    changed: (u64, u64),
    clean: (u64, u64),
}

impl State {
    /// Opens the state file as the last durable checkpoint left it; an empty database makes an unfounded cell.
    ///
    /// The cache of the database is whatever its opener set. A file of a newer format is refused.
    pub fn open(database: redb::Database) -> Result<Self, Error> {
        let tables = Tables::open(Disk::open(database)?)?;
        let asked = tables.cell.settings.version;
        if asked > BEHAVIOUR {
            return Err(Error::NewerBehaviour { asked, known: BEHAVIOUR });
        }
        let durable = tables.position.clone();
        Ok(Self {
            tables,
            digests: Recent::default(),
            durable,
            is_checkpointing: false,
            changed: (0, 0),
            clean: (0, 0),
        })
    }

    /// Applies one log entry. Answers each command in order; `effects` are appended.
    ///
    /// After an error the state is half-way through the entry: the process must stop.
    pub fn apply(&mut self, at: LogPosition, batch: &Batch, effects: &mut Vec<Effect>) -> Result<Vec<Reply>, Error> {
        self.check_turn(at)?;
        let log_time = &mut self.tables.position.log_time;
        *log_time = batch.stamp.max(*log_time);
        let first_effect = effects.len();
        let mut replies = Vec::with_capacity(batch.commands.len());
        for command in &batch.commands {
            replies.push(command::run(&mut self.tables, &self.digests, command, effects)?);
            self.changed.0 += 1;
            self.changed.1 += command.weight();
        }
        self.advance(at, &replies, &effects[first_effect..]);
        Ok(replies)
    }

    /// Notes a log entry that carries no commands (a blank, or a membership with its opaque bytes).
    pub fn note(&mut self, at: LogPosition, membership: Option<Bytes>) {
        if let Some(membership) = membership {
            self.tables.position.membership = Some((at, membership));
        }
        self.advance(at, &[], &[]);
    }

    /// Position of the last entry applied, and the last membership with its position.
    pub fn applied(&self) -> (Option<LogPosition>, Option<(LogPosition, Bytes)>) {
        let Position { applied, membership, .. } = &self.tables.position;
        (*applied, membership.clone())
    }

    /// The same, as of the last durable checkpoint: the log may be purged up to here.
    pub fn durable(&self) -> (Option<LogPosition>, Option<(LogPosition, Bytes)>) {
        (self.durable.applied, self.durable.membership.clone())
    }

    /// (commands, approximate bytes) applied since the last checkpoint began.
    pub fn since_checkpoint(&self) -> (u64, u64) {
        self.changed
    }

    /// Freezes what changed since the last checkpoint, to be written off the ack path. `None` while one is under way.
    pub fn begin_checkpoint(&mut self) -> Option<Checkpoint> {
        if self.is_checkpointing {
            return None;
        }
        self.is_checkpointing = true;
        self.clean = std::mem::take(&mut self.changed);
        Some(self.tables.freeze())
    }

    /// A checkpoint from [`Self::begin_checkpoint`] is on disk: its `write` succeeded. Any other one is ignored.
    pub fn end_checkpoint(&mut self, written: Checkpoint) {
        if let Some((disk, position)) = written.into_written() {
            self.tables.set_disk(disk);
            self.durable = position;
            self.is_checkpointing = false;
        }
    }

    /// A stable view of the last durable checkpoint, to be streamed to another replica.
    pub fn snapshot(&self) -> Result<SnapshotReader, Error> {
        SnapshotReader::new(Arc::clone(self.tables.disk()), &self.durable)
    }

    /// Who the cell is; none until it is founded.
    pub fn identity(&self) -> Option<&Identity> {
        self.tables.cell.identity.as_ref()
    }

    /// What the cell owns, in key order.
    pub fn ranges(&self) -> &[OwnedRange] {
        &self.tables.cell.ranges
    }

    /// Replicas, present and past, in the order of their node ids.
    pub fn registry(&self) -> &[Registered] {
        &self.tables.cell.registry
    }

    /// Below this, every node id that is not in the registry was retired long ago.
    pub fn next_node(&self) -> NodeId {
        self.tables.cell.next_node
    }

    pub fn settings(&self) -> Settings {
        self.tables.cell.settings
    }

    /// The keyring, by id.
    pub fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.tables.signing_keys()
    }

    /// The largest stamp so far.
    pub fn log_time(&self) -> Timestamp {
        self.tables.position.log_time
    }

    /// Of everything decided up to the last entry applied; what `CompareDigest` compares.
    pub fn digest(&self) -> u64 {
        self.tables.position.digest
    }

    pub fn stats(&self) -> Stats {
        let (rows_changed, rows_clean) = self.tables.rows_in_memory();
        Stats { rows_changed, rows_clean, bytes_changed: self.changed.1, bytes_clean: self.clean.1 }
    }

    fn check_turn(&self, at: LogPosition) -> Result<(), Error> {
        match self.tables.position.applied {
            Some(last) if at.index <= last.index => Err(Error::OutOfTurn { last: last.index, got: at.index }),
            _ => Ok(()),
        }
    }

    fn advance(&mut self, at: LogPosition, replies: &[Reply], effects: &[Effect]) {
        let position = &mut self.tables.position;
        position.applied = Some(at);
        position.digest = digest::chain(position.digest, at, replies, effects, &self.tables.decisions);
        self.tables.decisions.clear();
        self.digests.push(at.index, position.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    #[test]
    fn a_state_can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<State>();
        check::<Checkpoint>();
        check::<SnapshotReader>();
    }

    #[test]
    fn what_was_checkpointed_is_there_when_the_file_is_opened_again() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "durable");
        cell.state.note(position(3), Some(Bytes::from_static(b"members")));
        cell.checkpoint();
        let (applied, digest) = (cell.state.applied(), cell.state.digest());
        assert_eq!(applied.0, Some(position(3)));
        assert_eq!(cell.state.durable(), applied);
        let log = std::mem::take(&mut cell.log);
        cell.crash_and_replay();
        assert_eq!((cell.state.applied(), cell.state.digest()), (applied, digest));
        assert_eq!(cell.messages("alice", "bob"), ["1 durable"]);
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn what_was_not_checkpointed_is_gone_until_the_log_is_replayed() {
        let mut cell = TestCell::new();
        cell.checkpoint();
        cell.send("alice", "bob", "not durable");
        assert_eq!(cell.state.durable().0, Some(position(1)));
        let log = std::mem::take(&mut cell.log);
        cell.crash_and_replay();
        assert_eq!(cell.state.applied().0, Some(position(1)));
        cell.log = log;
        cell.crash_and_replay();
        assert_eq!(cell.messages("alice", "bob"), ["1 not durable"]);
    }

    #[test]
    fn reads_and_commands_go_on_while_a_checkpoint_is_written() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "before");
        let checkpoint = cell.state.begin_checkpoint().unwrap();
        assert!(cell.state.begin_checkpoint().is_none(), "one at a time");
        cell.send("alice", "bob", "meanwhile");
        checkpoint.write().unwrap();
        cell.send("alice", "bob", "written");
        cell.state.end_checkpoint(checkpoint);
        assert_eq!(cell.state.durable().0, Some(position(2)));
        assert_eq!(cell.state.since_checkpoint().0, 2);
        assert_eq!(cell.messages("alice", "bob"), ["1 before", "2 meanwhile", "3 written"]);
        cell.crash_and_replay();
        assert_eq!(cell.messages("alice", "bob"), ["1 before", "2 meanwhile", "3 written"]);
    }

    #[test]
    fn a_checkpoint_that_was_not_written_makes_nothing_durable() {
        let mut cell = TestCell::new();
        let checkpoint = cell.state.begin_checkpoint().unwrap();
        cell.state.end_checkpoint(checkpoint);
        assert_eq!(cell.state.durable().0, None);
        assert!(cell.state.begin_checkpoint().is_none(), "the process has to exit");
    }

    #[test]
    fn an_entry_is_never_applied_twice() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        let (at, batch) = cell.log.last().cloned().unwrap();
        assert!(matches!(cell.state.apply(at, &batch, &mut Vec::new()), Err(Error::OutOfTurn { last: 2, got: 2 })));
    }
}
