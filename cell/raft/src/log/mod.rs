//! The Raft log: appended in memory at once, made durable by one writer that groups whatever waits into one commit.

mod cache;
mod reader;
mod storage;
mod writer;

use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc};

use crate::fault::Faults;
use crate::runtime::{run_blocking, spawn};
use crate::types::{LogId, Vote};
use crate::volume::{Store, guarded};
use cache::Cache;
use writer::Write;

/// Entries that are not durable yet, in KiB: what one group commit takes at most, and the memory it holds.
const UNFLUSHED_KIB_MAX: u32 = 64 << 10;

/// Writes that wait for the writer; their bytes are bounded by [`UNFLUSHED_KIB_MAX`].
const WRITES_QUEUED_MAX: usize = 4096;

/// openraft's log storage and reader: a cheap handle.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    writes: mpsc::Sender<Write>,
}

struct Shared {
    store: Arc<Store>,
    faults: Faults,
    cached: Mutex<Cache>,
    vote: Mutex<Option<Vote>>,
    /// KiB that may still become unflushed.
    room: Arc<Semaphore>,
}

impl Log {
    /// Loads what Raft needs at its start and starts the writer, which ends when all handles are gone.
    pub(crate) async fn open(store: Arc<Store>, faults: Faults, cache_bytes_max: usize) -> std::io::Result<Self> {
        let loading = store.clone();
        let load = move || {
            let vote = loading.get("vote")?;
            let purged: Option<LogId> = loading.get("purged")?;
            Ok((vote, Cache::load(&loading, purged, cache_bytes_max)?))
        };
        let (vote, cached) = run_blocking(move || guarded(load)).await?;
        let room = Arc::new(Semaphore::new(UNFLUSHED_KIB_MAX as usize));
        let shared = Arc::new(Shared { store, faults, cached: Mutex::new(cached), vote: Mutex::new(vote), room });
        let (writes, waiting) = mpsc::channel(WRITES_QUEUED_MAX);
        spawn(writer::run(shared.clone(), waiting));
        Ok(Self { shared, writes })
    }

    /// Bytes of entries that are kept, and the last purged index.
    pub(crate) fn size(&self) -> (u64, u64) {
        let cached = self.shared.cached();
        (cached.bytes_kept(), cached.purged().map_or(0, |id| id.index))
    }

    /// The highest index up to which the log can be purged so that about `tail` bytes stay.
    pub(crate) fn purgeable(&self, tail: u64) -> Option<u64> {
        self.shared.cached().purgeable(tail)
    }
}

impl Shared {
    fn cached(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cached.lock().expect("no panic under this lock")
    }
}
