//! Reading: a monotonic maximum per member, told to every member whose mailbox is here.

use super::deliver::{Watermark, deliver_watermark};
use crate::record::MarkRead;
use crate::tables::{Tables, expect_row};
use crate::{Effect, Error, Rejection, Reply};

/// Read implies delivered. A mark that is not above the last one changes nothing.
pub(super) fn mark_read(tables: &mut Tables, effects: &mut Vec<Effect>, mark: &MarkRead) -> Result<Reply, Error> {
    let MarkRead { reader, conversation: id, upto } = mark;
    if let Err(rejection) = tables.check_owner(id.home()) {
        return Ok(Reply::Rejected(rejection));
    }
    let conversation = tables.conversations.get(id)?;
    let Some((conversation, place)) = conversation.and_then(|c| c.place_of(reader).map(|place| (c, place))) else {
        return Ok(Reply::Rejected(Rejection::NoSuchConversation));
    };
    let upto = (*upto).min(conversation.head);
    if upto <= conversation.participants[place].read {
        return Ok(Reply::Done);
    }
    expect_row(tables.conversations.get_mut(id)?, "conversation")?.participants[place].read = upto;
    for participant in &conversation.participants {
        let key = participant.user.key();
        if tables.cell.owns(key.placement) {
            deliver_watermark(tables, effects, (&participant.user, key), *id, (reader, Watermark::Read(upto)))?;
        }
    }
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    fn talked() -> TestCell {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 3);
        cell.take_effects();
        cell
    }

    #[test]
    fn reading_tells_the_other_and_ones_own_devices_once() {
        let mut cell = talked();
        assert_eq!(cell.read("bob", "alice", 2), Reply::Done);
        assert_eq!(cell.take_effects(), ["alice 5: bob read 2", "bob 5: bob read 2"]);
        cell.read("bob", "alice", 2);
        cell.read("bob", "alice", 1);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn a_mark_above_the_head_means_the_head() {
        let mut cell = talked();
        cell.read("bob", "alice", u64::MAX);
        assert_eq!(cell.take_effects(), ["alice 5: bob read 3", "bob 5: bob read 3"]);
    }

    #[test]
    fn in_a_chat_with_oneself_there_is_nothing_left_to_read() {
        let mut cell = TestCell::new();
        cell.send("alice", "alice", "note");
        cell.take_effects();
        assert_eq!(cell.read("alice", "alice", 1), Reply::Done);
        assert!(cell.take_effects().is_empty());
    }

    #[test]
    fn who_is_no_member_cannot_read() {
        let mut cell = talked();
        let mark = |conversation| MarkRead { reader: user("carol"), conversation, upto: cell_types::Cseq::new(1) };
        let (theirs, nobodys) = (mark(direct("alice", "bob")), mark(direct("carol", "dave")));
        assert_eq!(cell.apply(theirs), rejected(Rejection::NoSuchConversation));
        assert_eq!(cell.apply(nobodys), rejected(Rejection::NoSuchConversation));
    }
}
