//! A user's conversations by activity, from the user's own rows: no other cell is asked.

use std::sync::Arc;

use cell_types::{ConversationId, Useq, UserId, UserKey};

use super::frame_bytes;
use crate::row::{ActivityKey, MailboxBlock, MailboxBlockKey, Member, MemberKey};
use crate::tables::expect_row;
use crate::view::{ConversationPage, ConversationSummary, MailboxKind, Message};
use crate::{Error, Rejection, State};

impl State {
    /// Conversations whose newest message is before `after`, newest first, at most `limit`; `last` takes about so many
    /// bytes at most.
    pub fn conversations(
        &self,
        user: &UserId,
        after: Option<Useq>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Result<ConversationPage, Rejection>, Error> {
        let key = user.key();
        match self.tables.check_owner(key.placement) {
            Ok(()) => self.conversation_page(key, after, limit, bytes_max).map(Ok),
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    pub(crate) fn conversation_page(
        &self,
        user: UserKey,
        after: Option<Useq>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<ConversationPage, Error> {
        let from = after.map_or(u64::MAX, |useq| useq.get().saturating_sub(1));
        let (first, last) = (ActivityKey::new(user, Useq::new(from)), ActivityKey::new(user, Useq::ZERO));
        let rows: Vec<_> = self.tables.activity.range(first, last)?.take(limit + 1).collect::<Result<_, _>>()?;
        let floor = self.tables.users.get(&user)?.map_or(Useq::ZERO, |row| row.floor);
        let shown = &rows[..rows.len().min(limit)];
        let next = shown.last().filter(|_| rows.len() > limit).map(|(key, _)| key.newest());
        let mut reader = Recents { state: self, user, floor, bytes_left: bytes_max, block: None };
        let mut conversations = Vec::with_capacity(shown.len());
        for (place, (_, conversation)) in shown.iter().enumerate() {
            let share = reader.bytes_left / (shown.len() - place);
            conversations.push(reader.summary(**conversation, share)?);
        }
        Ok(ConversationPage { conversations, next })
    }
}

/// Reads the newest messages out of the user's mailbox.
struct Recents<'a> {
    state: &'a State,
    user: UserKey,
    floor: Useq,
    bytes_left: usize,
    /// The block read last: neighbours are often in one.
    block: Option<(MailboxBlockKey, Arc<MailboxBlock>)>,
}

impl Recents<'_> {
    fn summary(&mut self, id: ConversationId, share: usize) -> Result<ConversationSummary, Error> {
        let member = self.state.tables.members.get(&MemberKey { user: self.user, conversation: id })?;
        let member = expect_row(member, "member")?;
        let last = self.last(&member, share)?;
        let Member { with, head, read, .. } = &*member;
        Ok(ConversationSummary { id, with: with.clone(), head: *head, read: *read, last })
    }

    /// The newest messages that are still there and fit, oldest first. One may take more than its conversation's share.
    fn last(&mut self, member: &Member, share: usize) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        let mut used = 0;
        let floor = self.floor;
        for useq in member.recents.iter().rev().take_while(|useq| **useq > floor) {
            let message = self.message(*useq)?;
            used += frame_bytes(&message);
            if used > if messages.is_empty() { self.bytes_left } else { share } {
                used -= frame_bytes(&message);
                break;
            }
            messages.push(message);
        }
        self.bytes_left = self.bytes_left.saturating_sub(used);
        messages.reverse();
        Ok(messages)
    }

    fn message(&mut self, useq: Useq) -> Result<Message, Error> {
        let key = MailboxBlockKey::of(self.user, useq);
        let block = match &self.block {
            Some((at, block)) if *at == key => Arc::clone(block),
            _ => expect_row(self.state.tables.mailboxes.get(&key)?, "mailbox")?,
        };
        let entry = expect_row(block.get(useq).cloned(), "mailbox")?;
        self.block = Some((key, block));
        match &entry.kind {
            MailboxKind::Message { message, .. } => Ok(message.clone()),
            _ => Err(Error::Corrupt("a member row names a mailbox entry that is no message".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use cell_types::Cseq;

    use super::*;
    use crate::test_cell::*;

    fn list(cell: &TestCell, after: Option<Useq>, limit: usize) -> (Vec<String>, Option<Useq>) {
        let page = cell.state.conversations(&user("bob"), after, limit, usize::MAX).unwrap().unwrap();
        (page.conversations.iter().map(|summary| summary.with.to_string()).collect(), page.next)
    }

    #[test]
    fn conversations_are_listed_by_their_newest_message_and_page_by_page() {
        let mut cell = TestCell::new();
        for peer in ["alice", "carol", "dave"] {
            cell.send(peer, "bob", "hello");
        }
        cell.checkpoint();
        cell.send("bob", "alice", "an answer counts too");
        assert_eq!(list(&cell, None, 9), (vec!["alice".into(), "dave".into(), "carol".into()], None));
        let (first, next) = list(&cell, None, 2);
        assert_eq!(first, ["alice", "dave"]);
        assert_eq!(list(&cell, next, 2), (vec!["carol".into()], None));
    }

    #[test]
    fn receipts_do_not_move_a_conversation() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        cell.send("carol", "bob", "hello");
        cell.read("bob", "alice", 1);
        assert_eq!(list(&cell, None, 1).0, ["carol"]);
    }

    #[test]
    fn a_summary_shows_head_read_and_the_last_fifteen_messages() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 20);
        cell.send("bob", "alice", "the last");
        cell.send("alice", "bob", "unread");
        let page = cell.state.conversations(&user("bob"), None, 1, usize::MAX).unwrap().unwrap();
        let summary = &page.conversations[0];
        assert_eq!((summary.head, summary.read), (Cseq::new(22), Cseq::new(21)));
        let shown: Vec<u64> = summary.last.iter().map(|message| message.cseq.get()).collect();
        assert_eq!(shown, (8..=22).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_messages_are_left_out_first_where_bytes_are_short() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 10);
        cell.send_many("carol", "bob", 10);
        let page = cell.state.conversations(&user("bob"), None, 2, 10 * 300).unwrap().unwrap();
        for summary in &page.conversations {
            assert!((3..=6).contains(&summary.last.len()), "{}", summary.last.len());
            assert_eq!(summary.last.last().unwrap().cseq, Cseq::new(10));
        }
    }

    #[test]
    fn a_trimmed_mailbox_keeps_its_list_without_messages() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "old");
        cell.wait(DAY * 31);
        cell.sweep();
        let page = cell.state.conversations(&user("bob"), None, 2, usize::MAX).unwrap().unwrap();
        assert_eq!(page.conversations[0].head, Cseq::new(1));
        assert!(page.conversations[0].last.is_empty());
    }
}
