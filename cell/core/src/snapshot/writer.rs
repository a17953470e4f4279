//! The receiving side: fills an empty state file, and goes on where it was after a crash.

use redb::Database;
use serde::{Deserialize, Serialize};

use super::{Chunk, SnapshotHeader};
use crate::Error;
use crate::store::disk::{self, FILE_FORMAT, Part};

/// Takes chunks into a database. Until [`Self::finish`] that database is no state: `State::open` refuses it.
pub struct SnapshotWriter {
    database: Database,
    progress: Progress,
}

/// Kept in the file, in the same commit as the rows it speaks of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    header: SnapshotHeader,
    /// The last key written.
    after: Option<Vec<u8>>,
    is_complete: bool,
}

impl SnapshotWriter {
    /// Begins in an empty database.
    pub fn create(database: Database, header: SnapshotHeader) -> Result<Self, Error> {
        if header.format > FILE_FORMAT {
            return Err(Error::NewerFormat { found: header.format, known: FILE_FORMAT });
        }
        let progress = Progress { header, after: None, is_complete: false };
        disk::write(&database, |writer| {
            if writer.len()? != 0 || writer.progress()?.is_some() {
                return Err(Error::BadChunk("the database is not empty"));
            }
            writer.set_progress(Some(&encode(&progress)))
        })?;
        Ok(Self { database, progress })
    }

    /// Goes on in a database that [`Self::create`] began; gives the database back if it holds no unfinished snapshot.
    pub fn resume(database: Database) -> Result<Result<Self, Database>, Error> {
        let Some(bytes) = disk::progress(&database)? else { return Ok(Err(database)) };
        let progress =
            postcard::from_bytes(&bytes).map_err(|_| Error::Corrupt("its progress is not readable".to_owned()))?;
        Ok(Ok(Self { database, progress }))
    }

    /// The snapshot that is being received. Chunks of another one do not fit: then begin anew in another file.
    pub fn header(&self) -> &SnapshotHeader {
        &self.progress.header
    }

    /// The key after which rows are due: what to ask the sender for.
    pub fn after(&self) -> Option<&[u8]> {
        self.progress.after.as_deref()
    }

    /// Whether the last chunk was written.
    pub fn is_complete(&self) -> bool {
        self.progress.is_complete
    }

    /// Writes and fsyncs a chunk. One that was written before changes nothing.
    pub fn write_chunk(&mut self, chunk: &Chunk) -> Result<(), Error> {
        chunk.check()?;
        if chunk.snapshot != self.progress.header.id {
            return Err(Error::BadChunk("it is of another snapshot"));
        }
        if self.progress.is_complete || chunk.after < self.progress.after {
            return Ok(());
        }
        if chunk.after != self.progress.after {
            return Err(Error::BadChunk("rows before it are missing"));
        }
        let mut progress = self.progress.clone();
        if let Some((last, _)) = chunk.rows.last() {
            progress.after = Some(last.clone());
        }
        progress.is_complete = chunk.next.is_none();
        disk::write(&self.database, |writer| {
            for (key, value) in &chunk.rows {
                let (part, key) = match key.as_slice() {
                    [0, key @ ..] => (Part::Cell, key),
                    [1, key @ ..] => (Part::Rows, key),
                    _ => return Err(Error::BadChunk("no such key")),
                };
                writer.put(part, key, value)?;
            }
            writer.set_progress(Some(&encode(&progress)))
        })?;
        self.progress = progress;
        Ok(())
    }

    /// Checks that every row is there, and makes the database a state; returns it for `State::open`.
    pub fn finish(self) -> Result<Database, Error> {
        if !self.progress.is_complete {
            return Err(Error::UnfinishedSnapshot);
        }
        disk::write(&self.database, |writer| {
            if writer.len()? != self.progress.header.rows {
                return Err(Error::BadChunk("it has not as many rows as its header says"));
            }
            writer.set_progress(None)
        })?;
        Ok(self.database)
    }
}

