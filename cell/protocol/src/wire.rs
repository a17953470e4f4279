//! The JSON shapes of messages and conversations, as a client reads them.

use bytes::Bytes;
use cell_types::{Body, ConversationId, ConversationKind, Cseq, MessageId, Timestamp, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::server::{ConversationView, MessageView};

#[derive(Deserialize)]
pub(crate) struct MessageWire<'a> {
    conv: ConversationId,
    cseq: Cseq,
    from: UserId,
    mid: Option<MessageId>,
    ts: Timestamp,
    #[serde(borrow, default, deserialize_with = "present")]
    body: Option<&'a RawValue>,
    #[serde(default)]
    rev: u32,
    #[serde(default)]
    deleted: bool,
}

/// Unlike serde's own `Option`, keeps `null`: it is a body like any other.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl From<MessageWire<'_>> for MessageView {
    fn from(wire: MessageWire<'_>) -> Self {
        let MessageWire { conv, cseq, from, mid, ts, body, rev, deleted } = wire;
        // The server checked the body when it took it.
        let body = body.map(|raw| Body::from_checked(Bytes::copy_from_slice(raw.get().as_bytes())));
        Self { conversation: conv, cseq, from, mid, ts, body, rev, deleted }
    }
}

#[derive(Deserialize)]
pub(crate) struct ConversationWire<'a> {
    conv: ConversationId,
    kind: ConversationKind,
    with: Option<UserId>,
    name: Option<String>,
    members: Option<u32>,
    head: Cseq,
    read: Cseq,
    #[serde(borrow, default)]
    last: Vec<MessageWire<'a>>,
}

impl From<ConversationWire<'_>> for ConversationView {
    fn from(wire: ConversationWire<'_>) -> Self {
        let ConversationWire { conv, kind, with, name, members, head, read, last } = wire;
        Self { id: conv, kind, with, name, members, head, read, last: last.into_iter().map(Into::into).collect() }
    }
}
