//! `run.json`: the processes of the `up` that runs, for those who look from outside.

use std::collections::BTreeMap;

use cell_types::ReplicaName;
use serde::{Deserialize, Serialize};

use super::data_dir::DataDir;
use super::file;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// The `up` that wrote this.
    pub(crate) up: u32,
    pub(crate) replicas: BTreeMap<ReplicaName, u32>,
}

impl RunFile {
    /// None if there is none, or if it is not one of ours: nothing depends on it that cannot be seen otherwise.
    pub(crate) fn read(dir: &DataDir) -> Option<Self> {
        file::read_json(&dir.run()).ok().flatten()
    }

    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), file::Error> {
        file::replace_json(&dir.run(), self)
    }

    pub(crate) fn remove(dir: &DataDir) -> Result<(), file::Error> {
        match std::fs::remove_file(dir.run()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(file::Error::new("remove", &dir.run(), error))
            }
            _ => Ok(()),
        }
    }
}
