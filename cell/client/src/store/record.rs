//! The records of a store, and the state that they add up to.

use std::collections::VecDeque;

use cell_protocol::Resume;
use cell_types::{Body, MessageId, Timestamp, Useq, UserId};
use serde::{Deserialize, Serialize};

use crate::target::SendTarget;

/// One change of what a client keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Whose outbox this is.
    User(UserId),
    /// Entered the outbox.
    Send(SavedSend),
    /// Went out for the first time.
    Tried { mid: MessageId, at: Timestamp },
    /// Answered or given up: left the outbox.
    Done(MessageId),
    /// The application has everything up to here.
    Cursor(Resume),
}

impl Record {
    /// Whether it must be on disk before anything that follows from it may happen.
    pub(crate) fn must_be_synced(&self) -> bool {
        match self {
            Self::User(_) | Self::Send(_) | Self::Tried { .. } => true,
            // Lost, they cost a repeat that the server or the client recognises.
            Self::Done(_) | Self::Cursor(_) => false,
        }
    }
}

/// An unanswered send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSend {
    pub mid: MessageId,
    pub to: SendTarget,
    pub body: Body,
    /// When it first went out; `None`: never yet.
    pub tried: Option<Timestamp>,
}

/// The state that records add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    pub user: Option<UserId>,
    pub cursor: Option<Resume>,
    /// In the order in which they are to be sent.
    pub sends: VecDeque<SavedSend>,
}

impl Saved {
    /// Takes one record in.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::User(user) => self.user = Some(user.clone()),
            Record::Send(send) => self.sends.push_back(send.clone()),
            Record::Tried { mid, at } => {
                if let Some(send) = self.sends.iter_mut().find(|send| send.mid == *mid) {
                    send.tried.get_or_insert(*at);
                }
            }
            Record::Done(mid) => {
                if let Some(at) = self.sends.iter().position(|send| send.mid == *mid) {
                    self.sends.remove(at);
                }
            }
            Record::Cursor(cursor) => self.cursor = Some(cursor.clone()),
        }
    }

    /// The fewest records that add up to this state.
    pub fn to_records(&self) -> Vec<Record> {
        let user = self.user.iter().cloned().map(Record::User);
        let cursor = self.cursor.iter().cloned().map(Record::Cursor);
        user.chain(cursor).chain(self.sends.iter().cloned().map(Record::Send)).collect()
    }
}

/// The JSON of a record.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<(String, Useq)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<(MessageId, Timestamp)>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    send: Option<SendWire<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SendWire<'a> {
    mid: MessageId,
    to: SendTarget,
    tried: Option<Timestamp>,
    #[serde(borrow)]
    body: &'a serde_json::value::RawValue,
}

impl<'a> RecordWire<'a> {
    /// `None` for a body that is no JSON, which no checked body is.
    pub(super) fn new(record: &'a Record) -> Option<Self> {
        let mut wire = Self { user: None, cursor: None, done: None, tried: None, send: None };
        match record {
            Record::User(user) => wire.user = Some(user.clone()),
            Record::Cursor(cursor) => wire.cursor = Some((cursor.ep.clone(), cursor.useq)),
            Record::Done(mid) => wire.done = Some(*mid),
            Record::Tried { mid, at } => wire.tried = Some((*mid, *at)),
            Record::Send(SavedSend { mid, to, body, tried }) => {
                let body = serde_json::from_slice(body.as_bytes()).ok()?;
                wire.send = Some(SendWire { mid: *mid, to: to.clone(), tried: *tried, body });
            }
        }
        Some(wire)
    }

    /// `None` for a kind that this version does not know.
    pub(super) fn into_record(self) -> Option<Record> {
        match self {
            Self { user: Some(user), .. } => Some(Record::User(user)),
            Self { cursor: Some((ep, useq)), .. } => Some(Record::Cursor(Resume { ep, useq })),
            Self { done: Some(mid), .. } => Some(Record::Done(mid)),
            Self { tried: Some((mid, at)), .. } => Some(Record::Tried { mid, at }),
            Self { send: Some(SendWire { mid, to, tried, body }), .. } => {
                let body = Body::from_checked(bytes::Bytes::copy_from_slice(body.get().as_bytes()));
                Some(Record::Send(SavedSend { mid, to, body, tried }))
            }
            _ => None,
        }
    }
}
