//! The protocol's numbers, each with its reason.

/// Bytes of one WebSocket message from a client, fragments together: a body of the largest size and its envelope, escaped.
pub const FRAME_LEN_MAX: usize = 131_072;

/// Bytes of a message's body: larger things belong into an object store, with a link in the body.
pub const BODY_LEN_MAX: usize = 65_536;

/// Levels of arrays and objects in a body: parsers recurse.
pub const BODY_DEPTH_MAX: usize = 32;

/// Bytes of a `conv`: room for other forms than today's 34 characters.
pub const CONVERSATION_ID_LEN_MAX: usize = 64;

/// Bytes of a cursor's `ep`, which a client sends back as it got it.
pub const EP_LEN_MAX: usize = 64;

/// Bytes of the cursor of `convs`: a position in a list, made by a server.
pub const CURSOR_LEN_MAX: usize = 256;

/// Unanswered commands of one connection: what a gateway holds for it in memory.
pub const INFLIGHT_MAX: usize = 64;

/// Unacked events of one connection.
pub const WINDOW_EVENTS_MAX: u64 = 512;

/// Unacked bytes of one connection.
pub const WINDOW_BYTES_MAX: usize = 1 << 20;

/// Server frames stay under this many bytes.
pub const SERVER_FRAME_LEN_MAX: usize = 1 << 20;

/// Malformed frames in a row that close a connection.
pub const MALFORMED_IN_A_ROW_MAX: u32 = 10;

/// Messages of a history page.
pub const HISTORY_LIMIT_MAX: u64 = 100;
/// Messages of a history page when the client names no number.
pub const HISTORY_LIMIT_DEFAULT: u64 = 50;

/// Conversations of a `convs` page.
pub const CONVERSATIONS_LIMIT_MAX: u64 = 100;
/// Conversations of a `convs` page when the client names no number.
pub const CONVERSATIONS_LIMIT_DEFAULT: u64 = 20;

/// Conversations in a snapshot.
pub const SNAPSHOT_CONVERSATIONS_MAX: usize = 20;

/// Messages in a conversation's `last`.
pub const LAST_MESSAGES_MAX: usize = 15;

/// The protocol version that `hello` names.
pub const VERSION: u32 = 1;

/// WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// Path of the WebSocket endpoint.
pub const WEBSOCKET_PATH: &str = "/v1/ws";
