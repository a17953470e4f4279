//! Reading a mailbox after a cursor.

use cell_types::{Useq, UserId, UserKey};

use super::{MESSAGE_OVERHEAD, frame_bytes};
use crate::row::MailboxBlockKey;
use crate::tables::expect_row;
use crate::view::{MailboxEntry, MailboxKind, MailboxPage};
use crate::{Error, State};

impl State {
    /// Entries after `after`, at most so many and about so many bytes (at least one if there is any).
    pub fn mailbox(
        &self,
        user: &UserId,
        after: Useq,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<MailboxPage, Error> {
        self.mailbox_of(user.key(), after, entries_max, bytes_max)
    }

    /// The same for a caller that kept the key.
    pub fn mailbox_of(
        &self,
        key: UserKey,
        after: Useq,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<MailboxPage, Error> {
        let Some(user) = self.tables.users.get(&key)? else { return Ok(MailboxPage::Entries(Vec::new())) };
        if after < user.floor {
            return Ok(MailboxPage::Trimmed);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = after.next();
        while next <= user.head {
            let block = expect_row(self.tables.mailboxes.get(&MailboxBlockKey::of(key, next))?, "mailbox")?;
            expect_row(block.get(next), "mailbox")?;
            for (useq, entry) in block.from(next) {
                bytes += entry_bytes(entry);
                if entries.len() == entries_max || (bytes > bytes_max && !entries.is_empty()) {
                    return Ok(MailboxPage::Entries(entries));
                }
                entries.push((useq, entry.clone()));
                next = useq.next();
            }
        }
        Ok(MailboxPage::Entries(entries))
    }
}

fn entry_bytes(entry: &MailboxEntry) -> usize {
    match &entry.kind {
        MailboxKind::Message { message, .. } => frame_bytes(message),
        MailboxKind::Conversation { with: user, .. }
        | MailboxKind::Read { user, .. }
        | MailboxKind::Delivered { user, .. } => 2 * user.as_str().len() + MESSAGE_OVERHEAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    fn numbers(page: MailboxPage) -> Vec<u64> {
        let MailboxPage::Entries(entries) = page else { panic!("trimmed") };
        entries.iter().map(|(useq, _)| useq.get()).collect()
    }

    #[test]
    fn a_page_goes_on_after_the_cursor_and_ends_by_count_or_bytes() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 40);
        let page = |after, entries, bytes| {
            numbers(cell.state.mailbox(&user("bob"), Useq::new(after), entries, bytes).unwrap())
        };
        assert_eq!(page(0, 100, usize::MAX), (1..=41).collect::<Vec<_>>());
        assert_eq!(page(14, 5, usize::MAX), [15, 16, 17, 18, 19]);
        assert_eq!(page(14, 5, 0), [15], "one at least");
        assert_eq!(page(14, 5, 600), [15, 16]);
        assert_eq!(page(41, 5, usize::MAX), [0; 0]);
        assert_eq!(page(99, 5, usize::MAX), [0; 0]);
    }

    #[test]
    fn the_same_entries_are_read_from_memory_and_from_disk() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 40);
        let live = cell.mailbox("bob");
        cell.checkpoint();
        cell.checkpoint();
        assert_eq!(cell.state.stats().rows_clean, 0);
        assert_eq!(cell.mailbox("bob"), live);
    }
}
