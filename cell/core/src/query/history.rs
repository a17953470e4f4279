//! Pages of a conversation's history, at its home: in both directions, around a message, and by what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use cell_types::{ConversationId, Cseq, Eseq, UserId};

use super::frame_bytes;
use crate::row::{Conversation, Event, EventBlock, EventBlockKey, MessageBlock, MessageBlockKey};
use crate::tables::expect_row;
use crate::view::{History, HistoryPage, Message};
use crate::{Error, Rejection, State};

impl State {
    /// At most `limit` messages and about `bytes_max` bytes, but at least one message if there is any.
    pub fn history(
        &self,
        user: &UserId,
        id: ConversationId,
        page: HistoryPage,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Result<History, Rejection>, Error> {
        if let Err(rejection) = self.tables.check_owner(id.home()) {
            return Ok(Err(rejection));
        }
        let conversation = self.tables.conversations.get(&id)?;
        let Some(conversation) = conversation.filter(|conversation| conversation.place_of(user).is_some()) else {
            return Ok(Err(Rejection::NoSuchConversation));
        };
        let head = conversation.head;
        let mut pager = Pager { state: self, id, block: None, taken: 0, limit: limit.max(1), bytes_left: bytes_max };
        let messages = match page {
            HistoryPage::Newest => pager.backward(head)?,
            HistoryPage::Before(before) => pager.backward(head.min(Cseq::new(before.get().saturating_sub(1))))?,
            HistoryPage::After(after) => pager.forward(Cseq::new(after.get().saturating_add(1)), head)?,
            HistoryPage::Around(around) => pager.around(around.max(Cseq::new(1)).min(head), head)?,
            HistoryPage::Since(since) => return pager.since(since, &conversation).map(Ok),
        };
        let more_before = messages.first().is_some_and(|first| first.cseq.get() > 1);
        let more_after = messages.last().is_some_and(|last| last.cseq < head);
        Ok(Ok(History { messages, more_before, more_after, eseq: conversation.eseq }))
    }
}

/// Takes messages until the page is full.
struct Pager<'a> {
    state: &'a State,
    id: ConversationId,
    /// The block read last.
    block: Option<(MessageBlockKey, Arc<MessageBlock>)>,
    taken: usize,
    limit: usize,
    bytes_left: usize,
}

