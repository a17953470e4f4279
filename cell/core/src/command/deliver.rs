//! The one way into a mailbox: events of a conversation in its order, each once, and watermarks that only rise.

use std::sync::Arc;

use cell_types::{ConversationId, Cseq, Eseq, Useq, UserId, UserKey};

use crate::row::{ActivityKey, MailboxBlock, MailboxBlockKey, Member, MemberKey};
use crate::tables::{Tables, expect_row};
use crate::view::{MailboxEntry, MailboxKind};
use crate::{Effect, Error};

/// An event of a conversation for one member's mailbox.
pub(super) struct Delivery<'a> {
    pub(super) conversation: ConversationId,
    pub(super) incarnation: u32,
    pub(super) member: &'a UserId,
    /// Of `member`.
    pub(super) key: UserKey,
    /// Whom the member talks with.
    pub(super) with: &'a UserId,
    /// The event before this one.
    pub(super) prev: Eseq,
    pub(super) eseq: Eseq,
    /// What the mailbox gets.
    pub(super) entry: &'a Arc<MailboxEntry>,
}

/// Whether a delivery was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It was not next: the mailbox has everything up to this event. The home goes on from there.
    Only(Eseq),
}

/// Takes the event only if the one before it is the last one taken: retries and failovers neither double nor skip.
pub(super) fn deliver(tables: &mut Tables, effects: &mut Vec<Effect>, delivery: &Delivery<'_>) -> Result<Taken, Error> {
    let Delivery { conversation, incarnation, member: id, key, with, prev, eseq, entry } = *delivery;
    let at = MemberKey { user: key, conversation };
    let is_new = match tables.members.get_mut(&at)? {
        Some(member) if member.eseq != prev || member.incarnation != incarnation => {
            return Ok(Taken::Only(member.eseq));
        }
        Some(member) => {
            member.eseq = eseq;
            false
        }
        None if prev != Eseq::ZERO => return Ok(Taken::Only(Eseq::ZERO)),
        None => true,
    };
    if is_new {
        tables.members.insert_new(at, new_member(incarnation, eseq, with));
        let kind = MailboxKind::Conversation { conversation, with: with.clone() };
        append(tables, effects, key, id, Arc::new(MailboxEntry { at: tables.position.log_time, kind }))?;
    }
    let useq = append(tables, effects, key, id, Arc::clone(entry))?;
    if let MailboxKind::Message { message, .. } = &entry.kind {
        let member = expect_row(tables.members.get_mut(&at)?, "member")?;
        member.head = message.cseq;
        if message.sender == *id {
            member.read = member.read.max(message.cseq);
        }
        let before = member.newest();
        member.push_recent(useq);
        if let Some(before) = before {
            tables.activity.remove(&ActivityKey::new(key, before));
        }
        tables.activity.insert_new(ActivityKey::new(key, useq), conversation);
    }
    Ok(Taken::Yes)
}

fn new_member(incarnation: u32, eseq: Eseq, with: &UserId) -> Member {
    Member {
        incarnation,
        eseq,
        with: with.clone(),
        head: Cseq::ZERO,
        read: Cseq::ZERO,
        peer_read: Cseq::ZERO,
        peer_delivered: Cseq::ZERO,
        recents: Vec::new(),
    }
}

/// How far somebody has got in a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Watermark {
    Read(Cseq),
    /// Delivered to at least one device.
    Delivered(Cseq),
}

