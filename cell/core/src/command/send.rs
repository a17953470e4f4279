//! Sending a message: dedupes, assigns the next numbers, fills the mailboxes homed here, and notes what is due elsewhere.

use std::sync::Arc;

use cell_types::{ConversationId, Cseq, Eseq, Timestamp, UserId, UserKey};
use sha2::{Digest, Sha256};

use super::deliver::{Delivery, Taken, deliver};
use crate::record::{Recipient, SendMessage};
use crate::row::{
    BodyHash, Conversation, Event, EventBlock, EventBlockKey, MessageBlock, MessageBlockKey, Outbox, OutboxKey,
};
use crate::tables::{Tables, expect_row};
use crate::view::{MailboxEntry, MailboxKind, Message};
use crate::{Effect, Error, Rejection, Reply, dedupe};

/// A client that saw no answer may send again; the message id makes that harmless.
pub(super) fn send(tables: &mut Tables, effects: &mut Vec<Effect>, send: &SendMessage) -> Result<Reply, Error> {
    let id = match &send.to {
        Recipient::User(other) => ConversationId::direct(&send.sender, other),
        Recipient::Conversation(id) => *id,
    };
    if let Err(rejection) = tables.check_owner(id.home()) {
        return Ok(Reply::Rejected(rejection));
    }
    let hash = body_hash(send);
    if let Some(reply) = refuse_or_repeat(tables, id, send, &hash)? {
        return Ok(reply);
    }
    let stored = store(tables, id, send, hash)?;
    let reply = Reply::Sent { conversation: id, cseq: stored.message.cseq, ts: stored.message.ts, again: false };
    fan_out(tables, effects, id, stored)?;
    Ok(reply)
}

/// The answer, unless the message is to be stored.
fn refuse_or_repeat(
    tables: &Tables,
    id: ConversationId,
    send: &SendMessage,
    hash: &BodyHash,
) -> Result<Option<Reply>, Error> {
    let conversation = tables.conversations.get(&id)?;
    let Some((conversation, place)) = conversation.as_deref().and_then(|c| Some((c, c.place_of(&send.sender)?))) else {
        return Ok(match (&send.to, &conversation, send.after) {
            (Recipient::User(_), None, None) => None,
            (Recipient::User(_), None, Some(_)) => Some(Reply::Rejected(Rejection::OutOfOrder)),
            _ => Some(Reply::Rejected(Rejection::NoSuchConversation)),
        });
    };
    // Before every other check: what was committed once is answered alike for ever, whatever has changed since.
    if let Some(first) = dedupe::find(tables, id, conversation, place, send.mid)? {
        return Ok(Some(if first.hash == *hash {
            Reply::Sent { conversation: id, cseq: first.message.cseq, ts: first.message.ts, again: true }
        } else {
            Reply::Rejected(Rejection::MidReuse)
        }));
    }
    match send.after {
        Some(after) if dedupe::find(tables, id, conversation, place, after)?.is_none() => {
            Ok(Some(Reply::Rejected(Rejection::OutOfOrder)))
        }
        _ => Ok(None),
    }
}

/// A message in its conversation, and whom to tell.
struct Stored {
    message: Message,
    incarnation: u32,
    prev: Eseq,
    /// Member, and whom that member talks with.
    members: Vec<(UserId, UserId)>,
}

/// Numbers the message and puts it into the conversation's tables.
fn store(tables: &mut Tables, id: ConversationId, send: &SendMessage, hash: BodyHash) -> Result<Stored, Error> {
    let ts = tables.position.log_time;
    let conversation = match &send.to {
        Recipient::User(other) => tables.conversations.get_mut_or(&id, || Conversation::direct(&send.sender, other))?,
        Recipient::Conversation(_) => expect_row(tables.conversations.get_mut(&id)?, "conversation")?,
    };
    let place = expect_row(conversation.place_of(&send.sender), "member")?;
    let prev = conversation.eseq;
    let (cseq, eseq) = (conversation.head.next(), prev.next());
    (conversation.head, conversation.eseq) = (cseq, eseq);
    // What one wrote, one has read.
    conversation.participants[place].read = cseq;
    dedupe::insert(&mut tables.dedupe, id, conversation, place, (send.mid, cseq))?;
    let message = message(send, cseq, eseq, ts);
    let members = (0..conversation.participants.len())
        .map(|place| (conversation.participants[place].user.clone(), conversation.peer_of(place).clone()))
        .collect();
    let incarnation = conversation.incarnation;

    let key = MessageBlockKey::of(id, cseq);
    if MessageBlockKey::begins_with(cseq) {
        tables.messages.insert_new(key, MessageBlock::default());
    }
    expect_row(tables.messages.get_mut(&key)?, "message")?.push(Arc::new(message.clone()), hash);
    let (key, event) = (EventBlockKey::of(id, eseq), Event::Message(cseq));
    if EventBlockKey::begins_with(eseq) {
        tables.events.insert_new(key, EventBlock { events: vec![event] });
    } else {
        expect_row(tables.events.get_mut(&key)?, "event")?.events.push(event);
    }
    Ok(Stored { message, incarnation, prev, members })
}

