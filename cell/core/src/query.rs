//! Reads of the applied state: deterministic, and bounded by count and bytes. One file per question.
//!
//! The outer `Result` says that this replica is broken, the inner one that the asker is refused.

mod conversations;
mod history;
mod mailbox;
mod session;

use crate::view::Message;

/// What surrounds a body in a frame: names of fields, ids, numbers.
const MESSAGE_OVERHEAD: usize = 256;

/// Bytes of a message in a frame, rather too many than too few (a quote in a user id is escaped).
fn frame_bytes(message: &Message) -> usize {
    let body = message.body.as_ref().map_or(0, |body| body.as_bytes().len());
    body + 2 * message.sender.as_str().len() + MESSAGE_OVERHEAD
}
