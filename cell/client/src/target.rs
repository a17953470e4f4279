//! Where a message goes.

use cell_protocol::Target;
use cell_types::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

/// A user (the direct conversation with them) or a conversation. Order is kept among the sends to one target as it was
/// named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SendTarget {
    #[serde(rename = "user")]
    User(UserId),
    #[serde(rename = "conv")]
    Conversation(ConversationId),
}

impl From<UserId> for SendTarget {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<ConversationId> for SendTarget {
    fn from(conversation: ConversationId) -> Self {
        Self::Conversation(conversation)
    }
}

impl From<SendTarget> for Target {
    fn from(target: SendTarget) -> Self {
        match target {
            SendTarget::User(user) => Self::User(user),
            SendTarget::Conversation(conversation) => Self::Conversation(Ok(conversation)),
        }
    }
}