fn message(send: &SendMessage, cseq: Cseq, eseq: Eseq, ts: Timestamp) -> Message {
    Message {
        cseq,
        eseq,
        sender: send.sender.clone(),
        mid: Some(send.mid),
        ts,
        body: Some(send.body.clone()),
        revision: 0,
    }
}

/// Delivers to the mailboxes that are homed here; for the others the outbox says from where they have to catch up.
fn fan_out(tables: &mut Tables, effects: &mut Vec<Effect>, id: ConversationId, stored: Stored) -> Result<(), Error> {
    let Stored { message, incarnation, prev, members } = stored;
    let eseq = message.eseq;
    let at = tables.position.log_time;
    let entry = Arc::new(MailboxEntry { at, kind: MailboxKind::Message { conversation: id, message } });
    for (member, with) in &members {
        let key = member.key();
        if !tables.cell.owns(key.placement) {
            note_outbox(tables, id, key, incarnation, prev)?;
            continue;
        }
        let delivery = Delivery { conversation: id, incarnation, member, key, with, prev, eseq, entry: &entry };
        if let Taken::Only(taken) = deliver(tables, effects, &delivery)? {
            note_outbox(tables, id, key, incarnation, taken)?;
        }
    }
    Ok(())
}

/// The first event that a mailbox does not get at once leaves a row; the ones after it find it there.
fn note_outbox(
    tables: &mut Tables,
    conversation: ConversationId,
    member: UserKey,
    incarnation: u32,
    taken: Eseq,
) -> Result<(), Error> {
    let key = OutboxKey { conversation, member };
    if tables.outboxes.get(&key)?.is_none() {
        tables.outboxes.insert_new(key, Outbox { incarnation, taken });
    }
    Ok(())
}

