//! What an application hears from its client.

use std::time::Duration;

use cell_protocol::{ConversationView, MessageView, Snapshot, WhyFresh};
use cell_types::{ConversationId, Cseq, MessageId, UserId};

use crate::error::SendFailure;
use crate::target::SendTarget;

/// One thing that happened. What comes from the mailbox comes in its order, each entry once, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// A server said welcome; what was missed follows, then [`ClientEvent::Live`].
    Connected { user: UserId },
    /// The connection is gone or did not come about; the next attempt starts after this long.
    Reconnecting { after: Duration, why: String },
    /// Everything that was missed has been shown.
    Live,
    /// Forget what was shown so far and start from this state; later events go on from it.
    Reset { why: WhyFresh, snapshot: Snapshot },
    /// A message in one of the user's conversations, one's own included (known by its `mid`).
    Message(MessageView),
    /// One of this user's devices has everything up to here.
    Delivered { conversation: ConversationId, user: UserId, upto: Cseq },
    /// This user has read everything up to here.
    Read { conversation: ConversationId, user: UserId, upto: Cseq },
    /// A conversation was made or changed.
    Conversation(ConversationView),
    /// This send will not be tried again; it left the outbox.
    SendFailed { mid: MessageId, to: SendTarget, why: SendFailure },
    /// Another connection of the same user and device took this one's place. The client has stopped.
    Replaced,
    /// The client has stopped; unanswered sends stay in the outbox.
    Stopped { why: StopReason },
}

/// Why a client stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    #[error("another connection of the same device took this one's place")]
    Replaced,
    #[error("the server refused the token: {message}")]
    TokenRefused { message: String },
    /// A close code of the class 44xx.
    #[error("the server closed the connection for good with code {code}")]
    Refused { code: u16 },
    /// The token or the stored outbox belongs to somebody else.
    #[error("the session is for user {got}, not for {expected}")]
    WrongUser { expected: UserId, got: UserId },
    /// Without a durable outbox nothing may be sent.
    #[error("the outbox failed: {message}")]
    Store { message: String },
    #[error("the application closed the client")]
    Closed,
}
