//! What is known of the log without touching the file: its bounds, the size of each entry, and the newest entries.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use redb::{ReadableDatabase, ReadableTable};

use crate::codec::decode_entry;
use crate::types::{Entry, LogId};
use crate::volume::{LOG, Store, storage_error};

/// Invariant: `sizes` covers every kept entry, `entries` a suffix of them that contains everything not durable yet.
#[derive(Debug)]
pub(super) struct Cache {
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Stored size of each kept entry, from `first` on.
    sizes: VecDeque<u32>,
    first: u64,
    bytes_kept: u64,
    /// The newest entries, up to the end of `sizes`.
    entries: VecDeque<Entry>,
    bytes_cached: u64,
    bytes_cached_max: u64,
    /// Entries before this index are durable.
    durable_end: u64,
    /// Counts truncations: a flush that was begun before one says nothing of the entries after it.
    truncations: u64,
}

impl Cache {
    /// Reads the bounds and sizes of a log file, which has been checked.
    pub(super) fn load(store: &Store, purged: Option<LogId>, bytes_cached_max: usize) -> io::Result<Self> {
        let transaction = store.database.begin_read().map_err(storage_error)?;
        let table = transaction.open_table(LOG).map_err(storage_error)?;
        let mut sizes = VecDeque::new();
        let mut first = purged.map_or(0, |id| id.index + 1);
        for row in table.iter().map_err(storage_error)? {
            let (index, value) = row.map_err(storage_error)?;
            if sizes.is_empty() {
                first = index.value();
            }
            sizes.push_back(size(value.value().len()));
        }
        let last = match table.last().map_err(storage_error)? {
            Some((_, row)) => Some(decode_entry(&bytes::Bytes::copy_from_slice(row.value()))?.log_id),
            None => purged,
        };
        let bytes_kept = sizes.iter().map(|n| u64::from(*n)).sum();
        let durable_end = first + sizes.len() as u64;
        let bytes_cached_max = bytes_cached_max as u64;
        let (entries, bytes_cached) = (VecDeque::new(), 0);
        Ok(Self {
            purged,
            last,
            sizes,
            first,
            bytes_kept,
            entries,
            bytes_cached,
            bytes_cached_max,
            durable_end,
            truncations: 0,
        })
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    pub(super) fn bytes_kept(&self) -> u64 {
        self.bytes_kept
    }

    fn end(&self) -> u64 {
        self.first + self.sizes.len() as u64
    }

    fn cached_from(&self) -> u64 {
        self.end() - self.entries.len() as u64
    }

    /// Appends an entry of `len` stored bytes. An entry that does not follow the last begins a new log after a
    /// snapshot; openraft purges up to the snapshot before.
    pub(super) fn append(&mut self, entry: Entry, len: usize) {
        if self.sizes.is_empty() {
            self.first = entry.log_id.index;
            self.durable_end = self.first;
        }
        debug_assert_eq!(entry.log_id.index, self.end(), "openraft appends without gaps");
        self.last = Some(entry.log_id);
        self.sizes.push_back(size(len));
        self.bytes_kept += len as u64;
        self.bytes_cached += len as u64;
        self.entries.push_back(entry);
        self.evict();
    }

    pub(super) fn truncations(&self) -> u64 {
        self.truncations
    }

    /// Everything before `end`, appended after `truncations` truncations, is on disk.
    pub(super) fn flushed(&mut self, end: u64, truncations: u64) {
        if truncations == self.truncations {
            self.durable_end = self.durable_end.max(end.min(self.end()));
            self.evict();
        }
    }

    fn evict(&mut self) {
        while self.bytes_cached > self.bytes_cached_max && self.cached_from() < self.durable_end {
            let oldest = self.sizes[self.sizes.len() - self.entries.len()];
            self.entries.pop_front();
            self.bytes_cached -= u64::from(oldest);
        }
    }

    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let keep = last.map_or(0, |id| id.index + 1);
        if keep >= self.end() {
            return;
        }
        self.truncations += 1;
        while self.end() > keep.max(self.first) {
            let len = u64::from(self.sizes.pop_back().expect("the end lies after the first"));
            self.bytes_kept -= len;
            if self.entries.pop_back().is_some() {
                self.bytes_cached -= len;
            }
        }
        self.durable_end = self.durable_end.min(self.end());
        self.last = last.max(self.purged);
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while self.first <= upto.index && !self.sizes.is_empty() {
            let was_cached = self.entries.len() == self.sizes.len();
            let len = u64::from(self.sizes.pop_front().expect("not empty"));
            self.bytes_kept -= len;
            self.first += 1;
            if was_cached {
                self.entries.pop_front();
                self.bytes_cached -= len;
            }
        }
        if self.sizes.is_empty() {
            self.first = self.first.max(upto.index + 1);
            self.durable_end = self.first;
        }
        self.purged = self.purged.max(Some(upto));
        self.last = self.last.max(Some(upto));
    }

