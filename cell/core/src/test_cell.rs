//! A cell for tests: arranged with verbs, asked in plain words, and kept with its log so that it can be replayed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell_types::*;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use crate::record::*;
use crate::view::*;
use crate::{Batch, Command, Effect, Error, LogPosition, Rejection, Reply, SnapshotReader, State};

/// A disk that outlives the database on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<InMemoryBackend>);

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

impl Memory {
    pub(crate) fn database(&self) -> Database {
        Database::builder().set_cache_size(16 << 20).create_with_backend(self.clone()).unwrap()
    }
}

/// Noon of some day.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct TestCell {
    pub(crate) state: State,
    pub(crate) memory: Memory,
    pub(crate) log: Vec<(LogPosition, Batch)>,
    pub(crate) effects: Vec<Effect>,
    now: Timestamp,
    mids: u128,
}

impl TestCell {
    /// Founded, with the whole key space.
    pub(crate) fn new() -> Self {
        let mut cell = Self::unfounded();
        assert_eq!(cell.apply(founding(vec![(KeyRange::ALL, Epoch::new(1))])), Reply::Done);
        cell.effects.clear();
        cell
    }

    /// Founded, and owner only of what these users' keys are.
    pub(crate) fn owning(users: &[&str]) -> Self {
        let mut cell = Self::unfounded();
        let ranges = users.iter().map(|id| {
            let key = user(id).placement();
            (KeyRange::new(key, u128::from(key.get()) + 1).unwrap(), Epoch::new(1))
        });
        assert_eq!(cell.apply(founding(ranges.collect())), Reply::Done);
        cell.effects.clear();
        cell
    }

