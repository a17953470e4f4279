//! What the rows hold, one file per kind. The kinds' numbers and the order of fields are the storage format.

mod bucket;
mod conversation;
mod event;
mod mailbox;
mod member;
mod message;
mod outbox;
mod signing_key;
mod user;

pub(crate) use bucket::{Bucket, BucketKey, Sent};
pub(crate) use conversation::Conversation;
pub(crate) use event::{Event, EventBlock, EventBlockKey};
pub(crate) use mailbox::{MailboxBlock, MailboxBlockKey};
pub(crate) use member::{ActivityKey, Member, MemberKey};
pub(crate) use message::{BodyHash, MessageBlock, MessageBlockKey};
pub(crate) use outbox::{Outbox, OutboxKey};
pub(crate) use signing_key::SigningKeyId;
pub(crate) use user::{Device, User};
