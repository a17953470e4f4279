//! The sending side: pieces of one checkpoint, in key order, on demand.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Chunk;
use crate::cell::Position;
use crate::store::Disk;
use crate::store::disk::{FILE_FORMAT, Part};
use crate::{Error, LogPosition};

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// Of the position and the digest: replicas at one entry make the same snapshot.
    pub id: u64,
    /// Format of the state file.
    pub format: u32,
    /// The last entry that is in it.
    pub applied: Option<LogPosition>,
    pub membership: Option<(LogPosition, Bytes)>,
    /// Of everything decided up to there.
    pub digest: u64,
    /// How many rows there are.
    pub rows: u64,
}

/// A view that does not change while it is read. The state file cannot shrink its free list meanwhile, so drop it soon.
pub struct SnapshotReader {
    disk: Arc<Disk>,
    header: SnapshotHeader,
}

impl SnapshotReader {
    pub(crate) fn new(disk: Arc<Disk>, position: &Position) -> Result<Self, Error> {
        let Position { applied, membership, log_time: _, digest } = position.clone();
        let named = postcard::to_stdvec(&(applied, digest)).expect("writing to memory cannot fail");
        let header =
            SnapshotHeader { id: xxh3_64(&named), format: FILE_FORMAT, applied, membership, digest, rows: disk.len()? };
        Ok(Self { disk, header })
    }

    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The rows after a key (none: from the beginning), about `bytes_max` of them but at least one if there is any.
    pub fn chunk(&self, after: Option<&[u8]>, bytes_max: usize) -> Result<Chunk, Error> {
        let (first, mut key) = match after {
            None => (Part::Cell, &[][..]),
            Some([0, key @ ..]) => (Part::Cell, key),
            Some([1, key @ ..]) => (Part::Rows, key),
            Some(_) => return Err(Error::BadChunk("no such key")),
        };
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        for part in [Part::Cell, Part::Rows] {
            if part < first {
                continue;
            }
            let is_end = self.disk.scan(part, key, |key, value| {
                bytes += key.len() + value.len();
                let fits = bytes <= bytes_max || rows.is_empty();
                if fits {
                    rows.push(([&[part.code()], key].concat(), value.to_vec()));
                }
                fits
            })?;
            if !is_end {
                return Ok(Chunk::new(self.header.id, after, rows, false));
            }
            key = &[];
        }
        Ok(Chunk::new(self.header.id, after, rows, true))
    }
}