fn body_hash(send: &SendMessage) -> BodyHash {
    let hash = Sha256::digest(send.body.as_bytes());
    crate::store::key::take(&hash[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::test_cell::*;

    #[test]
    fn a_message_is_numbered_stored_and_put_into_both_mailboxes() {
        let mut cell = TestCell::new();
        assert_eq!(sent(1), cell.send("alice", "bob", "hello"));
        assert_eq!(
            cell.take_effects(),
            [
                "alice 1: conversation with bob",
                "alice 2: message 1 hello",
                "bob 1: conversation with alice",
                "bob 2: message 1 hello"
            ]
        );
        assert_eq!(sent(2), cell.send("bob", "alice", "hi"));
        assert_eq!(cell.take_effects(), ["alice 3: message 2 hi", "bob 3: message 2 hi"]);
        assert_eq!(cell.messages("alice", "bob"), ["1 hello", "2 hi"]);
    }

    #[test]
    fn a_message_has_the_log_time_which_never_goes_back() {
        let mut cell = TestCell::new();
        cell.wait(DAY);
        cell.send("alice", "bob", "one");
        let later = cell.state.log_time();
        let send = Command::Send(cell.message("alice", "bob", "two"));
        let batch = crate::Batch { stamp: START, commands: vec![send] };
        let replies = cell.state.apply(position(9), &batch, &mut Vec::new()).unwrap();
        assert!(matches!(replies[..], [Reply::Sent { ts, .. }] if ts == later));
    }

    #[test]
    fn a_retried_send_is_answered_again_but_stored_once() {
        let mut cell = TestCell::new();
        let send = cell.message("alice", "bob", "hello");
        let Reply::Sent { ts: first, .. } = cell.apply(Command::Send(send.clone())) else { panic!() };
        cell.take_effects();
        cell.wait(DAY);
        let again = cell.apply(Command::Send(send));
        assert!(matches!(again, Reply::Sent { ts, again: true, .. } if ts == first));
        assert!(cell.take_effects().is_empty());
        assert_eq!(cell.messages("alice", "bob"), ["1 hello"]);
    }

    #[test]
    fn the_two_ways_to_name_a_conversation_are_one() {
        let mut cell = TestCell::new();
        let mut send = cell.message("alice", "bob", "hello");
        assert_eq!(sent(1), cell.apply(Command::Send(send.clone())));
        send.to = Recipient::Conversation(direct("alice", "bob"));
        assert_eq!(sent_again(1), cell.apply(Command::Send(send)));
    }

    #[test]
    fn the_same_mid_with_another_body_is_refused_and_before_after_is_looked_at() {
        let mut cell = TestCell::new();
        let mut send = cell.message("alice", "bob", "hello");
        cell.apply(Command::Send(send.clone()));
        send.after = Some(cell.message("alice", "bob", "never sent").mid);
        assert_eq!(sent_again(1), cell.apply(Command::Send(send.clone())));
        send.body = body("hullo");
        assert_eq!(cell.apply(Command::Send(send)), rejected(Rejection::MidReuse));
    }

    #[test]
    fn a_mid_is_the_senders_own_in_one_conversation_only() {
        let mut cell = TestCell::new();
        let alices = cell.message("alice", "bob", "from alice");
        let bobs = SendMessage { mid: alices.mid, ..cell.message("bob", "alice", "from bob") };
        let elsewhere = SendMessage { mid: alices.mid, ..cell.message("alice", "carol", "elsewhere") };
        assert_eq!(sent(1), cell.apply(Command::Send(alices)));
        assert_eq!(sent(2), cell.apply(Command::Send(bobs)));
        assert_eq!(sent(1), cell.apply(Command::Send(elsewhere)));
    }

    #[test]
    fn a_message_after_one_that_is_not_there_is_refused_creates_nothing_and_leaves_its_mid_free() {
        let mut cell = TestCell::new();
        let (first, second) = (cell.message("alice", "bob", "one"), cell.message("alice", "bob", "two"));
        let second = SendMessage { after: Some(first.mid), ..second };
        let nothing = cell.dump();
        assert_eq!(cell.apply(Command::Send(second.clone())), rejected(Rejection::OutOfOrder));
        let bare = |rows: Vec<(Vec<u8>, Vec<u8>)>| rows.into_iter().filter(|(key, _)| key[0] == 1).collect::<Vec<_>>();
        assert_eq!(bare(cell.dump()), bare(nothing));
        assert_eq!(sent(1), cell.apply(Command::Send(first)));
        assert_eq!(sent(2), cell.apply(Command::Send(second)));
    }

    #[test]
    fn after_means_the_senders_own_message() {
        let mut cell = TestCell::new();
        let first = cell.message("alice", "bob", "one");
        let reply = SendMessage { after: Some(first.mid), ..cell.message("bob", "alice", "two") };
        cell.apply(Command::Send(first));
        assert_eq!(cell.apply(Command::Send(reply)), rejected(Rejection::OutOfOrder));
    }

    #[test]
    fn a_conversation_that_one_is_not_in_is_not_there() {
        let mut cell = TestCell::new();
        let intruder = SendMessage {
            to: Recipient::Conversation(direct("alice", "bob")),
            ..cell.message("carol", "bob", "let me in")
        };
        assert_eq!(cell.apply(Command::Send(intruder.clone())), rejected(Rejection::NoSuchConversation));
        cell.send("alice", "bob", "hello");
        assert_eq!(cell.apply(Command::Send(intruder)), rejected(Rejection::NoSuchConversation));
        assert_eq!(cell.messages("alice", "bob"), ["1 hello"]);
    }

    #[test]
    fn a_chat_with_oneself_has_one_member_and_one_mailbox_entry_per_message() {
        let mut cell = TestCell::new();
        assert_eq!(sent(1), cell.send("alice", "alice", "note"));
        assert_eq!(cell.take_effects(), ["alice 1: conversation with alice", "alice 2: message 1 note"]);
    }

    #[test]
    fn a_send_raises_ones_own_read_without_an_event() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        cell.take_effects();
        assert_eq!(cell.read("alice", "bob", 1), Reply::Done);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_cell_refuses_keys_that_it_does_not_own() {
        let home = direct("alice", "bob").home();
        let (at_home, elsewhere) = if home == user("alice").placement() { ("alice", "bob") } else { ("bob", "alice") };
        let mut cell = TestCell::owning(&[elsewhere]);
        assert_eq!(cell.send("alice", "bob", "hello"), rejected(Rejection::NotOwner));
        let mut cell = TestCell::owning(&[at_home]);
        assert_eq!(sent(1), cell.send("alice", "bob", "hello"));
        assert_eq!(cell.mailbox(at_home).len(), 2);
        assert_eq!(cell.mailbox(elsewhere).len(), 0);
    }

    #[test]
    fn the_outbox_keeps_from_where_a_remote_member_has_to_catch_up() {
        let home = direct("alice", "bob").home();
        let (at_home, elsewhere) = if home == user("alice").placement() { ("alice", "bob") } else { ("bob", "alice") };
        let mut cell = TestCell::owning(&[at_home]);
        cell.send("alice", "bob", "one");
        cell.send("bob", "alice", "two");
        let key = OutboxKey { conversation: direct("alice", "bob"), member: user(elsewhere).key() };
        let outbox = cell.state.tables.outboxes.get(&key).unwrap().unwrap();
        assert_eq!(*outbox, Outbox { incarnation: 0, taken: Eseq::ZERO });
    }

    #[test]
    fn nothing_is_done_before_the_cell_is_founded() {
        let mut cell = TestCell::unfounded();
        assert_eq!(cell.send("alice", "bob", "hello"), rejected(Rejection::NotFounded));
    }
}
