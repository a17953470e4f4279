//! Opening a volume: everything that can be known to be wrong with it is found here, before Raft sees it.

use cell_core::State;
use cell_types::VolumeId;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::aside::marked;
use super::store::Identity;
use super::{CORRUPT_MARKER, DIVERGED_MARKER, Error, FORMAT, LOG, LOG_FILE, STATE_FILE, Store, open_database};
use super::{guarded, storage_error};
use crate::codec::{corrupt, decode_entry};
use crate::options::Options;
use crate::seams::{Entropy, Volume};
use crate::types::LogId;

/// redb's own cache for the log file: entries are cached decoded, above it.
const LOG_PAGES_BYTES: usize = 8 << 20;

/// An open, checked volume.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) state: State,
}

/// Opens the volume, creating what an empty one lacks. Blocks.
pub(crate) fn open(volume: &dyn Volume, entropy: &dyn Entropy, options: &Options) -> Result<Opened, Error> {
    if let Some(reason) = marked(volume, DIVERGED_MARKER)? {
        return Err(Error::Diverged(reason));
    }
    if let Some(reason) = marked(volume, CORRUPT_MARKER)? {
        return Err(Error::Corrupt(reason));
    }
    let has_log = volume.exists(LOG_FILE)?;
    if has_log && !volume.exists(STATE_FILE)? {
        return Err(Error::Corrupt(format!("{STATE_FILE} is missing")));
    }
    if !has_log && volume.exists(STATE_FILE)? {
        // The log is made last, so this state was never used, or its log is lost: it says nothing either way.
        let name = super::set_aside(volume)?;
        tracing::warn!(%name, "a state file without its log was set aside");
    }
    let state = open_database(volume, STATE_FILE, options.state_cache_bytes, |_| Ok(()))
        .map_err(|e| Error::from_io(STATE_FILE, e))?;
    let id = VolumeId::new(entropy.u128());
    let log = open_database(volume, LOG_FILE, LOG_PAGES_BYTES, |database| Store::fill(database, options, id))
        .map_err(|e| Error::from_io(LOG_FILE, e))?;
    let found = Store::format(&log).map_err(|e| Error::from_io(LOG_FILE, e))?;
    if found > FORMAT {
        return Err(Error::Newer { found });
    }
    let store = Store::new(log).map_err(|e| Error::from_io(LOG_FILE, e))?;
    check_identity(&store.identity, options)?;
    guarded(|| check_log(&store)).map_err(|e| Error::from_io(LOG_FILE, e))?;
    let state = guarded(|| Ok(State::open(state))).map_err(|e| Error::from_io(STATE_FILE, e))?;
    let state = state.map_err(|error| match error {
        cell_core::Error::NewerFormat { found, .. } => Error::Newer { found },
        other => Error::from_io(STATE_FILE, core_error(other)),
    })?;
    check_state(&state, &store)?;
    Ok(Opened { store, state })
}

fn check_identity(found: &Identity, options: &Options) -> Result<(), Error> {
    let expected = Identity {
        volume: found.volume,
        cluster: options.cluster.clone(),
        cell: options.cell.clone(),
        incarnation: options.incarnation,
        replica: options.replica.clone(),
    };
    if *found == expected {
        return Ok(());
    }
    let name = |of: &Identity| {
        format!("cluster {}, cell {} (incarnation {}), replica {}", of.cluster, of.cell, of.incarnation, of.replica)
    };
    Err(Error::Foreign { found: name(found), expected: name(&expected) })
}

/// Every entry is readable, and there is no gap. The log is bounded, so this reads some tens of megabytes at most.
fn check_log(store: &Store) -> std::io::Result<()> {
    let purged: Option<LogId> = store.get("purged")?;
    let transaction = store.database.begin_read().map_err(storage_error)?;
    let table = transaction.open_table(LOG).map_err(storage_error)?;
    let rows = table.len().map_err(storage_error)?;
    let mut expected = purged.map(|id| id.index + 1);
    let mut seen = 0;
    for row in table.iter().map_err(storage_error)? {
        let (index, value) = row.map_err(storage_error)?;
        let entry = decode_entry(&bytes::Bytes::copy_from_slice(value.value()))?;
        if entry.log_id.index != index.value() || expected.is_some_and(|e| e != index.value()) {
            return Err(corrupt(format!("log entry {} stands where {expected:?} is expected", index.value())));
        }
        expected = Some(index.value() + 1);
        seen += 1;
    }
    if seen != rows {
        return Err(corrupt(format!("the log has {seen} of {rows} entries")));
    }
    Ok(())
}

/// The log must reach back to the last durable checkpoint.
fn check_state(state: &State, store: &Store) -> Result<(), Error> {
    let purged: Option<LogId> = store.get("purged").map_err(|e| Error::from_io(LOG_FILE, e))?;
    let durable = state.durable().0.map(|at| at.index);
    if purged.map(|id| id.index) > durable {
        return Err(Error::Corrupt(format!("the log begins after {purged:?}, the state ends at {durable:?}")));
    }
    Ok(())
}

/// An error of the core as one of I/O, so that damage is told from a failing disk in one place.
pub(crate) fn core_error(error: cell_core::Error) -> std::io::Error {
    match error {
        cell_core::Error::Storage(source) => match &*source {
            redb::Error::Io(e) => std::io::Error::new(e.kind(), e.to_string()),
            redb::Error::Corrupted(what) => corrupt(what.clone()),
            other => std::io::Error::other(other.to_string()),
        },
        cell_core::Error::Corrupt(what) => corrupt(what),
        error @ cell_core::Error::UnfinishedSnapshot => corrupt(error.to_string()),
        other => std::io::Error::other(other),
    }
}
