//! How a device's session starts: from its cursor if that can be honoured, else from a snapshot.

use cell_types::{Cursor, Useq, UserId};

use crate::view::{Opening, Why};
use crate::{Error, Rejection, State};

/// Conversations of a snapshot: a first screen. The rest is asked for.
const SNAPSHOT_CONVERSATIONS: usize = 20;

/// Of messages in a snapshot: with everything around them, the frame stays under 1 MiB.
const SNAPSHOT_BYTES_MAX: usize = 900 * 1024;

impl State {
    /// Whether to resume after the cursor, or why not, and what to show instead.
    pub fn open_session(&self, user: &UserId, cursor: Option<Cursor>) -> Result<Result<Opening, Rejection>, Error> {
        let key = user.key();
        if let Err(rejection) = self.tables.check_owner(key.placement) {
            return Ok(Err(rejection));
        }
        // A user never seen before exists, with an empty mailbox.
        let row = self.tables.users.get(&key)?;
        let (ep, head, floor) = row.map_or((self.tables.cell.settings.history_epoch, Useq::ZERO, Useq::ZERO), |row| {
            (row.ep, row.head, row.floor)
        });
        let why = match cursor {
            None => Why::New,
            Some(cursor) if cursor.ep != ep => Why::Epoch,
            Some(cursor) if cursor.useq > head => Why::Ahead,
            Some(cursor) if cursor.useq < floor => Why::Trimmed,
            Some(_) => return Ok(Ok(Opening::Resumed { ep, head })),
        };
        let snapshot = self.conversation_page(key, None, SNAPSHOT_CONVERSATIONS, SNAPSHOT_BYTES_MAX)?;
        Ok(Ok(Opening::Fresh { ep, head, why, snapshot, at: head }))
    }
}

#[cfg(test)]
mod tests {
    use cell_types::{ConversationId, HistoryEpoch};

    use super::*;
    use crate::test_cell::*;

    const RESUMED: fn(u64) -> Opening = |head| Opening::Resumed { ep: HistoryEpoch::new(1), head: Useq::new(head) };

    fn why(opening: Opening) -> (Why, u64) {
        let Opening::Fresh { why, at, head, .. } = opening else { panic!("resumed") };
        assert_eq!(at, head);
        (why, at.get())
    }

    #[test]
    fn a_cursor_that_the_mailbox_covers_resumes() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 5);
        assert_eq!(cell.open("bob", Some((1, 0))), RESUMED(6));
        assert_eq!(cell.open("bob", Some((1, 6))), RESUMED(6));
    }

    #[test]
    fn a_user_never_seen_before_exists_with_an_empty_mailbox() {
        let cell = TestCell::new();
        assert_eq!(cell.open("carol", Some((1, 0))), RESUMED(0));
        assert_eq!(why(cell.open("carol", None)), (Why::New, 0));
        assert_eq!(why(cell.open("carol", Some((1, 1)))), (Why::Ahead, 0));
    }

    #[test]
    fn a_cursor_that_cannot_be_honoured_says_why_and_gets_a_snapshot() {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 5);
        assert_eq!(why(cell.open("bob", None)), (Why::New, 6));
        assert_eq!(why(cell.open("bob", Some((2, 3)))), (Why::Epoch, 6));
        assert_eq!(why(cell.open("bob", Some((1, 7)))), (Why::Ahead, 6));
        cell.wait(DAY * 31);
        cell.sweep();
        assert_eq!(why(cell.open("bob", Some((1, 5)))), (Why::Trimmed, 6));
        assert_eq!(cell.open("bob", Some((1, 6))), RESUMED(6));
    }

    #[test]
    fn a_cell_that_does_not_own_the_user_refuses() {
        let cell = TestCell::owning(&["alice"]);
        assert_eq!(cell.state.open_session(&user("bob"), None).unwrap(), Err(Rejection::NotOwner));
        assert_eq!(TestCell::unfounded().state.open_session(&user("bob"), None).unwrap(), Err(Rejection::NotFounded));
    }

    #[test]
    fn a_snapshot_holds_twenty_conversations_and_stays_under_a_frame() {
        let mut cell = TestCell::new();
        let long = "x".repeat(64 * 1024);
        for n in 0..22 {
            cell.send(&format!("peer{n}"), "bob", "short");
            cell.send(&format!("peer{n}"), "bob", &long);
        }
        let Opening::Fresh { snapshot, .. } = cell.open("bob", None) else { panic!("resumed") };
        assert_eq!(snapshot.conversations.len(), 20);
        assert_eq!(snapshot.conversations[0].id, ConversationId::direct(&user("bob"), &user("peer21")));
        assert!(snapshot.next.is_some());
        let bodies = snapshot.conversations.iter().flat_map(|summary| &summary.last);
        let bytes: usize = bodies.map(|message| message.body.as_ref().unwrap().as_bytes().len()).sum();
        assert!((512 * 1024..SNAPSHOT_BYTES_MAX).contains(&bytes), "{bytes}");
    }
}
