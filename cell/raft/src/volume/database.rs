//! Opening redb files so that damage is an error, never a panic, and creation is atomic.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{BackendError, Builder, Database, StorageBackend};

use crate::codec::corrupt;
use crate::seams::Volume;

/// Files up to this size are verified page by page at each open (about 0.1 s); larger ones by the background scrub,
/// because a 1 GB store must open in under a second.
const CHECK_ON_OPEN_LEN_MAX: u64 = 128 << 20;

/// Opens `name`; if it is missing it is created under a temporary name, filled by `fill` and renamed, because a power
/// loss during redb's first creation leaves a file that it refuses.
pub(crate) fn open_database(
    volume: &dyn Volume,
    name: &str,
    cache_bytes: usize,
    fill: impl FnOnce(&Database) -> io::Result<()>,
) -> io::Result<Database> {
    if !volume.exists(name)? {
        let fresh = format!("new.{name}");
        if volume.exists(&fresh)? {
            volume.remove(&fresh)?;
        }
        guarded(|| {
            let database =
                builder(cache_bytes).create_with_backend(Backend(volume.open(&fresh)?)).map_err(storage_error)?;
            fill(&database)?;
            database.close().map_err(storage_error)
        })?;
        volume.rename(&fresh, name)?;
    }
    let backend = volume.open(name)?;
    let len = backend.len()?;
    if len == 0 {
        return Err(corrupt(format!("{name} is empty")));
    }
    guarded(|| open_backend(backend, cache_bytes, len <= CHECK_ON_OPEN_LEN_MAX))
}

fn open_backend(backend: Box<dyn StorageBackend>, cache_bytes: usize, check: bool) -> io::Result<Database> {
    builder(cache_bytes).set_check_integrity_on_open(check).create_with_backend(Backend(backend)).map_err(|error| {
        match error {
            // A file that is not redb's at all.
            redb::DatabaseError::Storage(redb::StorageError::Io(e)) if e.kind() == io::ErrorKind::InvalidData => e,
            redb::DatabaseError::UpgradeRequired(_) | redb::DatabaseError::RepairAborted => corrupt(error.to_string()),
            other => storage_error(other),
        }
    })
}

/// redb takes a concrete backend.
#[derive(Debug)]
struct Backend(Box<dyn StorageBackend>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

/// redb trusts its pages: on a damaged file it may panic. That is damage, too.
pub(crate) fn guarded<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(corrupt(format!("the store panicked: {}", message.unwrap_or("no message"))))
    })
}

/// An error of redb as one of I/O: damage is `InvalidData`, a full disk stays `StorageFull`.
pub(crate) fn storage_error(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        redb::Error::Corrupted(what) => corrupt(what),
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableDoesNotExist(_)) => corrupt(error.to_string()),
        other => io::Error::other(other),
    }
}
