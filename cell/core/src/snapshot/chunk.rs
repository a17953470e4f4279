//! A piece of a snapshot.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Error;

/// Neighbouring rows. Keys begin with a byte that names the table: 0 the cell's own rows, 1 the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Which snapshot this is a piece of ([`super::SnapshotHeader::id`]).
    pub snapshot: u64,
    /// The key that the rows follow; none at the beginning.
    pub after: Option<Vec<u8>>,
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// The last key, if more rows follow: what to ask for next.
    pub next: Option<Vec<u8>>,
    /// Of everything above.
    pub digest: u64,
}

impl Chunk {
    pub(super) fn new(snapshot: u64, after: Option<&[u8]>, rows: Vec<(Vec<u8>, Vec<u8>)>, is_end: bool) -> Self {
        let next = rows.last().filter(|_| !is_end).map(|(key, _)| key.clone());
        let mut chunk = Self { snapshot, after: after.map(<[u8]>::to_vec), rows, next, digest: 0 };
        chunk.digest = chunk.compute_digest();
        chunk
    }

    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("writing to memory cannot fail")
    }

    /// Reads what [`Self::encode`] wrote, and checks the digest.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let chunk: Self = postcard::from_bytes(bytes).map_err(|_| Error::BadChunk("it is not readable"))?;
        chunk.check()?;
        Ok(chunk)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.digest == self.compute_digest() { Ok(()) } else { Err(Error::BadChunk("its digest is wrong")) }
    }

    fn compute_digest(&self) -> u64 {
        let some = |key: &Option<Vec<u8>>, seed| match key {
            Some(key) => xxh3_64_with_seed(key, seed),
            None => seed + 1,
        };
        let start = some(&self.next, some(&self.after, self.snapshot >> 1));
        self.rows.iter().fold(start, |seed, (key, value)| xxh3_64_with_seed(value, xxh3_64_with_seed(key, seed)))
    }
}
