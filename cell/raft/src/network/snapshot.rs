//! Sending and receiving a snapshot in chunks; after a cut the sender goes on where the receiver is.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cell_core::{Chunk, SnapshotHeader, SnapshotReader, SnapshotWriter};
use openraft::raft::SnapshotResponse;

use super::link::Link;
use super::{Error, Refusal, Request, Response, SNAPSHOT_CHUNK_TIMEOUT, SNAPSHOT_INSTALL_TIMEOUT};
use crate::machine::{Incoming, Machine};
use crate::runtime::run_blocking;
use crate::seams::Volume;
use crate::types::{TypeConfig, Vote};
use crate::volume::{INCOMING_FILE, core_error, guarded, open_database};

/// Small against memory and against a frame; large against a round trip.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Streams a snapshot to the node `to` and has it installed.
pub(super) async fn send(
    link: &Link,
    to: u64,
    vote: Vote,
    reader: &Arc<SnapshotReader>,
    machine: &Machine,
) -> Result<SnapshotResponse<TypeConfig>, Error> {
    let offer = Request::OfferSnapshot(reader.header().clone());
    let Response::SnapshotAt { mut after, is_complete: mut is_done } =
        link.request(to, &offer, SNAPSHOT_CHUNK_TIMEOUT).await?
    else {
        return Err(Error::Malformed);
    };
    while !is_done {
        let (from, reading) = (after.clone(), reader.clone());
        let chunk = run_blocking(move || {
            guarded(|| {
                let chunk = reading.chunk(from.as_deref(), CHUNK_BYTES_MAX).map_err(core_error)?;
                Ok((chunk.next.clone(), Bytes::from(chunk.encode())))
            })
        });
        let (next, bytes) = chunk.await.map_err(|e| Error::Refused(Refusal::Failed(e.to_string())))?;
        link.request(to, &Request::SnapshotChunk(bytes), SNAPSHOT_CHUNK_TIMEOUT).await?;
        // From here on it is worth resuming; a follower that is away altogether gets the newest when it is back.
        machine.pin(reader);
        is_done = next.is_none();
        after = next;
    }
    let install = Request::InstallSnapshot { vote, snapshot: reader.header().id };
    match link.request(to, &install, SNAPSHOT_INSTALL_TIMEOUT).await? {
        Response::SnapshotInstalled(response) => {
            machine.unpin(reader);
            Ok(response)
        }
        _ => Err(Error::Malformed),
    }
}

/// The receiving side: at most one snapshot at a time, in [`INCOMING_FILE`].
pub(crate) struct Receiver {
    volume: Arc<dyn Volume>,
    cache_bytes: usize,
    writer: tokio::sync::Mutex<Option<SnapshotWriter>>,
}

impl Receiver {
    pub(crate) fn new(volume: Arc<dyn Volume>, cache_bytes: usize) -> Self {
        Self { volume, cache_bytes, writer: tokio::sync::Mutex::new(None) }
    }

    /// Begins, or finds what is there of the same snapshot.
    pub(crate) async fn offer(&self, header: SnapshotHeader) -> io::Result<Response> {
        let mut slot = self.writer.lock().await;
        let current = slot.take();
        let (volume, cache_bytes) = (self.volume.clone(), self.cache_bytes);
        let writer = run_blocking(move || guarded(|| begin(&*volume, cache_bytes, current, header))).await?;
        let after = writer.after().map(<[u8]>::to_vec);
        let answer = Response::SnapshotAt { after, is_complete: writer.is_complete() };
        *slot = Some(writer);
        Ok(answer)
    }

    pub(crate) async fn chunk(&self, bytes: Bytes) -> io::Result<Response> {
        let mut slot = self.writer.lock().await;
        let mut writer = slot.take().ok_or_else(|| io::Error::other("no snapshot was offered"))?;
        let write = move || {
            let chunk = Chunk::decode(&bytes).map_err(core_error)?;
            writer.write_chunk(&chunk).map_err(core_error)?;
            Ok(writer)
        };
        let writer = run_blocking(move || guarded(write)).await?;
        let after = writer.after().map(<[u8]>::to_vec);
        let answer = Response::SnapshotAt { after, is_complete: writer.is_complete() };
        *slot = Some(writer);
        Ok(answer)
    }

    /// Verifies what was received. Until the guard is dropped nothing else is received: installing renames the file
    /// by its name.
    pub(crate) async fn finish(&self, snapshot: u64) -> io::Result<(Incoming, impl Sized)> {
        let mut slot = self.writer.lock().await;
        let writer = slot.take().ok_or_else(|| io::Error::other("no snapshot was offered"))?;
        if writer.header().id != snapshot {
            return Err(io::Error::other("another snapshot was offered meanwhile"));
        }
        let header = writer.header().clone();
        let database = run_blocking(move || guarded(|| writer.finish().map_err(core_error))).await?;
        Ok((Incoming { database, header }, slot))
    }
}

fn begin(
    volume: &dyn Volume,
    cache_bytes: usize,
    current: Option<SnapshotWriter>,
    header: SnapshotHeader,
) -> io::Result<SnapshotWriter> {
    if let Some(writer) = current.filter(|writer| *writer.header() == header) {
        return Ok(writer);
    }
    if volume.exists(INCOMING_FILE)? {
        // Whatever is wrong with it: it is begun anew.
        let found = open_database(volume, INCOMING_FILE, cache_bytes, |_| Ok(()))
            .and_then(|database| SnapshotWriter::resume(database).map_err(core_error));
        if let Ok(Ok(writer)) = found
            && *writer.header() == header
        {
            return Ok(writer);
        }
        volume.remove(INCOMING_FILE)?;
    }
    let database = open_database(volume, INCOMING_FILE, cache_bytes, |_| Ok(()))?;
    SnapshotWriter::create(database, header).map_err(core_error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::volume::STATE_FILE;
    use crate::world::{MemoryVolume, run};

    #[test]
    fn while_a_snapshot_is_installed_nothing_touches_its_file() {
        run(|| async {
            let sender = open_database(&MemoryVolume::default(), STATE_FILE, 1 << 20, |_| Ok(())).unwrap();
            let reader = cell_core::State::open(sender).unwrap().snapshot().unwrap();
            let volume = MemoryVolume::default();
            let receiver = Receiver::new(Arc::new(volume.clone()), 1 << 20);
            let header = reader.header().clone();
            receiver.offer(header.clone()).await.unwrap();
            let chunk = reader.chunk(None, CHUNK_BYTES_MAX).unwrap();
            receiver.chunk(Bytes::from(chunk.encode())).await.unwrap();
            let (incoming, installing) = receiver.finish(header.id).await.unwrap();

            let next = SnapshotHeader { id: header.id + 1, ..header };
            let offered = tokio::time::timeout(Duration::from_secs(5), receiver.offer(next.clone())).await;
            assert!(offered.is_err(), "the file is still to be renamed");
            volume.rename(INCOMING_FILE, STATE_FILE).unwrap();
            drop((incoming, installing));
            assert!(receiver.offer(next).await.is_ok());
        });
    }
}
