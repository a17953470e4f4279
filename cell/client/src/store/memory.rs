//! A store that lasts as long as its process.

use super::{Durability, Error, Record, Saved, Store};

/// Keeps nothing over a restart: for tests, and for clients whose unanswered sends may die with them.
#[derive(Debug, Default)]
pub struct MemoryStore {
    saved: Saved,
}

impl MemoryStore {
    /// A store that holds this already.
    pub fn with(saved: Saved) -> Self {
        Self { saved }
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Saved {
        self.saved.clone()
    }

    fn append(&mut self, records: &[Record], _: Durability) -> Result<(), Error> {
        records.iter().for_each(|record| self.saved.apply(record));
        Ok(())
    }

    fn may_block(&self) -> bool {
        false
    }
}
