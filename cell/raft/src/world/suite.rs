//! openraft's own suite for storages, on ours.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use super::MemoryVolume;
use super::cell::Collected;
use crate::fault::Faults;
use crate::log::Log;
use crate::machine::{Limits, Machine};
use crate::seams::Volume;
use crate::types::TypeConfig;
use crate::volume::{STATE_FILE, Store, open_database};

struct Builder;

impl StoreBuilder<TypeConfig, Log, Machine, ()> for Builder {
    async fn build(&self) -> Result<((), Log, Machine), StorageError<TypeConfig>> {
        let volume = MemoryVolume::default();
        let who = ("test".parse().unwrap(), "c0".parse().unwrap(), cell_types::Incarnation::new(1));
        let options = crate::Options::new(who, "c0-0".parse().unwrap(), vec![]);
        let state = open_database(&volume, STATE_FILE, 1 << 20, |_| Ok(())).unwrap();
        let fill = |database: &redb::Database| Store::fill(database, &options, cell_types::VolumeId::new(1));
        let log = open_database(&volume, crate::volume::LOG_FILE, 1 << 20, fill).unwrap();
        let faults = Faults::new();
        let log = Log::open(Arc::new(Store::new(log).unwrap()), faults.clone(), 1 << 20).await.unwrap();
        let state = cell_core::State::open(state).unwrap();
        let limits = Limits { checkpoint_bytes: 1 << 20, tail_bytes: 1 << 20 };
        let volume: Arc<dyn Volume> = Arc::new(volume);
        Ok(((), log, Machine::new(state, Arc::new(Collected::default()), faults, volume, limits)))
    }
}

#[test]
fn our_storage_passes_openrafts_suite() {
    super::run(|| async { Suite::test_all(Builder).await.unwrap() });
}
