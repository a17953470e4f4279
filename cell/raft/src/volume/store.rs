//! The rows in `log.redb` beside the log: who this replica is, how often it started, what it knows of its peers.
//!
//! Every method blocks; every write is durable when it returns.

use std::io;

use cell_types::{BootCount, CellName, ClusterId, Incarnation, NodeId, ReplicaName, VolumeId};
use redb::{Database, ReadableDatabase, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FORMAT, storage_error};
use crate::codec::{decode_row, encode_row};
use crate::options::Options;
use crate::replica::FoundingRecord;

/// Log entries by index ([`crate::codec::encode_entry`]).
pub(crate) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// Named rows ([`crate::codec::encode_row`]).
pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// The highest start known of each node id.
const BOOTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("boots");

/// Whose volume this is; written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) volume: VolumeId,
    pub(crate) cluster: ClusterId,
    pub(crate) cell: CellName,
    pub(crate) incarnation: Incarnation,
    pub(crate) replica: ReplicaName,
}

/// A node's volume, the highest boot count heard of it, and which start said it: the same start may ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownBoot {
    pub(crate) volume: VolumeId,
    pub(crate) boot: BootCount,
    pub(crate) start: u64,
}

/// An open `log.redb`.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) identity: Identity,
}

impl Store {
    /// Fills a new file.
    pub(crate) fn fill(database: &Database, options: &Options, volume: VolumeId) -> io::Result<()> {
        let identity = Identity {
            volume,
            cluster: options.cluster.clone(),
            cell: options.cell.clone(),
            incarnation: options.incarnation,
            replica: options.replica.clone(),
        };
        let transaction = database.begin_write().map_err(storage_error)?;
        {
            transaction.open_table(LOG).map_err(storage_error)?;
            transaction.open_table(BOOTS).map_err(storage_error)?;
            let mut meta = transaction.open_table(META).map_err(storage_error)?;
            meta.insert("format", encode_row(&FORMAT).as_slice()).map_err(storage_error)?;
            meta.insert("identity", encode_row(&identity).as_slice()).map_err(storage_error)?;
        }
        transaction.commit().map_err(storage_error)
    }

    pub(crate) fn format(database: &Database) -> io::Result<u32> {
        read(database, "format")?.ok_or_else(|| crate::codec::corrupt("the format row is missing"))
    }

    pub(crate) fn new(database: Database) -> io::Result<Self> {
        let identity =
            read(&database, "identity")?.ok_or_else(|| crate::codec::corrupt("the identity row is missing"))?;
        Ok(Self { database, identity })
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        read(&self.database, name)
    }

    fn put<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.put_rows(&[(name, encode_row(value))])
    }

    fn put_rows(&self, rows: &[(&str, Vec<u8>)]) -> io::Result<()> {
        let transaction = self.database.begin_write().map_err(storage_error)?;
        {
            let mut meta = transaction.open_table(META).map_err(storage_error)?;
            for (name, row) in rows {
                meta.insert(*name, row.as_slice()).map_err(storage_error)?;
            }
        }
        transaction.commit().map_err(storage_error)
    }

    /// Counts one more start (or one more minute of running: any copy of the volume is then behind).
    pub(crate) fn count_boot(&self) -> io::Result<BootCount> {
        let boot = self.get::<BootCount>("boot")?.map_or(1, |boot| boot.get() + 1);
        self.put("boot", &BootCount::new(boot))?;
        Ok(BootCount::new(boot))
    }

    pub(crate) fn node(&self) -> io::Result<Option<NodeId>> {
        self.get("node")
    }

    pub(crate) fn set_node(&self, node: NodeId) -> io::Result<()> {
        self.put("node", &node)
    }

    pub(crate) fn founding(&self) -> io::Result<Option<FoundingRecord>> {
        self.get("founding")
    }

    /// Both or none: a founder without its node id would answer no peer's question about a start.
    pub(crate) fn set_founding(&self, record: &FoundingRecord, node: NodeId) -> io::Result<()> {
        self.put_rows(&[("founding", encode_row(record)), ("node", encode_row(&node))])
    }

    pub(crate) fn known_boot(&self, node: NodeId) -> io::Result<Option<KnownBoot>> {
        let transaction = self.database.begin_read().map_err(storage_error)?;
        let table = transaction.open_table(BOOTS).map_err(storage_error)?;
        table.get(node.get()).map_err(storage_error)?.map(|row| decode_row(row.value())).transpose()
    }

    pub(crate) fn set_known_boot(&self, node: NodeId, known: KnownBoot) -> io::Result<()> {
        let transaction = self.database.begin_write().map_err(storage_error)?;
        {
            let mut table = transaction.open_table(BOOTS).map_err(storage_error)?;
            table.insert(node.get(), encode_row(&known).as_slice()).map_err(storage_error)?;
        }
        transaction.commit().map_err(storage_error)
    }
}

fn read<T: DeserializeOwned>(database: &Database, name: &str) -> io::Result<Option<T>> {
    let transaction = database.begin_read().map_err(storage_error)?;
    let meta = transaction.open_table(META).map_err(storage_error)?;
    meta.get(name).map_err(storage_error)?.map(|row| decode_row(row.value())).transpose()
}
