//! The one writer of the log file: takes whatever waits, makes it durable with one commit, reports in order.
//!
//! After a failed commit nothing is known of the file: the writer ends, every later write is refused, the process
//! exits. It never retries.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::IOFlushed;
use redb::{Database, Durability};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::Shared;
use crate::codec::encode_row;
use crate::runtime::run_blocking;
use crate::types::{LogId, TypeConfig, Vote};
use crate::volume::{LOG, META, guarded, storage_error};

/// Writes of one commit: enough to group all that a busy leader has in flight.
const GROUP_MAX: usize = 1024;

pub(super) enum Write {
    Append { rows: Vec<(u64, Bytes)>, truncations: u64, callback: IOFlushed<TypeConfig>, room: OwnedSemaphorePermit },
    Vote { vote: Vote, done: oneshot::Sender<io::Result<()>> },
    Truncate { keep: u64, done: oneshot::Sender<io::Result<()>> },
    Purge { upto: LogId },
}

/// Whom to tell when a write is durable.
enum Report {
    Appended {
        end: u64,
        truncations: u64,
        callback: IOFlushed<TypeConfig>,
        room: OwnedSemaphorePermit,
    },
    /// Of a vote or a truncation.
    Done(oneshot::Sender<io::Result<()>>),
}

enum Change {
    Insert(u64, Bytes),
    Vote(Vote),
    Truncate(u64),
    Purge(LogId),
}

pub(super) async fn run(shared: Arc<Shared>, mut waiting: mpsc::Receiver<Write>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut changes = Vec::new();
        let reports: Vec<_> = group.drain(..).filter_map(|write| take_apart(write, &mut changes)).collect();
        let store = shared.store.clone();
        let result = run_blocking(move || guarded(|| commit(&store.database, changes))).await;
        if let Err(error) = &result {
            shared.faults.raise_io("failed to write the log", error);
            // First the door, then the news: nobody may wait for room that never comes.
            waiting.close();
            shared.room.close();
        }
        for report in reports {
            report.tell(&shared, &result);
        }
        if result.is_err() {
            return;
        }
    }
}

fn take_apart(write: Write, changes: &mut Vec<Change>) -> Option<Report> {
    match write {
        Write::Append { rows, truncations, callback, room } => {
            let end = rows.last().map_or(0, |(index, _)| index + 1);
            changes.extend(rows.into_iter().map(|(index, row)| Change::Insert(index, row)));
            Some(Report::Appended { end, truncations, callback, room })
        }
        Write::Vote { vote, done } => {
            changes.push(Change::Vote(vote));
            Some(Report::Done(done))
        }
        Write::Truncate { keep, done } => {
            changes.push(Change::Truncate(keep));
            Some(Report::Done(done))
        }
        Write::Purge { upto } => {
            changes.push(Change::Purge(upto));
            None
        }
    }
}

impl Report {
    fn tell(self, shared: &Shared, result: &io::Result<()>) {
        let result = match result {
            Ok(()) => Ok(()),
            Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
        };
        match self {
            Self::Appended { end, truncations, callback, room } => {
                if result.is_ok() {
                    shared.cached().flushed(end, truncations);
                }
                drop(room);
                callback.io_completed(result);
            }
            // openraft may have been dropped while it waited.
            Self::Done(done) => drop(done.send(result)),
        }
    }
}

fn commit(database: &Database, changes: Vec<Change>) -> io::Result<()> {
    let mut transaction = database.begin_write().map_err(storage_error)?;
    transaction.set_durability(Durability::Immediate).map_err(storage_error)?;
    {
        let mut log = transaction.open_table(LOG).map_err(storage_error)?;
        let mut meta = transaction.open_table(META).map_err(storage_error)?;
        for change in changes {
            match change {
                Change::Insert(index, row) => drop(log.insert(index, row.as_ref()).map_err(storage_error)?),
                Change::Vote(vote) => drop(meta.insert("vote", encode_row(&vote).as_slice()).map_err(storage_error)?),
                Change::Truncate(keep) => log.retain_in(keep.., |_, _| false).map_err(storage_error)?,
                Change::Purge(upto) => {
                    log.retain_in(..=upto.index, |_, _| false).map_err(storage_error)?;
                    meta.insert("purged", encode_row(&upto).as_slice()).map_err(storage_error)?;
                }
            }
        }
    }
    transaction.commit().map_err(storage_error)
}
