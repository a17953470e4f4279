//! Snapshots: the last durable checkpoint as openraft sees it, and installing one that was received.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cell_core::{LogPosition, SnapshotHeader, SnapshotReader, SnapshotWriter, State};
use openraft::alias::SnapshotOf;
use redb::Database;
use tokio::time::Instant;

use super::apply::stored_membership;
use super::{Machine, Slot};
use crate::runtime::run_blocking;
use crate::types::{SnapshotMeta, TypeConfig, log_id};
use crate::volume::{INCOMING_FILE, STATE_FILE, core_error, guarded, open_database};

/// How long an interrupted transfer may be resumed: the log behind its snapshot stays as long.
const PIN_MAX: Duration = Duration::from_secs(600);

/// Copying within the process happens only at a start.
const COPY_CHUNK_BYTES: usize = 1 << 20;
const COPY_CACHE_BYTES: usize = 16 << 20;

/// A snapshot on its way out, or one that has come in.
pub(crate) enum Snapshot {
    Outgoing(Arc<SnapshotReader>),
    Received(Incoming),
}

/// A complete, verified snapshot in [`INCOMING_FILE`].
pub(crate) struct Incoming {
    pub(crate) database: Database,
    pub(crate) header: SnapshotHeader,
}

/// A snapshot that a follower is receiving: kept, so that a cut does not begin it anew.
pub(super) struct Pin {
    reader: Arc<SnapshotReader>,
    used: Instant,
}

pub(crate) fn meta(header: &SnapshotHeader) -> io::Result<SnapshotMeta> {
    let last_membership = stored_membership(header.membership.clone())?;
    Ok(SnapshotMeta { last_log_id: header.applied.map(log_id), last_membership })
}

impl Machine {
    /// The snapshot to send: the one that is being sent already, or the last durable checkpoint.
    pub(super) fn current_snapshot(&self) -> io::Result<Option<SnapshotOf<TypeConfig, Snapshot>>> {
        let snapshot = match self.pinned() {
            Some(reader) => outgoing(reader)?,
            None => self.newest_snapshot()?,
        };
        Ok(Some(snapshot).filter(|snapshot| snapshot.meta.last_log_id.is_some()))
    }

    /// The last durable checkpoint, be it empty.
    pub(super) fn newest_snapshot(&self) -> io::Result<SnapshotOf<TypeConfig, Snapshot>> {
        let reader = self.read(State::snapshot).map_err(|error| self.broken(error))?;
        outgoing(Arc::new(reader))
    }

    /// A transfer of this snapshot begins or goes on.
    pub(crate) fn pin(&self, reader: &Arc<SnapshotReader>) {
        *self.pins() = Some(Pin { reader: reader.clone(), used: Instant::now() });
    }

    /// The transfer is done.
    pub(crate) fn unpin(&self, reader: &Arc<SnapshotReader>) {
        let mut pins = self.pins();
        if pins.as_ref().is_some_and(|pin| Arc::ptr_eq(&pin.reader, reader)) {
            *pins = None;
        }
    }

    /// The log after this entry is needed by a follower that receives a snapshot.
    pub(super) fn pinned_at(&self) -> Option<LogPosition> {
        self.pinned()?.header().applied
    }

    fn pinned(&self) -> Option<Arc<SnapshotReader>> {
        let mut pins = self.pins();
        if pins.as_ref().is_some_and(|pin| pin.used.elapsed() > PIN_MAX) {
            *pins = None;
        }
        pins.as_ref().map(|pin| pin.reader.clone())
    }

    fn pins(&self) -> std::sync::MutexGuard<'_, Option<Pin>> {
        self.shared.pin.lock().expect("no panic under this lock")
    }

    /// Swaps the state for a received one. The rename is atomic and durable: before it the old state is whole, after
    /// it the new one.
    pub(super) async fn install(&self, meta: &SnapshotMeta, snapshot: Snapshot) -> io::Result<()> {
        let Incoming { database, header } = match snapshot {
            Snapshot::Received(incoming) => incoming,
            Snapshot::Outgoing(reader) => self.copy(reader).await?,
        };
        let _no_checkpoint = self.shared.writing.lock().await;
        let volume = self.shared.volume.clone();
        let opened = run_blocking(move || {
            guarded(|| {
                let state = State::open(database).map_err(core_error)?;
                volume.rename(INCOMING_FILE, STATE_FILE)?;
                Ok(state)
            })
        })
        .await;
        let state = opened.inspect_err(|e| self.shared.faults.raise_io("failed to install a snapshot", e))?;
        debug_assert_eq!(meta.last_log_id, header.applied.map(log_id), "the header made the meta");
        let replaced = {
            let mut slot = self.slot();
            let generation = slot.generation + 1;
            std::mem::replace(&mut *slot, Slot { state, generation, unwritten_since: None })
        };
        run_blocking(move || drop(replaced)).await;
        self.shared.sink.applied(vec![cell_core::Effect::CellChanged, cell_core::Effect::KeyringChanged]);
        Ok(())
    }
}

impl Machine {
    /// A snapshot that never left the process, as if it had been received.
    async fn copy(&self, reader: Arc<SnapshotReader>) -> io::Result<Incoming> {
        let volume = self.shared.volume.clone();
        let copy = move || {
            if volume.exists(INCOMING_FILE)? {
                volume.remove(INCOMING_FILE)?;
            }
            let header = reader.header().clone();
            let database = open_database(&*volume, INCOMING_FILE, COPY_CACHE_BYTES, |_| Ok(()))?;
            let mut writer = SnapshotWriter::create(database, header.clone()).map_err(core_error)?;
            while !writer.is_complete() {
                let chunk = reader.chunk(writer.after(), COPY_CHUNK_BYTES).map_err(core_error)?;
                writer.write_chunk(&chunk).map_err(core_error)?;
            }
            Ok(Incoming { database: writer.finish().map_err(core_error)?, header })
        };
        run_blocking(move || guarded(copy)).await
    }
}

fn outgoing(reader: Arc<SnapshotReader>) -> io::Result<SnapshotOf<TypeConfig, Snapshot>> {
    let meta = meta(reader.header())?;
    Ok(SnapshotOf::<TypeConfig, Snapshot> { meta, snapshot: Snapshot::Outgoing(reader) })
}
