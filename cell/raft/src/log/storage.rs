//! openraft's log storage: every change is visible in memory at once and goes to the writer in order.

use std::io;
use std::sync::Arc;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use tokio::sync::{Semaphore, oneshot};

use super::writer::Write;
use super::{Log, UNFLUSHED_KIB_MAX};
use crate::codec::encode_entry;
use crate::types::{Entry, LogId, TypeConfig, Vote};

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let cached = self.shared.cached();
        Ok(LogState { last_purged_log_id: cached.purged(), last_log_id: cached.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, waiting) = oneshot::channel();
        self.write(Write::Vote { vote: *vote, done }).await?;
        waiting.await.map_err(|_| stopped())??;
        // Only a durable vote is ever read.
        *self.shared.vote.lock().expect("no panic under this lock") = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let truncations = {
            let mut cached = self.shared.cached();
            for entry in entries {
                let row = encode_entry(&entry);
                bytes += row.len();
                rows.push((entry.log_id.index, row.clone()));
                cached.append(entry, row.len());
            }
            cached.truncations()
        };
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, UNFLUSHED_KIB_MAX);
        let room = Semaphore::acquire_many_owned(Arc::clone(&self.shared.room), kib).await.map_err(|_| stopped())?;
        self.write(Write::Append { rows, truncations, callback, room }).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.shared.cached().truncate_after(last);
        let (done, waiting) = oneshot::channel();
        self.write(Write::Truncate { keep: last.map_or(0, |id| id.index + 1), done }).await?;
        // What follows may be durable in the state file before this file is synced again, and a start refuses a log
        // whose stale tail reaches past a newer state.
        waiting.await.map_err(|_| stopped())?
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.shared.cached().purge(upto);
        self.write(Write::Purge { upto }).await
    }
}

impl Log {
    async fn write(&self, write: Write) -> io::Result<()> {
        self.writes.send(write).await.map_err(|_| stopped())
    }
}

fn stopped() -> io::Error {
    io::Error::other("the log takes no more writes")
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;
    use redb::{ReadableDatabase, ReadableTableMetadata};

    use super::*;
    use crate::fault::Faults;
    use crate::types::LeaderId;
    use crate::volume::{LOG, LOG_FILE, Store, open_database};
    use crate::world::{MemoryVolume, run};

    fn entry(index: u64) -> Entry {
        Entry { log_id: LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }, payload: EntryPayload::Blank }
    }

    #[test]
    fn a_truncation_is_in_the_file_when_it_is_done() {
        run(|| async {
            let volume = MemoryVolume::default();
            let who = ("test".parse().unwrap(), "c0".parse().unwrap(), cell_types::Incarnation::new(1));
            let options = crate::Options::new(who, "c0-0".parse().unwrap(), vec![]);
            let fill = |database: &redb::Database| Store::fill(database, &options, cell_types::VolumeId::new(1));
            let store = Arc::new(Store::new(open_database(&volume, LOG_FILE, 1 << 20, fill).unwrap()).unwrap());
            let rows = || store.database.begin_read().unwrap().open_table(LOG).unwrap().len().unwrap();
            let mut log = Log::open(store.clone(), Faults::new(), 1 << 20).await.unwrap();
            log.append((0..10).map(entry), IOFlushed::noop()).await.unwrap();
            log.truncate_after(Some(entry(3).log_id)).await.unwrap();
            assert_eq!(rows(), 4);
        });
    }
}