    pub(crate) fn unfounded() -> Self {
        let memory = Memory::default();
        let state = State::open(memory.database()).unwrap();
        Self { state, memory, log: Vec::new(), effects: Vec::new(), now: START, mids: 0 }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    pub(crate) fn try_apply(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        let at = position(self.log.last().map_or(1, |(at, _)| at.index + 1));
        let batch = Batch { stamp: self.now, commands };
        self.log.push((at, batch.clone()));
        self.state.apply(at, &batch, &mut self.effects)
    }

    pub(crate) fn apply(&mut self, command: impl Into<Command>) -> Reply {
        self.try_apply(vec![command.into()]).unwrap().remove(0)
    }

    /// A message with a fresh id, not sent yet.
    pub(crate) fn message(&mut self, from: &str, to: &str, text: &str) -> SendMessage {
        self.mids += 1;
        SendMessage {
            sender: user(from),
            to: Recipient::User(user(to)),
            mid: MessageId::from_u128(self.mids),
            body: body(text),
            after: None,
        }
    }

    pub(crate) fn send(&mut self, from: &str, to: &str, text: &str) -> Reply {
        let send = self.message(from, to, text);
        self.apply(Command::Send(send))
    }

    pub(crate) fn send_many(&mut self, from: &str, to: &str, count: u64) {
        let commands = (0..count).map(|n| Command::Send(self.message(from, to, &n.to_string()))).collect();
        self.try_apply(commands).unwrap();
    }

    pub(crate) fn read(&mut self, reader: &str, with: &str, upto: u64) -> Reply {
        self.apply(MarkRead { reader: user(reader), conversation: direct(reader, with), upto: Cseq::new(upto) })
    }

    pub(crate) fn ack(&mut self, id: &str, device: &str, useq: u64) -> Reply {
        let ack = DeviceAck { user: user(id), device: device.parse().unwrap(), acked: Useq::new(useq) };
        self.apply(Acknowledge { devices: vec![ack] })
    }

    /// Sweeps everything once.
    pub(crate) fn sweep(&mut self) {
        let mut from = Vec::new();
        loop {
            let Reply::Swept { next } = self.apply(Sweep { from, entities_max: 100 }) else { panic!("not swept") };
            if next.is_empty() {
                return;
            }
            from = next;
        }
    }

    pub(crate) fn set(&mut self, setting: Setting) -> Reply {
        self.apply(Command::ChangeSetting(setting))
    }

    /// What happened since this was asked last: mailbox entries as `alice 2: message 1 hello`.
    pub(crate) fn take_effects(&mut self) -> Vec<String> {
        let names: Vec<_> = ["alice", "bob", "carol", "dave"].iter().map(|id| (user(id).key(), *id)).collect();
        let name = |key: &UserKey| names.iter().find(|(known, _)| known == key).map_or("somebody", |(_, id)| id);
        std::mem::take(&mut self.effects)
            .iter()
            .map(|effect| match effect {
                Effect::Appended { user, useq, entry } => format!("{} {useq}: {}", name(user), words(entry)),
                Effect::Trimmed { user, floor } => format!("{} trimmed to {floor}", name(user)),
                Effect::CellChanged => "cell changed".to_owned(),
                Effect::KeyringChanged => "keyring changed".to_owned(),
            })
            .collect()
    }

    /// The mailbox after the floor.
    pub(crate) fn mailbox(&self, id: &str) -> Vec<String> {
        let floor = self.state.tables.users.get(&user(id).key()).unwrap().map_or(Useq::ZERO, |user| user.floor);
        self.mailbox_after(id, floor.get()).expect("the floor itself is covered")
    }

    /// None if it was trimmed.
    pub(crate) fn mailbox_after(&self, id: &str, after: u64) -> Option<Vec<String>> {
        match self.state.mailbox(&user(id), Useq::new(after), usize::MAX, usize::MAX).unwrap() {
            MailboxPage::Entries(entries) => {
                Some(entries.iter().map(|(useq, entry)| format!("{useq}: {}", words(entry))).collect())
            }
            MailboxPage::Trimmed => None,
        }
    }

    /// A page of the conversation of two, as `1 hello`.
    pub(crate) fn page(&self, asker: &str, with: &str, page: HistoryPage, limit: usize) -> History {
        self.state.history(&user(asker), direct(asker, with), page, limit, usize::MAX).unwrap().unwrap()
    }

    pub(crate) fn messages(&self, one: &str, other: &str) -> Vec<String> {
        let page = self.page(one, other, HistoryPage::After(Cseq::ZERO), usize::MAX);
        page.messages.iter().map(message_words).collect()
    }

    pub(crate) fn open(&self, id: &str, cursor: Option<(u64, u64)>) -> Opening {
        let cursor = cursor.map(|(ep, useq)| Cursor { ep: HistoryEpoch::new(ep), useq: Useq::new(useq) });
        self.state.open_session(&user(id), cursor).unwrap().unwrap()
    }

    pub(crate) fn checkpoint(&mut self) {
        let checkpoint = self.state.begin_checkpoint().expect("none is under way");
        checkpoint.write().unwrap();
        self.state.end_checkpoint(checkpoint);
    }

    /// Loses what is not durable, and replays the log from there.
    pub(crate) fn crash_and_replay(&mut self) {
        // The old database first lets go of the disk.
        self.state = State::open(Memory::default().database()).unwrap();
        self.state = State::open(self.memory.database()).unwrap();
        let durable = self.state.durable().0.map_or(0, |at| at.index);
        for (at, batch) in self.log.iter().filter(|(at, _)| at.index > durable) {
            self.state.apply(*at, batch, &mut Vec::new()).unwrap();
        }
    }

    /// Every row of the state, after a checkpoint.
    pub(crate) fn dump(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.checkpoint();
        rows(&self.state.snapshot().unwrap(), usize::MAX)
    }
}

/// All rows of a snapshot, read in pieces.
pub(crate) fn rows(snapshot: &SnapshotReader, bytes_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let chunk = snapshot.chunk(after.as_deref(), bytes_max).unwrap();
        rows.extend(chunk.rows);
        match chunk.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

pub(crate) fn body(text: &str) -> Body {
    Body::from_checked(Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) fn direct(one: &str, other: &str) -> ConversationId {
    ConversationId::direct(&user(one), &user(other))
}

pub(crate) fn position(index: u64) -> LogPosition {
    LogPosition { term: 1, node: NodeId::new(1), index }
}

pub(crate) fn founding(ranges: Vec<(KeyRange, Epoch)>) -> Command {
    let cell: CellName = "c0".parse().unwrap();
    let founder = |n: u32| (ReplicaName::in_cell(&cell, n), VolumeId::new(n.into()), NodeId::new(u64::from(n) + 1));
    Command::Found(Found {
        cluster: "test".parse().unwrap(),
        cell: cell.clone(),
        incarnation: Incarnation::new(1),
        ranges,
        founders: (0..3).map(founder).collect(),
        voters: 3,
    })
}

pub(crate) fn sent(cseq: u64) -> impl PartialEq<Reply> + std::fmt::Debug {
    ExpectedSent { cseq, again: false }
}

pub(crate) fn sent_again(cseq: u64) -> impl PartialEq<Reply> + std::fmt::Debug {
    ExpectedSent { cseq, again: true }
}

pub(crate) fn rejected(rejection: Rejection) -> Reply {
    Reply::Rejected(rejection)
}

#[derive(Debug)]
struct ExpectedSent {
    cseq: u64,
    again: bool,
}

impl PartialEq<Reply> for ExpectedSent {
    fn eq(&self, reply: &Reply) -> bool {
        matches!(reply, Reply::Sent { cseq, again, .. } if cseq.get() == self.cseq && *again == self.again)
    }
}

fn words(entry: &MailboxEntry) -> String {
    match &entry.kind {
        MailboxKind::Conversation { with, .. } => format!("conversation with {with}"),
        MailboxKind::Message { message, .. } => format!("message {}", message_words(message)),
        MailboxKind::Read { user, upto, .. } => format!("{user} read {upto}"),
        MailboxKind::Delivered { user, upto, .. } => format!("{user} got {upto}"),
    }
}

fn message_words(message: &Message) -> String {
    format!("{} {:?}", message.cseq, message.body.as_ref().expect("not deleted"))
}

macro_rules! into_command {
    ($($name:ident),*) => {$(
        impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        }
    )*};
}
into_command!(Found, MarkRead, Acknowledge, Sweep, Activate, CompareDigest, RegisterVolume, ReportBoot, RetireNode);