impl Pager<'_> {
    /// From `newest` down; ascending.
    fn backward(&mut self, newest: Cseq) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        let mut next = newest;
        while next > Cseq::ZERO {
            let Some(message) = self.take(next)? else { break };
            messages.push(message);
            next = Cseq::new(next.get() - 1);
        }
        messages.reverse();
        Ok(messages)
    }

    fn forward(&mut self, oldest: Cseq, head: Cseq) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        let mut next = oldest;
        while next <= head {
            let Some(message) = self.take(next)? else { break };
            messages.push(message);
            next = next.next();
        }
        Ok(messages)
    }

    /// Half before and half after; what one side does not have, the other takes.
    fn around(&mut self, around: Cseq, head: Cseq) -> Result<Vec<Message>, Error> {
        let limit = self.limit as u64;
        let (before, after) = (around.get().saturating_sub(1), (head.get() + 1).saturating_sub(around.get()));
        let before = before.min((limit / 2).max(limit.saturating_sub(after)));
        let share = self.bytes_left / 2;
        let (bytes_left, limit) = (self.bytes_left, self.limit);
        // The asked one is taken first, so that it is there however small the page is.
        (self.limit, self.bytes_left) = (limit - before as usize, bytes_left - share);
        let newer = self.forward(around, head)?;
        (self.limit, self.bytes_left) = (limit, self.bytes_left + share);
        let mut messages = self.backward(Cseq::new(around.get().saturating_sub(1)))?;
        messages.extend(newer);
        Ok(messages)
    }

    /// Messages that are new or changed by the events after `since`, each once and as it is now.
    fn since(&mut self, since: Eseq, conversation: &Conversation) -> Result<History, Error> {
        let mut changed = BTreeSet::new();
        let mut block: Option<(EventBlockKey, Arc<EventBlock>)> = None;
        let mut messages = Vec::new();
        let mut eseq = since.min(conversation.eseq);
        while eseq < conversation.eseq {
            let key = EventBlockKey::of(self.id, eseq.next());
            let events = match block.take() {
                Some((at, events)) if at == key => events,
                _ => expect_row(self.state.tables.events.get(&key)?, "event")?,
            };
            let Event::Message(cseq) = expect_row(events.get(eseq.next()), "event")?;
            block = Some((key, events));
            if changed.insert(cseq) {
                let Some(message) = self.take(cseq)? else { break };
                messages.push(message);
            }
            eseq = eseq.next();
        }
        messages.sort_by_key(|message| message.cseq);
        let more_before = messages.first().is_some_and(|first| first.cseq.get() > 1);
        Ok(History { messages, more_before, more_after: eseq < conversation.eseq, eseq })
    }

    /// A message, unless the page is full.
    fn take(&mut self, cseq: Cseq) -> Result<Option<Message>, Error> {
        let key = MessageBlockKey::of(self.id, cseq);
        let block = match self.block.take() {
            Some((at, block)) if at == key => block,
            _ => expect_row(self.state.tables.messages.get(&key)?, "message")?,
        };
        let message = Message::clone(expect_row(block.get(cseq), "message")?);
        self.block = Some((key, block));
        let bytes = frame_bytes(&message);
        if self.taken == self.limit || (bytes > self.bytes_left && self.taken > 0) {
            return Ok(None);
        }
        self.taken += 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    /// First, last, more before, more after.
    fn bounds(history: &History) -> (u64, u64, bool, bool) {
        let numbers: Vec<u64> = history.messages.iter().map(|message| message.cseq.get()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "ascending without gaps: {numbers:?}");
        let end = |number: Option<&u64>| number.copied().unwrap_or(0);
        (end(numbers.first()), end(numbers.last()), history.more_before, history.more_after)
    }

    fn hundred() -> TestCell {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 60);
        cell.checkpoint();
        cell.send_many("bob", "alice", 40);
        cell
    }

    #[test]
    fn pages_go_in_both_directions_without_their_number() {
        let cell = hundred();
        let page = |page, limit| bounds(&cell.page("alice", "bob", page, limit));
        assert_eq!(page(HistoryPage::Newest, 50), (51, 100, true, false));
        assert_eq!(page(HistoryPage::Before(Cseq::new(51)), 50), (1, 50, false, true));
        assert_eq!(page(HistoryPage::Before(Cseq::new(u64::MAX)), 1), (100, 100, true, false));
        assert_eq!(page(HistoryPage::Before(Cseq::new(1)), 50), (0, 0, false, false));
        assert_eq!(page(HistoryPage::After(Cseq::new(90)), 50), (91, 100, true, false));
        assert_eq!(page(HistoryPage::After(Cseq::new(0)), 10), (1, 10, false, true));
        assert_eq!(page(HistoryPage::After(Cseq::new(u64::MAX)), 10), (0, 0, false, false));
    }

    #[test]
    fn a_page_around_a_message_includes_it_and_is_filled_from_the_other_side_at_the_ends() {
        let cell = hundred();
        let around = |cseq, limit| bounds(&cell.page("alice", "bob", HistoryPage::Around(Cseq::new(cseq)), limit));
        assert_eq!(around(50, 10), (45, 54, true, true));
        assert_eq!(around(50, 1), (50, 50, true, true));
        assert_eq!(around(2, 10), (1, 10, false, true));
        assert_eq!(around(99, 10), (91, 100, true, false));
        assert_eq!(around(u64::MAX, 10), (91, 100, true, false));
        assert_eq!(around(0, 3), (1, 3, false, true));
    }

    #[test]
    fn changes_since_an_event_come_page_by_page() {
        let cell = hundred();
        let since = |eseq, limit| {
            let history = cell.page("alice", "bob", HistoryPage::Since(Eseq::new(eseq)), limit);
            (bounds(&history), history.eseq.get())
        };
        assert_eq!(since(0, 70), ((1, 70, false, true), 70));
        assert_eq!(since(70, 70), ((71, 100, true, false), 100));
        assert_eq!(since(100, 70).1, 100);
        assert_eq!(since(u64::MAX, 70).1, 100);
    }

    #[test]
    fn a_page_ends_early_by_bytes_but_has_one_message_at_least() {
        let mut cell = TestCell::new();
        for _ in 0..4 {
            cell.send("alice", "bob", &"x".repeat(1_000));
        }
        let page = |page, bytes| {
            bounds(&cell.state.history(&user("bob"), direct("alice", "bob"), page, 50, bytes).unwrap().unwrap())
        };
        assert_eq!(page(HistoryPage::Newest, 0), (4, 4, true, false));
        assert_eq!(page(HistoryPage::Newest, 2_700), (3, 4, true, false));
        assert_eq!(page(HistoryPage::After(Cseq::ZERO), 2_700), (1, 2, false, true));
        assert_eq!(page(HistoryPage::Around(Cseq::new(3)), 0), (3, 3, true, true));
    }

    #[test]
    fn who_is_no_member_sees_no_conversation() {
        let cell = hundred();
        let ask = |asker: &str, id| cell.state.history(&user(asker), id, HistoryPage::Newest, 9, 9).unwrap();
        assert_eq!(ask("carol", direct("alice", "bob")), Err(Rejection::NoSuchConversation));
        assert_eq!(ask("carol", direct("carol", "bob")), Err(Rejection::NoSuchConversation));
    }
}
