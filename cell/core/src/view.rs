//! Data that the core shows to the shell: mailbox entries, snapshots, pages, settings, registry.

use cell_types::{
    Body, BootCount, CellName, ClusterId, ConversationId, Cseq, Epoch, Eseq, HistoryEpoch, Incarnation, KeyRange,
    MessageId, NodeId, ReplicaName, Timestamp, Useq, UserId, VolumeId,
};
use serde::{Deserialize, Serialize};

/// A message as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub cseq: Cseq,
    /// The event that made it.
    pub eseq: Eseq,
    pub sender: UserId,
    /// Absent on messages older than the dedupe window.
    pub mid: Option<MessageId>,
    pub ts: Timestamp,
    /// Absent when deleted.
    pub body: Option<Body>,
    /// 0, and 1 more for each edit or deletion.
    pub revision: u32,
}

/// One entry of a user's mailbox; its `useq` is its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxEntry {
    /// Log time when it was appended.
    pub at: Timestamp,
    pub kind: MailboxKind,
}

/// What changed in the user's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailboxKind {
    /// The user is in a conversation that was not there before; precedes its first message.
    Conversation {
        conversation: ConversationId,
        with: UserId,
    },
    Message {
        conversation: ConversationId,
        message: Message,
    },
    Read {
        conversation: ConversationId,
        user: UserId,
        upto: Cseq,
    },
    Delivered {
        conversation: ConversationId,
        user: UserId,
        upto: Cseq,
    },
}

/// A conversation as its member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    pub id: ConversationId,
    /// The other user, or oneself in a chat with oneself.
    pub with: UserId,
    pub head: Cseq,
    pub read: Cseq,
    /// What the member's own home holds, oldest first.
    pub last: Vec<Message>,
}

/// How a session of a device starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The cursor is honoured: go on after it.
    Resumed { ep: HistoryEpoch, head: Useq },
    /// From a snapshot: go on after `at`.
    Fresh { ep: HistoryEpoch, head: Useq, why: Why, snapshot: ConversationPage, at: Useq },
}

/// Why a cursor was not honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    New,
    Trimmed,
    Epoch,
    Ahead,
}

/// Conversations by activity, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationPage {
    pub conversations: Vec<ConversationSummary>,
    /// Continues after the last of these; none at the end.
    pub next: Option<Useq>,
}

/// Entries of a mailbox in `useq` order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxPage {
    Entries(Vec<(Useq, std::sync::Arc<MailboxEntry>)>),
    /// The cursor lies below the floor.
    Trimmed,
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryPage {
    Newest,
    Before(Cseq),
    After(Cseq),
    Around(Cseq),
    Since(Eseq),
}

/// A page of history, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub messages: Vec<Message>,
    /// Older ones than the first exist.
    pub more_before: bool,
    /// Newer ones than the last exist (for `Since`: more changes).
    pub more_after: bool,
    /// For `Since`: the event number to go on from.
    pub eseq: Eseq,
}

/// A replicated setting: it changes outcomes, so it travels in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// Voters of the cell: 1, 3 or 5.
    Voters(u32),
    /// The newest entries of a mailbox that stay, acked or not.
    MailboxKeepEntries(u64),
    /// Entries younger than this stay, acked or not.
    MailboxKeepMillis(u64),
    /// Entries older than this go, acked or not.
    MailboxExpireMillis(u64),
    /// A mailbox never keeps more entries than this.
    MailboxEntriesMax(u64),
    /// A device unseen for this long is forgotten.
    DeviceForgetMillis(u64),
    /// Dedupe entries older than this go.
    DedupeKeepMillis(u64),
    /// Dedupe entries kept per sender and conversation.
    DedupeKeepEntries(u64),
}

/// All replicated settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub voters: u32,
    pub mailbox_keep_entries: u64,
    pub mailbox_keep_millis: u64,
    pub mailbox_expire_millis: u64,
    pub mailbox_entries_max: u64,
    pub device_forget_millis: u64,
    pub dedupe_keep_millis: u64,
    pub dedupe_keep_entries: u64,
    /// The `ep` of users that are seen for the first time.
    pub history_epoch: HistoryEpoch,
    /// The behaviour that every replica follows ([`crate::record::Activate`]).
    pub version: u32,
}

/// Who this cell is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
}

/// What the cell knows of its replicas, present and past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub node: NodeId,
    pub replica: ReplicaName,
    pub volume: VolumeId,
    /// The highest boot count reported.
    pub boot: BootCount,
    /// Left the membership for ever.
    pub retired: bool,
}

/// A range this cell owns.
pub type OwnedRange = (KeyRange, Epoch);

/// A key that signs resume tokens (Ed25519). Replicated inside the cell; only public halves leave it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    pub id: u32,
    pub secret: [u8; 32],
    pub public: [u8; 32],
    /// Signs from here on.
    pub from: Timestamp,
    /// Verifies until here.
    pub until: Timestamp,
}

impl std::fmt::Debug for SigningKey {
    /// Leaves the secret half out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, secret: _, public: _, from, until } = self;
        f.debug_struct("SigningKey").field("id", id).field("from", from).field("until", until).finish_non_exhaustive()
    }
}

/// What the state holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Rows that changed since the last checkpoint began.
    pub rows_changed: usize,
    /// Rows kept from before, as a cache.
    pub rows_clean: usize,
    /// Bytes of the commands behind them, roughly: what these rows take is two to four times that.
    pub bytes_changed: u64,
    pub bytes_clean: u64,
}
