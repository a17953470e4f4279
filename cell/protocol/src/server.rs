//! What a server says, as data.

use cell_types::{
    Body, ConversationId, ConversationKind, Cseq, Eseq, HistoryEpoch, MessageId, Timestamp, Useq, UserId,
};
use serde::{Deserialize, Serialize};

use crate::error::ErrorFrame;

/// One JSON object from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFrame {
    /// `{}` when idle.
    KeepAlive,
    Welcome(Welcome),
    Snapshot(Snapshot),
    Event(Event),
    Live {
        head: Useq,
    },
    Answer {
        id: u32,
        answer: Answer,
    },
    Error(ErrorFrame),
    GoAway {
        after_ms: u64,
        url: Option<String>,
        why: Option<String>,
    },
    /// A kind of frame that this version does not know; clients skip it.
    Unknown,
}

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub user: UserId,
    pub session: String,
    pub resume_token: String,
    /// Opaque text to clients.
    pub ep: String,
    pub head: Useq,
    /// Why the cursor was not honoured; `None` when it was (`"resumed":true`).
    pub fresh: Option<WhyFresh>,
    pub heartbeat_ms: u64,
    pub limits: Limits,
    pub now: Timestamp,
}

/// The limits that `welcome` announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of one WebSocket message from a client.
    pub frame: u64,
    /// Bytes of a message's body.
    pub body: u64,
    /// Unanswered commands.
    pub inflight: u64,
    /// Unacked events.
    pub window: u64,
}

/// Why a session starts from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhyFresh {
    New,
    Trimmed,
    Epoch,
    Ahead,
}

/// The state as of `at`; replay goes on from `at` + 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub at: Useq,
    pub conversations: Vec<ConversationView>,
    /// Cursor for `convs`.
    pub next: Option<String>,
}

/// A conversation as its member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    pub id: ConversationId,
    pub kind: ConversationKind,
    /// The other user of a direct conversation; oneself in a chat with oneself.
    pub with: Option<UserId>,
    pub name: Option<String>,
    pub members: Option<u32>,
    pub head: Cseq,
    pub read: Cseq,
    /// Oldest first.
    pub last: Vec<MessageView>,
}

impl ConversationView {
    /// `head` - `read`.
    pub fn unread(&self) -> u64 {
        self.head.get().saturating_sub(self.read.get())
    }
}

/// A message as a member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    pub conversation: ConversationId,
    pub cseq: Cseq,
    pub from: UserId,
    /// Absent on messages older than the dedupe window.
    pub mid: Option<MessageId>,
    pub ts: Timestamp,
    /// Absent when deleted.
    pub body: Option<Body>,
    /// Above 0 after edits and deletion.
    pub rev: u32,
    pub deleted: bool,
}

/// A mailbox entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub useq: Useq,
    /// How many numbers it stands for, ending in `useq`; at least 1.
    pub covers: u64,
    pub kind: EventKind,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    Message(MessageView),
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
    Conversation(ConversationView),
    /// A kind that this version does not know; clients ack and skip it.
    Unknown,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// `ok` to a send.
    Sent {
        conversation: ConversationId,
        cseq: Cseq,
        ts: Timestamp,
        again: bool,
    },
    /// `ok` without fields.
    Done,
    Page {
        conversation: ConversationId,
        /// Ascending `cseq`.
        messages: Vec<MessageView>,
        more: PageMore,
    },
    Conversations {
        conversations: Vec<ConversationView>,
        next: Option<String>,
    },
    Pong {
        now: Timestamp,
    },
}

/// Whether there is more than a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageMore {
    /// In the asked direction.
    OneWay(bool),
    Around {
        before: bool,
        after: bool,
    },
    /// For `since`: the event number to go on from.
    Since {
        more: bool,
        eseq: Eseq,
    },
}

/// The opaque `ep` of a cursor.
pub fn ep_text(ep: HistoryEpoch) -> String {
    ep.to_string()
}