/// Tells a member how far `of` has got, if that is further than the member knows. Has no place in the event order.
pub(super) fn deliver_watermark(
    tables: &mut Tables,
    effects: &mut Vec<Effect>,
    (member, key): (&UserId, UserKey),
    conversation: ConversationId,
    (of, watermark): (&UserId, Watermark),
) -> Result<(), Error> {
    // A mailbox that has nothing of the conversation yet learns its watermarks with the messages.
    let Some(row) = tables.members.get_mut(&MemberKey { user: key, conversation })? else { return Ok(()) };
    let (known, upto) = match watermark {
        Watermark::Read(upto) if of == member => (&mut row.read, upto),
        Watermark::Read(upto) => (&mut row.peer_read, upto),
        // What was read was delivered, and that was said already.
        Watermark::Delivered(upto) if upto <= row.peer_read => return Ok(()),
        Watermark::Delivered(upto) => (&mut row.peer_delivered, upto),
    };
    if upto <= *known {
        return Ok(());
    }
    *known = upto;
    let user = of.clone();
    let kind = match watermark {
        Watermark::Read(_) => MailboxKind::Read { conversation, user, upto },
        Watermark::Delivered(_) => MailboxKind::Delivered { conversation, user, upto },
    };
    append(tables, effects, key, member, Arc::new(MailboxEntry { at: tables.position.log_time, kind }))?;
    Ok(())
}

/// Gives the entry the next number of the mailbox.
fn append(
    tables: &mut Tables,
    effects: &mut Vec<Effect>,
    key: UserKey,
    id: &UserId,
    entry: Arc<MailboxEntry>,
) -> Result<Useq, Error> {
    let user = tables.user_mut(key, id)?;
    let useq = user.head.next();
    user.head = useq;
    let at = MailboxBlockKey::of(key, useq);
    if MailboxBlockKey::begins_with(useq) {
        tables.mailboxes.insert_new(at, MailboxBlock { entries: vec![Arc::clone(&entry)] });
    } else {
        expect_row(tables.mailboxes.get_mut(&at)?, "mailbox")?.entries.push(Arc::clone(&entry));
    }
    effects.push(Effect::Appended { user: key, useq, entry });
    Ok(useq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    /// Bob's mailbox has everything up to event 2.
    fn delivered() -> TestCell {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 2);
        cell.take_effects();
        cell
    }

    fn offer(cell: &mut TestCell, member: &str, incarnation: u32, prev: u64, eseq: u64) -> Taken {
        let conversation = direct("alice", "bob");
        let kind = MailboxKind::Read { conversation, user: user("alice"), upto: Cseq::new(eseq) };
        let entry = Arc::new(MailboxEntry { at: START, kind });
        let (member, with) = (user(member), user("alice"));
        let delivery = Delivery {
            conversation,
            incarnation,
            member: &member,
            key: member.key(),
            with: &with,
            prev: Eseq::new(prev),
            eseq: Eseq::new(eseq),
            entry: &entry,
        };
        deliver(&mut cell.state.tables, &mut cell.effects, &delivery).unwrap()
    }

    #[test]
    fn the_next_event_is_taken_once() {
        let mut cell = delivered();
        assert_eq!(offer(&mut cell, "bob", 0, 2, 3), Taken::Yes);
        assert_eq!(cell.take_effects(), ["bob 4: alice read 3"]);
        assert_eq!(offer(&mut cell, "bob", 0, 2, 3), Taken::Only(Eseq::new(3)));
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn an_event_that_is_not_next_is_answered_with_the_last_one_taken() {
        let mut cell = delivered();
        assert_eq!(offer(&mut cell, "bob", 0, 5, 6), Taken::Only(Eseq::new(2)));
        assert_eq!(offer(&mut cell, "bob", 0, 0, 1), Taken::Only(Eseq::new(2)));
        assert_eq!(offer(&mut cell, "bob", 1, 2, 3), Taken::Only(Eseq::new(2)), "of another incarnation");
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_mailbox_that_has_nothing_begins_with_the_first_event_and_the_conversation() {
        let mut cell = delivered();
        assert_eq!(offer(&mut cell, "carol", 0, 2, 3), Taken::Only(Eseq::ZERO));
        assert!(cell.take_effects().is_empty());
        assert_eq!(offer(&mut cell, "carol", 0, 0, 1), Taken::Yes);
        assert_eq!(cell.take_effects(), ["carol 1: conversation with alice", "carol 2: alice read 1"]);
    }
}
