//! Reading entries: from memory where they are new, from the file where they are old.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use openraft::{OptionalSend, RaftLogReader};
use redb::ReadableDatabase;

use super::Log;
use crate::codec::{corrupt, decode_entry};
use crate::runtime::run_blocking;
use crate::types::{Entry, TypeConfig, Vote};
use crate::volume::{LOG, guarded, storage_error};

/// Entries of one append message: many of them are in flight, and a frame stays far below its limit.
const READ_BYTES_MAX: u64 = 1 << 20;

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start..end).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(*self.shared.vote.lock().expect("no panic under this lock"))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let limited = self.shared.cached().limit(start..end, READ_BYTES_MAX);
        let entries = self.read(limited).await?;
        // A purge took the first ones: what is left does not follow what the asker has. None at all is a heartbeat.
        let follows = entries.first().is_some_and(|entry| entry.log_id.index == start);
        Ok(if follows { entries } else { Vec::new() })
    }
}

impl Log {
    async fn read(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        loop {
            let truncations = self.shared.cached().truncations();
            let read = self.read_once(range.clone()).await;
            // A truncation meanwhile may have taken or replaced what was read from the file: that is no damage.
            if self.shared.cached().truncations() == truncations {
                return read.inspect_err(|e| self.shared.faults.raise_io("failed to read the log", e));
            }
        }
    }

    async fn read_once(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        let (in_file, cached) = self.shared.cached().read(range);
        if in_file.is_empty() {
            return Ok(cached);
        }
        let store = self.shared.store.clone();
        let wanted = in_file.clone();
        let read = run_blocking(move || {
            guarded(|| {
                let transaction = store.database.begin_read().map_err(storage_error)?;
                let table = transaction.open_table(LOG).map_err(storage_error)?;
                let rows = table.range(wanted).map_err(storage_error)?;
                rows.map(|row| decode_entry(&bytes::Bytes::copy_from_slice(row.map_err(storage_error)?.1.value())))
                    .collect::<io::Result<Vec<_>>>()
            })
        })
        .await?;
        // A purge may have run meanwhile and taken entries from the front; a gap anywhere else is damage.
        let missing = in_file.end - in_file.start - read.len() as u64;
        let first = read.first().map_or(in_file.end, |entry| entry.log_id.index);
        if first != in_file.start + missing {
            return Err(corrupt(format!("the log lacks entries of {in_file:?}")));
        }
        Ok(read.into_iter().chain(cached).collect())
    }
}
