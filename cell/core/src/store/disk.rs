//! The state file: the only place that knows redb's tables. A [`Disk`] is the view of one durable checkpoint.

use std::sync::Arc;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};

use super::codec::{self, Row};
use super::key::RowKey;
use crate::Error;

/// Rows that are led by a placement key, and move with it.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// The cell's own rows: identity, ranges, registry, settings, applied position. They never move.
const CELL: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("cell");

/// Format of the whole file; rows have their own version besides.
pub(crate) const FILE_FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";

/// Present while a snapshot is being received: such a file is no state yet.
const PROGRESS_KEY: &[u8] = b"receiving";

type Bytes = &'static [u8];

/// Which of the two tables a snapshot's row belongs to. The order is that of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Cell,
    Rows,
}

impl Part {
    /// The byte before the key in a snapshot's stream.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Cell => 0,
            Self::Rows => 1,
        }
    }
}

/// A read view that does not change, and keeps the database open.
pub(crate) struct Disk {
    rows: ReadOnlyTable<Bytes, Bytes>,
    cell: ReadOnlyTable<Bytes, Bytes>,
    database: Arc<Database>,
}

impl Disk {
    /// Opens the state in a database, and makes an empty one in an empty database.
    pub(crate) fn open(database: Database) -> Result<Arc<Self>, Error> {
        let write = database.begin_write().map_err(storage)?;
        let is_new = {
            let mut cell = write.open_table(CELL).map_err(storage)?;
            write.open_table(ROWS).map_err(storage)?;
            check_format(&cell)?;
            if cell.get(PROGRESS_KEY).map_err(storage)?.is_some() {
                return Err(Error::UnfinishedSnapshot);
            }
            let is_new = cell.get(FORMAT_KEY).map_err(storage)?.is_none();
            if is_new {
                cell.insert(FORMAT_KEY, FILE_FORMAT.to_be_bytes().as_slice()).map_err(storage)?;
            }
            is_new
        };
        if is_new {
            commit(write)?;
        } else {
            write.abort().map_err(storage)?;
        }
        Self::view(Arc::new(database))
    }

    fn view(database: Arc<Database>) -> Result<Arc<Self>, Error> {
        let read = database.begin_read().map_err(storage)?;
        let rows = read.open_table(ROWS).map_err(storage)?;
        let cell = read.open_table(CELL).map_err(storage)?;
        Ok(Arc::new(Self { rows, cell, database }))
    }

    pub(crate) fn get<K: RowKey, R: Row>(&self, key: &K) -> Result<Option<R>, Error> {
        let key = key.to_bytes();
        let found = self.rows.get(key.as_slice()).map_err(storage)?;
        found.map(|bytes| codec::decode(key.as_slice(), bytes.value())).transpose()
    }

    pub(crate) fn get_cell<R: Row>(&self, key: &[u8]) -> Result<Option<R>, Error> {
        let found = self.cell.get(key).map_err(storage)?;
        found.map(|bytes| codec::decode(key, bytes.value())).transpose()
    }

    /// Rows from `first` to `last`, both included, in key order.
    pub(crate) fn range<K: RowKey, R: Row>(
        &self,
        first: &K,
        last: &K,
    ) -> Result<impl Iterator<Item = Result<(K, R), Error>> + use<K, R>, Error> {
        let (first, last) = (first.to_bytes(), last.to_bytes());
        let rows = self.rows.range::<&[u8]>(first.as_slice()..=last.as_slice()).map_err(storage)?;
        Ok(rows.map(|row| {
            let (key, value) = row.map_err(storage)?;
            let typed = K::from_bytes(key.value())
                .ok_or_else(|| Error::Corrupt(format!("a {} row has a malformed key", R::NAME)))?;
            Ok((typed, codec::decode(key.value(), value.value())?))
        }))
    }

    /// The first key of `rows` at or after these bytes.
    pub(crate) fn seek(&self, from: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut rows = self.rows.range::<&[u8]>(from..).map_err(storage)?;
        let first = rows.next().transpose().map_err(storage)?;
        Ok(first.map(|(key, _)| key.value().to_vec()))
    }

    /// Rows of both tables.
    pub(crate) fn len(&self) -> Result<u64, Error> {
        Ok(self.rows.len().map_err(storage)? + self.cell.len().map_err(storage)?)
    }

