//! What a gateway and a session's home say to each other. Typed data: the server carries it between processes.

use std::fmt;

use cell_protocol::{Answer, ErrorCode, Event, Snapshot, WhyFresh};
use cell_types::{
    Body, ConversationId, Cseq, Cursor, DeviceId, Eseq, HistoryEpoch, MessageId, PlacementKey, Timestamp, Useq, UserId,
};
use serde::{Deserialize, Serialize};

/// A session in this process: unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// A command of a session: grows by one with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Follows one command through gateway, leader and apply, in the logs of all of them (at level debug): the random
/// number of its connection, then its request. Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceId(pub u64, pub RequestId);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1.0)
    }
}

/// From a session to a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHome {
    /// Subscribes, or re-subscribes after the home changed its leader. Answered by [`FromHome::Opened`].
    Open(Open),
    /// The device has everything up to here.
    Acknowledge { session: SessionId, upto: Useq },
    /// Answered by [`FromHome::Answered`] with the same request.
    Command { session: SessionId, trace: TraceId, request: RequestId, user: UserId, command: HomeCommand },
    /// The connection ended.
    Close { session: SessionId },
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub session: SessionId,
    pub user: UserId,
    pub device: DeviceId,
    /// When the gateway took the `hello`: of two sessions of one device the later wins, whoever re-subscribes last.
    pub hello_at: Timestamp,
    /// Breaks ties of `hello_at`; random per connection.
    pub hello_nonce: u64,
    /// Grows with each `Open` of this session; its [`Opened`] repeats it, so that a late answer to an earlier one is
    /// known as such.
    pub attempt: u32,
    pub from: OpenFrom,
}

/// Where a subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenFrom {
    /// A new connection without a cursor.
    Nothing,
    /// A new connection with the client's cursor; it acks.
    Cursor(Cursor),
    /// A `resume.ep` that no server made.
    ForeignCursor,
    /// A connection that goes on: the client was sent everything up to `sent` and has acked up to `acked`.
    Sent { ep: HistoryEpoch, sent: Useq, acked: Useq },
}

/// A command that the home of a user or of a conversation carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomeCommand {
    Send {
        to: HomeTarget,
        mid: MessageId,
        body: Body,
        after: Option<MessageId>,
    },
    History {
        conversation: ConversationId,
        page: HomePage,
        limit: u32,
    },
    /// `after` is the place where the last page ended.
    Conversations {
        after: Option<Useq>,
        limit: u32,
    },
    Read {
        conversation: ConversationId,
        upto: Cseq,
    },
}

impl HomeCommand {
    /// Whose home carries it out: the conversation's, or the user's own.
    pub fn placement(&self, user: &UserId) -> PlacementKey {
        match self {
            Self::Send { to: HomeTarget::User(other), .. } => ConversationId::direct(user, other).home(),
            Self::Send { to: HomeTarget::Conversation(id), .. } => id.home(),
            Self::History { conversation, .. } | Self::Read { conversation, .. } => conversation.home(),
            Self::Conversations { .. } => user.placement(),
        }
    }
}

/// The text of a `convs` cursor, which is opaque to clients: the place where the last page ended.
pub fn conversations_cursor(after: Useq) -> String {
    after.to_string()
}

/// Reads what [`conversations_cursor`] wrote; `None` for text that no server made.
pub fn parse_conversations_cursor(text: &str) -> Option<Useq> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().map(Useq::new)
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomeTarget {
    User(UserId),
    Conversation(ConversationId),
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomePage {
    Newest,
    Before(Cseq),
    After(Cseq),
    Around(Cseq),
    Since(Eseq),
}

/// From a home to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromHome {
    Opened(Opened),
    /// In `useq` order without gaps, starting after what was sent before. Counted against the window by the home.
    Events {
        session: SessionId,
        events: Vec<Event>,
    },
    Answered {
        session: SessionId,
        request: RequestId,
        result: Result<Answer, HomeError>,
    },
    /// A later `hello` of the same device: close 4105.
    Replaced {
        session: SessionId,
    },
    /// The cursor fell below the mailbox's floor: close 4301.
    Trimmed {
        session: SessionId,
    },
    /// The home could not open the session now; the session asks again after a short while.
    NotNow {
        session: SessionId,
    },
}

impl FromHome {
    pub fn session(&self) -> SessionId {
        match self {
            Self::Opened(Opened { session, .. })
            | Self::Events { session, .. }
            | Self::Answered { session, .. }
            | Self::Replaced { session }
            | Self::Trimmed { session }
            | Self::NotNow { session } => *session,
        }
    }
}

/// A subscription is open; events follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub session: SessionId,
    /// The [`Open::attempt`] that this answers.
    pub attempt: u32,
    pub ep: HistoryEpoch,
    /// Newest entry of the mailbox when the session was opened: `live` comes once it was sent.
    pub head: Useq,
    /// `None`: the cursor is honoured.
    pub fresh: Option<(WhyFresh, Snapshot)>,
}

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeError {
    pub code: ErrorCode,
    pub retry_ms: Option<u64>,
    pub message: String,
    /// The home refused without doing anything, because it is not (or no longer) the leader or the owner: ask again
    /// where the home is now, within the command's deadline.
    pub elsewhere: bool,
}

/// The way to homes: routes by placement key to the leader of the owning cell.
pub trait Homes: Send + Sync + 'static {
    /// Hands a message over, in order per placement key; never blocks. A message that cannot be delivered is answered
    /// by a reset of the session ([`crate::Gateway::reset`]) once the home is reachable again.
    fn send(&self, key: PlacementKey, message: ToHome);
}
