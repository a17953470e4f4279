//! `cluster.json`: what is wanted of this local cluster and which addresses its replicas have, across starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cell_types::{ClusterId, ReplicaName};
use crds::chat_cluster::Spec;
use operator_plan::Desired;
use serde::{Deserialize, Serialize};

use super::data_dir::DataDir;
use super::file;

/// Written by this version. A file with a higher one is refused: its meaning is unknown.
const VERSION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error("this folder was written by a newer version of chatctl (format {found}, this one knows {VERSION})")]
    Newer { found: u32 },
    #[error("cluster.json asks for what cannot be: {0}")]
    Spec(#[from] operator_plan::Error),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClusterFile {
    version: u32,
    pub(crate) cluster: ClusterId,
    /// Grows with every `up`, so that a replica can tell a later planner from an earlier one.
    pub(crate) operator_term: u64,
    /// As asked for; the first replica's client address may differ if that port was 0, or taken at a later start.
    pub(crate) listen: SocketAddr,
    pub(crate) spec: Spec,
    pub(crate) replicas: BTreeMap<ReplicaName, Addresses>,
}

/// Where one replica listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Addresses {
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl ClusterFile {
    pub(crate) fn new(
        desired: &Desired,
        operator_term: u64,
        listen: SocketAddr,
        replicas: BTreeMap<ReplicaName, Addresses>,
    ) -> Self {
        Self {
            version: VERSION,
            cluster: desired.cluster.clone(),
            operator_term,
            listen,
            spec: Spec::from(desired),
            replicas,
        }
    }

    /// None before the first start.
    pub(crate) fn read(dir: &DataDir) -> Result<Option<Self>, Error> {
        let version: Option<VersionOnly> = file::read_json(&dir.cluster())?;
        match version {
            None => Ok(None),
            Some(VersionOnly { version: found }) if found > VERSION => Err(Error::Newer { found }),
            Some(_) => Ok(file::read_json(&dir.cluster())?),
        }
    }

    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), Error> {
        Ok(file::replace_json(&dir.cluster(), self)?)
    }

    pub(crate) fn desired(&self) -> Result<Desired, Error> {
        Ok(self.spec.over(&Desired::default_of(self.cluster.clone()))?)
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, DataDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn what_was_wanted_is_read_back() {
        let (_temp, dir) = dir();
        assert_eq!(ClusterFile::read(&dir).unwrap(), None);
        let desired = Desired::default_of("local".parse().unwrap());
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = Addresses { client: at(1), peer: at(2), admin: at(3), metrics: at(4) };
        let replicas = BTreeMap::from([("c0-0".parse().unwrap(), addresses)]);
        let written = ClusterFile::new(&desired, 7, at(8080), replicas);
        written.write(&dir).unwrap();
        let read = ClusterFile::read(&dir).unwrap().unwrap();
        assert_eq!(read, written);
        assert_eq!(read.desired().unwrap(), desired);
    }

    #[test]
    fn a_folder_of_a_newer_version_is_refused_with_a_clear_error() {
        let (_temp, dir) = dir();
        std::fs::write(dir.cluster(), r#"{"version":2,"what":"is this"}"#).unwrap();
        let error = ClusterFile::read(&dir).unwrap_err().to_string();
        assert!(error.contains("newer version") && error.contains('2'), "{error}");
    }
}
