//! A frozen generation of every table, which another thread writes in one durable commit.

use std::any::Any;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, PoisonError};

use super::Disk;
use super::codec::{self, Row};
use super::disk::Part;
use super::key::{KeyBytes, RowKey};
use super::table::{Freeze, Generation};
use crate::Error;
use crate::cell::{Cell, Position};

/// What has to be written to make the state durable as it was when the checkpoint began.
///
/// After an error of [`Self::write`] the process must exit: what the disk holds then is unknown, and a second fsync
/// would not tell.
pub struct Checkpoint {
    disk: Arc<Disk>,
    frozen: Vec<Arc<dyn Frozen>>,
    cell: Cell,
    position: Position,
    /// The generation before. Freeing it takes as long as writing it, so that is done here too.
    old: Mutex<Vec<Box<dyn Any + Send>>>,
    written: Mutex<Option<Arc<Disk>>>,
}

impl Checkpoint {
    pub(crate) fn new(disk: Arc<Disk>, cell: Cell, position: Position) -> Self {
        Self { disk, frozen: Vec::new(), cell, position, old: Mutex::default(), written: Mutex::default() }
    }

    /// Adds a table's frozen generation, and the one before it.
    pub(crate) fn add<K, V>(&mut self, freeze: Freeze<K, V>)
    where
        K: RowKey + Send + Sync + 'static,
        V: Row + Send + Sync + 'static,
    {
        self.frozen.push(freeze.frozen);
        self.old.get_mut().unwrap_or_else(PoisonError::into_inner).push(Box::new(freeze.old));
    }

    /// Writes everything in key order, and fsyncs; blocks. Once it succeeded, give it to `State::end_checkpoint`.
    pub fn write(&self) -> Result<(), Error> {
        self.old.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let disk = self.disk.write(|writer| {
            let mut value = Vec::new();
            let mut tables: Vec<_> = self.frozen.iter().map(|table| table.rows().peekable()).collect();
            while let Some((key, write)) = next_row(&mut tables) {
                if write(&mut value) {
                    writer.put(Part::Rows, key.as_slice(), &value)?;
                } else {
                    writer.delete(Part::Rows, key.as_slice())?;
                }
            }
            codec::encode(Cell::KEY, &self.cell, &mut value);
            writer.put(Part::Cell, Cell::KEY, &value)?;
            codec::encode(Position::KEY, &self.position, &mut value);
            writer.put(Part::Cell, Position::KEY, &value)
        })?;
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(disk);
        Ok(())
    }

    /// The view of what was written, and where in the log that is; `None` unless [`Self::write`] succeeded.
    pub(crate) fn into_written(self) -> Option<(Arc<Disk>, Position)> {
        let written = self.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        written.map(|disk| (disk, self.position))
    }
}

/// Writes a row's bytes into a buffer; false if the row is deleted.
type WriteRow<'a> = Box<dyn Fn(&mut Vec<u8>) -> bool + 'a>;
type Rows<'a> = Box<dyn Iterator<Item = (KeyBytes, WriteRow<'a>)> + 'a>;

/// A generation whose types are forgotten.
trait Frozen: Send + Sync {
    fn rows(&self) -> Rows<'_>;
}

impl<K: RowKey + Send + Sync, V: Row + Send + Sync> Frozen for Generation<K, V> {
    fn rows(&self) -> Rows<'_> {
        Box::new(self.iter().map(|(key, slot)| {
            let key = key.to_bytes();
            let write: WriteRow<'_> = Box::new(move |out| match &slot.value {
                Some(row) => {
                    codec::encode(key.as_slice(), &**row, out);
                    true
                }
                None => false,
            });
            (key, write)
        }))
    }
}

/// The smallest key of all tables. No two tables share one.
fn next_row<'a>(tables: &mut [Peekable<Rows<'a>>]) -> Option<(KeyBytes, WriteRow<'a>)> {
    let heads = tables.iter_mut().enumerate().filter_map(|(n, rows)| rows.peek().map(|(key, _)| (*key, n)));
    let (_, n) = heads.min_by(|(one, _), (other, _)| one.as_slice().cmp(other.as_slice()))?;
    tables[n].next()
}