    /// Entries of `range` that are cached, and the part of it before them that has to come from the file.
    pub(super) fn read(&self, range: Range<u64>) -> (Range<u64>, Vec<Entry>) {
        let range = range.start.max(self.first)..range.end.min(self.end());
        if range.is_empty() {
            return (0..0, Vec::new());
        }
        let split = self.cached_from().clamp(range.start, range.end);
        let skip = usize::try_from(split.saturating_sub(self.cached_from())).expect("inside memory");
        let take = usize::try_from(range.end - split).expect("inside memory");
        (range.start..split, self.entries.iter().skip(skip).take(take).cloned().collect())
    }

    /// Shortens a range from its end so that it has at most about `bytes_max`, but at least one entry.
    pub(super) fn limit(&self, range: Range<u64>, bytes_max: u64) -> Range<u64> {
        let start = range.start.max(self.first);
        let mut bytes = 0;
        let mut end = start;
        while end < range.end.min(self.end()) {
            bytes += u64::from(self.sizes[usize::try_from(end - self.first).expect("inside memory")]);
            if bytes > bytes_max && end > start {
                break;
            }
            end += 1;
        }
        start..end
    }

    /// The last index that can go so that about `tail` bytes stay.
    pub(super) fn purgeable(&self, tail: u64) -> Option<u64> {
        let mut over = self.bytes_kept.checked_sub(tail)?;
        let mut upto = None;
        for (index, len) in (self.first..).zip(&self.sizes) {
            let Some(rest) = over.checked_sub(u64::from(*len)) else { break };
            over = rest;
            upto = Some(index);
        }
        upto
    }
}

fn size(len: usize) -> u32 {
    u32::try_from(len).expect("an entry is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::types::LeaderId;

    fn id(index: u64) -> LogId {
        LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }
    }

    fn cache(bytes_cached_max: u64) -> Cache {
        Cache {
            purged: None,
            last: None,
            sizes: VecDeque::new(),
            first: 0,
            bytes_kept: 0,
            entries: VecDeque::new(),
            bytes_cached: 0,
            bytes_cached_max,
            durable_end: 0,
            truncations: 0,
        }
    }

    fn filled(bytes_cached_max: u64, entries: u64) -> Cache {
        let mut cache = cache(bytes_cached_max);
        (0..entries).for_each(|n| cache.append(Entry { log_id: id(n), payload: EntryPayload::Blank }, 10));
        cache
    }

    #[test]
    fn what_is_not_durable_is_never_evicted() {
        let mut cache = filled(30, 10);
        assert_eq!(cache.read(0..10).1.len(), 10);
        cache.flushed(4, 0);
        assert_eq!(cache.read(0..10).0, 0..4);
        cache.flushed(10, 0);
        assert_eq!(cache.read(0..10).0, 0..7);
        assert_eq!(cache.read(8..9).1[0].log_id, id(8));
    }

    #[test]
    fn the_late_report_of_a_flush_does_not_cover_what_replaced_its_entries() {
        let mut cache = filled(30, 10);
        cache.truncate_after(Some(id(2)));
        assert_eq!(cache.read(0..10).1.len(), 3);
        (3..9).for_each(|n| cache.append(Entry { log_id: id(n), payload: EntryPayload::Blank }, 10));
        cache.flushed(10, 0);
        assert_eq!(cache.read(0..10).1.len(), 9, "none of them may come from the file yet");
        cache.flushed(9, 1);
        assert_eq!(cache.read(0..10).0, 0..6);
    }

    #[test]
    fn a_purge_past_the_end_leaves_an_empty_log_that_goes_on_after_it() {
        let mut cache = filled(1000, 3);
        cache.purge(id(20));
        assert_eq!((cache.last(), cache.purged()), (Some(id(20)), Some(id(20))));
        cache.append(Entry { log_id: id(21), payload: EntryPayload::Blank }, 10);
        assert_eq!(cache.read(0..30).1.len(), 1);
    }

    #[test]
    fn a_limited_read_has_at_least_one_entry() {
        let cache = filled(1000, 10);
        assert_eq!(cache.limit(2..10, 35), 2..5);
        assert_eq!(cache.limit(2..10, 1), 2..3);
    }

    #[test]
    fn what_can_be_purged_leaves_the_tail() {
        let cache = filled(1000, 10);
        assert_eq!(cache.purgeable(1000), None);
        assert_eq!(cache.purgeable(35), Some(5));
        assert_eq!(cache.purgeable(0), Some(9));
    }
}
