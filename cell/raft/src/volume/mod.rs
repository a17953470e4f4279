//! The volume: which files it has, how they are created, opened, checked and set aside.
//!
//! `log.redb` holds the Raft log and what the replica knows of itself; `state.redb` is the core's. A file that is
//! present is complete: it is made under a temporary name and renamed.

mod aside;
mod database;
mod open;
mod store;

pub(crate) use aside::{mark, remove_set_aside, set_aside};
pub(crate) use database::{guarded, open_database, storage_error};
pub(crate) use open::{Opened, core_error, open};
pub(crate) use store::{KnownBoot, LOG, META, Store};

pub(crate) const LOG_FILE: &str = "log.redb";
pub(crate) const STATE_FILE: &str = "state.redb";
/// A snapshot that is being received.
pub(crate) const INCOMING_FILE: &str = "incoming.redb";
/// Written when damage is found at run time, so that the next start does not trust the files.
pub(crate) const CORRUPT_MARKER: &str = "corrupt.marker";
/// Written when the digest differed: a person decides which replica is right.
pub(crate) const DIVERGED_MARKER: &str = "diverged.marker";

/// Of the rows and tables described in `docs/storage-format.md`.
pub(crate) const FORMAT: u32 = 1;

/// Why a volume cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the volume is corrupt: {0}")]
    Corrupt(String),
    #[error("the volume belongs to {found}, this is {expected}")]
    Foreign { found: String, expected: String },
    #[error("the volume has format {found}, this program knows up to {FORMAT}: run the newer version")]
    Newer { found: u32 },
    #[error(
        "this replica's state diverged from its cell ({0}); compare it with the others, then empty the volume to rebuild it"
    )]
    Diverged(String),
    #[error("failed to access the volume")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// I/O errors that mean damage become [`Error::Corrupt`].
    pub(crate) fn from_io(what: &str, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                Self::Corrupt(format!("{what}: {error}"))
            }
            _ => Self::Io(error),
        }
    }
}