fn encode(progress: &Progress) -> Vec<u8> {
    postcard::to_stdvec(progress).expect("writing to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;
    use crate::test_cell::*;

    fn talkative() -> TestCell {
        let mut cell = TestCell::new();
        cell.send_many("alice", "bob", 100);
        cell.send_many("carol", "bob", 30);
        cell.ack("bob", "phone", 50);
        cell.checkpoint();
        cell
    }

    #[test]
    fn a_received_snapshot_is_the_same_state() {
        let mut cell = talkative();
        let reader = cell.state.snapshot().unwrap();
        cell.send("alice", "bob", "too late for the snapshot");
        cell.checkpoint();
        let memory = Memory::default();
        let mut writer = SnapshotWriter::create(memory.database(), reader.header().clone()).unwrap();
        let mut chunks = 0;
        while !writer.is_complete() {
            let chunk = reader.chunk(writer.after(), 1_000).unwrap();
            writer.write_chunk(&Chunk::decode(&chunk.encode()).unwrap()).unwrap();
            chunks += 1;
        }
        assert!(chunks > 10, "{chunks}");
        let state = State::open(writer.finish().unwrap()).unwrap();
        assert_eq!(state.applied().0, reader.header().applied);
        assert_eq!(state.digest(), reader.header().digest);
        assert_eq!(rows(&state.snapshot().unwrap(), 5_000), rows(&reader, usize::MAX));
    }

    #[test]
    fn receiving_goes_on_after_a_crash_and_an_unfinished_file_is_no_state() {
        let cell = talkative();
        let reader = cell.state.snapshot().unwrap();
        let memory = Memory::default();
        let mut writer = SnapshotWriter::create(memory.database(), reader.header().clone()).unwrap();
        let first = reader.chunk(None, 2_000).unwrap();
        writer.write_chunk(&first).unwrap();
        drop(writer);
        assert!(matches!(State::open(memory.database()), Err(Error::UnfinishedSnapshot)));
        let mut writer = SnapshotWriter::resume(memory.database()).unwrap().unwrap();
        assert_eq!(writer.header(), reader.header());
        assert_eq!(writer.after(), first.next.as_deref());
        writer.write_chunk(&first).unwrap();
        writer.write_chunk(&reader.chunk(writer.after(), usize::MAX).unwrap()).unwrap();
        let state = State::open(writer.finish().unwrap()).unwrap();
        assert_eq!(rows(&state.snapshot().unwrap(), usize::MAX), rows(&reader, usize::MAX));
    }

    #[test]
    fn a_chunk_that_is_damaged_missing_or_of_another_snapshot_is_refused() {
        let mut cell = talkative();
        let reader = cell.state.snapshot().unwrap();
        let mut writer = SnapshotWriter::create(Memory::default().database(), reader.header().clone()).unwrap();
        let (first, last) = (reader.chunk(None, 2_000).unwrap(), reader.chunk(None, 9_000).unwrap());
        let after = reader.chunk(last.next.as_deref(), 2_000).unwrap();
        let mut damaged = first.clone();
        damaged.rows[0].1[0] ^= 1;
        cell.send("alice", "bob", "more");
        cell.checkpoint();
        let other = cell.state.snapshot().unwrap().chunk(None, 2_000).unwrap();
        for chunk in [damaged, after, other] {
            assert!(matches!(writer.write_chunk(&chunk), Err(Error::BadChunk(_))));
        }
        assert!(matches!(writer.finish(), Err(Error::UnfinishedSnapshot)));
    }

    #[test]
    fn a_database_that_is_not_empty_takes_no_snapshot() {
        let cell = talkative();
        let header = cell.state.snapshot().unwrap().header().clone();
        let memory = Memory::default();
        drop(State::open(memory.database()).unwrap());
        assert!(SnapshotWriter::create(memory.database(), header).is_err());
        assert!(SnapshotWriter::resume(memory.database()).unwrap().is_err());
    }
}