    /// Raw rows of one table after a key, until `take` says that it has enough. True at the table's end.
    pub(crate) fn scan(
        &self,
        part: Part,
        after: &[u8],
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, Error> {
        use std::ops::Bound::{Excluded, Unbounded};
        let table = if part == Part::Cell { &self.cell } else { &self.rows };
        for row in table.range::<&[u8]>((Excluded(after), Unbounded)).map_err(storage)? {
            let (key, value) = row.map_err(storage)?;
            if !take(key.value(), value.value()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a checkpoint in one durable commit, and returns the view of it.
    pub(crate) fn write(&self, fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>) -> Result<Arc<Self>, Error> {
        write(&self.database, fill)?;
        Self::view(Arc::clone(&self.database))
    }
}

/// Fills a transaction and makes it durable.
pub(crate) fn write(database: &Database, fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>) -> Result<(), Error> {
    let write = database.begin_write().map_err(storage)?;
    {
        let mut writer =
            Writer { rows: write.open_table(ROWS).map_err(storage)?, cell: write.open_table(CELL).map_err(storage)? };
        fill(&mut writer)?;
    }
    commit(write)
}

fn commit(mut write: redb::WriteTransaction) -> Result<(), Error> {
    write.set_durability(Durability::Immediate).map_err(storage)?;
    // Reopening after a crash takes 0.5 s for a gigabyte instead of 4 s.
    write.set_quick_repair(true);
    write.commit().map_err(storage)
}

/// The two tables inside a transaction.
pub(crate) struct Writer<'t> {
    rows: redb::Table<'t, Bytes, Bytes>,
    cell: redb::Table<'t, Bytes, Bytes>,
}

impl Writer<'_> {
    pub(crate) fn put(&mut self, part: Part, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match part {
            Part::Cell => self.cell.insert(key, value).map_err(storage)?,
            Part::Rows => self.rows.insert(key, value).map_err(storage)?,
        };
        Ok(())
    }

    pub(crate) fn delete(&mut self, part: Part, key: &[u8]) -> Result<(), Error> {
        match part {
            Part::Cell => self.cell.remove(key).map_err(storage)?,
            Part::Rows => self.rows.remove(key).map_err(storage)?,
        };
        Ok(())
    }

    /// Rows of both tables, without the mark of a snapshot being received.
    pub(crate) fn len(&self) -> Result<u64, Error> {
        let mark = u64::from(self.progress()?.is_some());
        Ok(self.rows.len().map_err(storage)? + self.cell.len().map_err(storage)? - mark)
    }

    pub(crate) fn progress(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.cell.get(PROGRESS_KEY).map_err(storage)?.map(|value| value.value().to_vec()))
    }

    pub(crate) fn set_progress(&mut self, progress: Option<&[u8]>) -> Result<(), Error> {
        match progress {
            Some(progress) => self.put(Part::Cell, PROGRESS_KEY, progress),
            None => self.delete(Part::Cell, PROGRESS_KEY),
        }
    }
}

/// What a file says of a snapshot being received, if anything.
pub(crate) fn progress(database: &Database) -> Result<Option<Vec<u8>>, Error> {
    let read = database.begin_read().map_err(storage)?;
    match read.open_table(CELL) {
        Ok(cell) => Ok(cell.get(PROGRESS_KEY).map_err(storage)?.map(|value| value.value().to_vec())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(storage(error)),
    }
}

fn check_format(cell: &impl ReadableTable<Bytes, Bytes>) -> Result<(), Error> {
    let Some(found) = cell.get(FORMAT_KEY).map_err(storage)? else { return Ok(()) };
    let found = found
        .value()
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Error::Corrupt("its format is not readable".to_owned()))?;
    if found > FILE_FORMAT { Err(Error::NewerFormat { found, known: FILE_FORMAT }) } else { Ok(()) }
}

fn storage(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(why) => Error::Corrupt(why),
        error => Error::Storage(Arc::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;
    use crate::test_cell::{Memory, TestCell};

    fn put(memory: &Memory, part: Part, key: &[u8], value: &[u8]) {
        write(&memory.database(), |writer| writer.put(part, key, value)).unwrap();
    }

    #[test]
    fn a_file_of_a_newer_format_is_refused_and_left_as_it_is() {
        let memory = Memory::default();
        drop(State::open(memory.database()).unwrap());
        put(&memory, Part::Cell, FORMAT_KEY, &(FILE_FORMAT + 1).to_be_bytes());
        for _ in 0..2 {
            let refused = State::open(memory.database()).err().unwrap();
            assert!(matches!(refused, Error::NewerFormat { found: 2, known: 1 }));
            assert!(refused.to_string().contains("run the newer version"));
        }
    }

    #[test]
    fn a_damaged_row_is_found_when_it_is_read() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        let rows = cell.dump();
        let memory = cell.memory.clone();
        drop(cell);
        for (key, value) in &rows {
            let mut damaged = value.clone();
            if let Some(byte) = damaged.last_mut().filter(|_| key[0] == 1) {
                *byte ^= 1;
                put(&memory, Part::Rows, &key[1..], &damaged);
            }
        }
        let state = State::open(memory.database()).unwrap();
        let opened = state.open_session(&"alice".parse().unwrap(), None);
        assert!(matches!(opened, Err(Error::Corrupt(why)) if why.contains("row")));
    }
}
