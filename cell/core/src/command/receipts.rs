//! Delivered watermarks, made of what a user's devices acked.

use std::collections::BTreeMap;

use cell_types::{ConversationId, ConversationKind, Cseq, Useq, UserId, UserKey};

use super::deliver::{Watermark, deliver_watermark};
use crate::row::MailboxBlockKey;
use crate::tables::{Tables, expect_row};
use crate::view::MailboxKind;
use crate::{Effect, Error};

/// Two windows of a device. A longer span (the ack that comes with a snapshot) is settled over the next acks and sweeps.
const ENTRIES_MAX: u64 = 1_024;

/// Tells the senders of what was acked that the user has it. Nothing for receipts, nor for one's own messages.
pub(super) fn settle(tables: &mut Tables, effects: &mut Vec<Effect>, key: UserKey) -> Result<(), Error> {
    let user = expect_row(tables.users.get(&key)?, "user")?;
    let from = user.receipted.max(user.floor);
    let upto = user.acked.min(Useq::new(from.get() + ENTRIES_MAX));
    if upto <= user.receipted {
        return Ok(());
    }
    let delivered = newest_from_others(tables, key, &user.id, from, upto)?;
    expect_row(tables.users.get_mut(&key)?, "user")?.receipted = upto;
    for (conversation, (sender, upto)) in delivered {
        let sender_key = sender.key();
        if tables.cell.owns(sender_key.placement) {
            let watermark = (&user.id, Watermark::Delivered(upto));
            deliver_watermark(tables, effects, (&sender, sender_key), conversation, watermark)?;
        }
    }
    Ok(())
}

/// Per direct conversation: the newest message from the other user among the entries after `from`, up to `upto`.
fn newest_from_others(
    tables: &Tables,
    key: UserKey,
    id: &UserId,
    from: Useq,
    upto: Useq,
) -> Result<BTreeMap<ConversationId, (UserId, Cseq)>, Error> {
    let mut newest = BTreeMap::new();
    let mut next = from.next();
    while next <= upto {
        let block = expect_row(tables.mailboxes.get(&MailboxBlockKey::of(key, next))?, "mailbox")?;
        expect_row(block.get(next), "mailbox")?;
        for (useq, entry) in block.from(next).take_while(|(useq, _)| *useq <= upto) {
            next = useq.next();
            if let MailboxKind::Message { conversation, message } = &entry.kind
                && conversation.kind() == ConversationKind::Direct
                && message.sender != *id
            {
                newest.insert(*conversation, (message.sender.clone(), message.cseq));
            }
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use crate::test_cell::*;

    #[test]
    fn the_first_device_that_acks_makes_one_watermark_per_conversation() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3);
        cell.send("carol", "bob", "hi");
        cell.take_effects();
        cell.ack("bob", "phone", 6);
        let mut told = cell.take_effects();
        told.sort();
        assert_eq!(told, ["alice 5: bob got 3", "carol 3: bob got 1"]);
        cell.ack("bob", "laptop", 6);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_part_of_the_mailbox_delivers_a_part_of_the_messages() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3);
        cell.take_effects();
        cell.ack("bob", "phone", 1);
        assert!(cell.take_effects().is_empty());
        cell.ack("bob", "phone", 3);
        assert_eq!(cell.take_effects(), ["alice 5: bob got 2"]);
    }

    #[test]
    fn what_was_read_is_not_reported_as_delivered() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3);
        cell.read("bob", "alice", 3);
        cell.take_effects();
        cell.ack("bob", "phone", 5);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn ones_own_messages_receipts_and_a_chat_with_oneself_deliver_nothing() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        cell.send("alice", "alice", "note");
        cell.take_effects();
        cell.ack("alice", "phone", 4);
        assert!(cell.take_effects().is_empty());
        cell.ack("bob", "phone", 2);
        assert_eq!(cell.take_effects(), ["alice 5: bob got 1"]);
        cell.ack("alice", "phone", 5);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_long_span_is_settled_by_several_acks() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 1_500);
        cell.take_effects();
        cell.ack("bob", "phone", 1_501);
        assert_eq!(cell.take_effects(), ["alice 1502: bob got 1023"]);
        cell.ack("bob", "phone", 1_501);
        assert_eq!(cell.take_effects(), ["alice 1503: bob got 1500"]);
    }
}
