//! What a client says: one JSON object, as data.

use cell_types::{Body, ConversationId, Cseq, DeviceId, Eseq, MessageId, Useq, UserId};

/// One JSON object from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFrame {
    /// `"a"` on any frame, or the `u` of an `ack`: this device has everything up to here.
    pub ack: Option<Useq>,
    pub message: ClientMessage,
}

/// What the object asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// `{}`, or an object without `t`: traffic, nothing else.
    KeepAlive,
    /// `{"t":"ack"}`; its number is in [`ClientFrame::ack`].
    Ack,
    Hello(Hello),
    Command {
        id: u32,
        command: Command,
    },
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub version: u32,
    pub device: DeviceId,
    /// A JWT or a resume token.
    pub token: String,
    pub resume: Option<Resume>,
}

/// The cursor as a client says it: `ep` is opaque text, which may be none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    pub ep: String,
    pub useq: Useq,
}

/// A command; gets exactly one answer with its `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Send { to: Target, mid: MessageId, body: Body, after: Option<MessageId> },
    History { conversation: ConversationRef, page: Page, limit: Option<u64> },
    Conversations { cursor: Option<String>, limit: Option<u64> },
    Read { conversation: ConversationRef, upto: Cseq },
    Ping,
}

/// A conversation as a client names it. Text that no server made names no conversation: `err 404`.
pub type ConversationRef = Result<ConversationId, NoSuchConversation>;

/// The text was well-formed but is no conversation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchConversation;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    User(UserId),
    Conversation(ConversationRef),
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Newest,
    Before(Cseq),
    After(Cseq),
    Around(Cseq),
    /// Messages that are new or changed after this event.
    Since(Eseq),
}
