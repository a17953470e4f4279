//! What `apply` answers to each command, the same on every replica.

use cell_types::{ConversationId, Cseq, NodeId, Timestamp};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// The message has this number; `again` when it had it before.
    Sent {
        conversation: ConversationId,
        cseq: Cseq,
        ts: Timestamp,
        again: bool,
    },
    Registered {
        node: NodeId,
    },
    /// Where the next sweep goes on; empty at the end of the key space.
    Swept {
        next: Vec<u8>,
    },
    Rejected(Rejection),
}

/// Why a command changed nothing. Every replica reaches it alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("the cell is not founded yet")]
    NotFounded,
    #[error("this cell does not own that key")]
    NotOwner,
    /// Also: the asker is not a member.
    #[error("no such conversation")]
    NoSuchConversation,
    #[error("the same mid was used with another body in this conversation")]
    MidReuse,
    #[error("the message named by `after` is not there yet")]
    OutOfOrder,
    #[error("the cell has as many replicas as it is to have")]
    TooManyReplicas,
    #[error("no such node")]
    NoSuchNode,
    #[error("this replica was replaced")]
    NodeRetired,
    #[error("a setting is out of its bounds")]
    BadSetting,
    #[error("the limit of {0} is reached")]
    LimitReached(&'static str),
}

impl Rejection {
    /// A stable name: goes into the digest, and serves as a metric label.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFounded => "not_founded",
            Self::NotOwner => "not_owner",
            Self::NoSuchConversation => "no_such_conversation",
            Self::MidReuse => "mid_reuse",
            Self::OutOfOrder => "out_of_order",
            Self::TooManyReplicas => "too_many_replicas",
            Self::NoSuchNode => "no_such_node",
            Self::NodeRetired => "node_retired",
            Self::BadSetting => "bad_setting",
            Self::LimitReached(_) => "limit_reached",
        }
    }
}
