//! Everything that commands read and write, and nothing else.

use std::sync::Arc;

use cell_types::{ConversationId, PlacementKey, UserId, UserKey};

use crate::cell::{Cell, Position};
use crate::row::{
    ActivityKey, Bucket, BucketKey, Conversation, EventBlock, EventBlockKey, MailboxBlock, MailboxBlockKey, Member,
    MemberKey, MessageBlock, MessageBlockKey, Outbox, OutboxKey, SigningKeyId, User,
};
use crate::store::{Checkpoint, Disk, Table};
use crate::view::SigningKey;
use crate::{Error, Rejection};

/// The rows of a cell, by kind.
pub(crate) struct Tables {
    pub(crate) cell: Cell,
    pub(crate) position: Position,
    /// What commands decided that no reply and no effect shows; goes into the digest with each entry.
    pub(crate) decisions: Vec<u64>,
    pub(crate) users: Table<UserKey, User>,
    pub(crate) mailboxes: Table<MailboxBlockKey, MailboxBlock>,
    pub(crate) members: Table<MemberKey, Member>,
    pub(crate) activity: Table<ActivityKey, ConversationId>,
    pub(crate) conversations: Table<ConversationId, Conversation>,
    pub(crate) messages: Table<MessageBlockKey, MessageBlock>,
    pub(crate) events: Table<EventBlockKey, EventBlock>,
    pub(crate) dedupe: Table<BucketKey, Bucket>,
    pub(crate) outboxes: Table<OutboxKey, Outbox>,
    pub(crate) signing_keys: Table<SigningKeyId, SigningKey>,
    disk: Arc<Disk>,
}

/// Does the same with every table, so that none is forgotten.
macro_rules! each_table {
    ($tables:expr, $table:ident => $do:expr) => {{
        let Tables {
            users,
            mailboxes,
            members,
            activity,
            conversations,
            messages,
            events,
            dedupe,
            outboxes,
            signing_keys,
            cell: _,
            position: _,
            decisions: _,
            disk: _,
        } = $tables;
        each_table!(@ $table => $do; users mailboxes members activity conversations messages events dedupe outboxes signing_keys);
    }};
    (@ $table:ident => $do:expr; $($name:ident)*) => { $({ let $table = $name; $do; })* };
}

impl Tables {
    pub(crate) fn open(disk: Arc<Disk>) -> Result<Self, Error> {
        Ok(Self {
            cell: disk.get_cell(Cell::KEY)?.unwrap_or_default(),
            position: disk.get_cell(Position::KEY)?.unwrap_or_default(),
            decisions: Vec::new(),
            users: Table::new(Arc::clone(&disk)),
            mailboxes: Table::new(Arc::clone(&disk)),
            members: Table::new(Arc::clone(&disk)),
            activity: Table::new(Arc::clone(&disk)),
            conversations: Table::new(Arc::clone(&disk)),
            messages: Table::new(Arc::clone(&disk)),
            events: Table::new(Arc::clone(&disk)),
            dedupe: Table::new(Arc::clone(&disk)),
            outboxes: Table::new(Arc::clone(&disk)),
            signing_keys: Table::new(Arc::clone(&disk)),
            disk,
        })
    }

    /// `Err` in the inner result if no cell is here, or another one owns the key.
    pub(crate) fn check_owner(&self, key: PlacementKey) -> Result<(), Rejection> {
        if self.cell.identity.is_none() {
            Err(Rejection::NotFounded)
        } else if self.cell.owns(key) {
            Ok(())
        } else {
            Err(Rejection::NotOwner)
        }
    }

    /// The user's row, made if this is the first time that the user is named: every user exists.
    pub(crate) fn user_mut(&mut self, key: UserKey, id: &UserId) -> Result<&mut User, Error> {
        let ep = self.cell.settings.history_epoch;
        self.users.get_mut_or(&key, || User::new(id.clone(), ep))
    }

    /// The keyring, by id.
    pub(crate) fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        let keys = self.signing_keys.range(SigningKeyId(0), SigningKeyId(u32::MAX))?;
        keys.map(|row| row.map(|(_, key)| SigningKey::clone(&key))).collect()
    }

    /// Freezes every table.
    pub(crate) fn freeze(&mut self) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(Arc::clone(&self.disk), self.cell.clone(), self.position.clone());
        each_table!(self, table => checkpoint.add(table.freeze()));
        checkpoint
    }

    /// Lets every table read from the checkpoint that was written.
    pub(crate) fn set_disk(&mut self, disk: Arc<Disk>) {
        each_table!(&mut *self, table => table.set_disk(Arc::clone(&disk)));
        self.disk = disk;
    }

    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Rows in memory: (changed, clean).
    pub(crate) fn rows_in_memory(&self) -> (usize, usize) {
        let (mut changed, mut clean) = (0, 0);
        each_table!(self, table => {
            let rows = table.rows_in_memory();
            changed += rows.0;
            clean += rows.1;
        });
        (changed, clean)
    }
}

/// A row that another one says must be there.
pub(crate) fn expect_row<T>(row: Option<T>, what: &'static str) -> Result<T, Error> {
    row.ok_or_else(|| Error::Corrupt(format!("a {what} row is missing")))
}
