//! What the leader's shell has to do after `apply`: push to sessions, and react to changes of the cell itself.

use std::sync::Arc;

use cell_types::{Useq, UserKey};

use crate::view::MailboxEntry;

/// Something that happened, for the shell. Followers drop most of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A user's mailbox has a new entry. In `useq` order per user.
    Appended { user: UserKey, useq: Useq, entry: Arc<MailboxEntry> },
    /// Entries up to and including `floor` are gone.
    Trimmed { user: UserKey, floor: Useq },
    /// The cell was founded, or its ranges, voters, registry or settings changed.
    CellChanged,
    /// The signing keys changed.
    KeyringChanged,
}
