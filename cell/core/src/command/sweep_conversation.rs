//! A conversation's housekeeping: forgets the message ids that are past the dedupe window.

use std::time::Duration;

use cell_types::{ConversationId, Cseq, MessageId, Timestamp};

use super::sweep::Budget;
use crate::row::{Conversation, MessageBlockKey};
use crate::tables::{Tables, expect_row};
use crate::{Error, dedupe};

/// False if the budget did not suffice.
pub(super) fn sweep_conversation(tables: &mut Tables, id: ConversationId, budget: &mut Budget) -> Result<bool, Error> {
    let before = expect_row(tables.conversations.get(&id)?, "conversation")?;
    let mut conversation = Conversation::clone(&before);
    let mut is_done = true;
    for place in 0..conversation.participants.len() {
        is_done &= sweep_sender(tables, id, &mut conversation, place, budget)?;
    }
    if conversation != *before {
        tables.decisions.push(conversation.entries);
        *expect_row(tables.conversations.get_mut(&id)?, "conversation")? = conversation;
    }
    Ok(is_done)
}

/// Walks the messages from where the last sweep stopped, up to the sender's first one that has to stay.
fn sweep_sender(
    tables: &mut Tables,
    id: ConversationId,
    conversation: &mut Conversation,
    place: usize,
    budget: &mut Budget,
) -> Result<bool, Error> {
    let keep = tables.cell.settings.dedupe_keep_entries;
    let time = tables.position.log_time.minus(Duration::from_millis(tables.cell.settings.dedupe_keep_millis));
    while conversation.participants[place].entries > 0 {
        let Some(oldest) = next_of_sender(tables, id, conversation, place, budget)? else { return Ok(false) };
        let sender = &mut conversation.participants[place];
        sender.forgotten = Cseq::new(oldest.cseq.get() - 1);
        if oldest.ts >= time && sender.entries <= keep {
            return Ok(true);
        }
        if !budget.spend() {
            return Ok(false);
        }
        sender.forgotten = oldest.cseq;
        if let Some(mid) = oldest.mid {
            dedupe::forget(&mut tables.dedupe, id, conversation, place, (mid, oldest.cseq))?;
        }
    }
    // Nothing of this sender's is remembered, so that there is nothing to walk over.
    conversation.participants[place].forgotten = conversation.head;
    Ok(true)
}

struct Oldest {
    cseq: Cseq,
    ts: Timestamp,
    mid: Option<MessageId>,
}

/// The sender's first message after what was forgotten. `None` if the budget is spent; the place reached is kept.
fn next_of_sender(
    tables: &Tables,
    id: ConversationId,
    conversation: &mut Conversation,
    place: usize,
    budget: &mut Budget,
) -> Result<Option<Oldest>, Error> {
    let head = conversation.head;
    let sender = &mut conversation.participants[place];
    while sender.forgotten < head {
        if !budget.spend() {
            return Ok(None);
        }
        let first = sender.forgotten.next();
        let block = expect_row(tables.messages.get(&MessageBlockKey::of(id, first))?, "message")?;
        let rest = block.from(first);
        if let Some(found) = rest.iter().find(|message| message.sender == sender.user) {
            return Ok(Some(Oldest { cseq: found.cseq, ts: found.ts, mid: found.mid }));
        }
        sender.forgotten = expect_row(rest.last(), "message")?.cseq;
    }
    Err(Error::Corrupt(format!("conversation {id} remembers more messages of a member than there are")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SendMessage;
    use crate::test_cell::*;
    use crate::view::Setting;
    use crate::{Command, Reply};

    fn remembered(cell: &TestCell) -> u64 {
        cell.state.tables.conversations.get(&direct("alice", "bob")).unwrap().unwrap().entries
    }

    #[test]
    fn a_message_id_is_remembered_for_thirty_five_days() {
        let mut cell = TestCell::new();
        let send = cell.message("alice", "bob", "hello");
        cell.apply(Command::Send(send.clone()));
        cell.wait(DAY * 34);
        cell.sweep();
        assert_eq!(sent_again(1), cell.apply(Command::Send(send.clone())));
        cell.wait(DAY * 2);
        assert_eq!(sent_again(1), cell.apply(Command::Send(send.clone())), "only a sweep forgets");
        cell.sweep();
        assert_eq!(remembered(&cell), 0);
        assert_eq!(sent(2), cell.apply(Command::Send(send)));
    }

    #[test]
    fn a_sender_is_remembered_by_so_many_messages_whatever_the_other_sends() {
        let mut cell = TestCell::new();
        assert_eq!(cell.set(Setting::DedupeKeepEntries(100)), Reply::Done);
        let old = cell.message("bob", "alice", "I say little");
        cell.apply(Command::Send(old.clone()));
        let (first, last): (SendMessage, SendMessage) =
            (cell.message("alice", "bob", "a"), cell.message("alice", "bob", "z"));
        cell.apply(Command::Send(first.clone()));
        cell.send_many("alice", "bob", 250);
        cell.apply(Command::Send(last.clone()));
        cell.sweep();
        assert_eq!(remembered(&cell), 101);
        assert_eq!(sent_again(1), cell.apply(Command::Send(old)));
        assert_eq!(sent_again(253), cell.apply(Command::Send(last)));
        assert_eq!(sent(254), cell.apply(Command::Send(first)));
    }

    #[test]
    fn more_than_one_sweep_may_do_is_done_by_several() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3_000);
        cell.wait(DAY * 36);
        let sweep = crate::record::Sweep { from: Vec::new(), entities_max: 100 };
        assert!(matches!(cell.apply(sweep), Reply::Swept { next } if !next.is_empty()));
        assert!((1..3_000).contains(&remembered(&cell)));
        cell.sweep();
        assert_eq!(remembered(&cell), 0);
        assert_eq!(cell.page("alice", "bob", crate::view::HistoryPage::Newest, 1).messages[0].cseq, Cseq::new(3_000));
    }
}
