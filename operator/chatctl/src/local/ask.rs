//! Asking the replicas: one client for each admin port, all asked at once.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_admin::client::Error;
use cell_admin::{CellIdentity, Client, Fence, OperatorTerm, Status, Token};
use cell_types::{Incarnation, ReplicaName, VolumeId};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::cluster_file::ClusterFile;
use super::replica_command::cell_of;

/// A status comes from memory, on this machine; a process that is paused must not hold up the look at the others.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// The local cluster founds each cell once, and never anew.
const INCARNATION: Incarnation = Incarnation::new(1);

/// A volume that is not opened yet. Its replica cannot say anything of itself.
const NO_VOLUME: VolumeId = VolumeId::new(0);

#[derive(Debug)]
pub(crate) struct Asker {
    clients: BTreeMap<ReplicaName, Client>,
}

impl Asker {
    pub(crate) fn new(cluster: &ClusterFile, token: &Token) -> Result<Self, Error> {
        let mut clients = BTreeMap::new();
        for (replica, addresses) in &cluster.replicas {
            let Some(cell) = cell_of(replica) else { continue };
            let identity = CellIdentity { cluster: cluster.cluster.clone(), cell, incarnation: INCARNATION };
            let fence = Fence { identity, term: OperatorTerm::new(cluster.operator_term) };
            clients.insert(replica.clone(), Client::new(&addresses.admin.to_string(), token, fence)?);
        }
        Ok(Self { clients })
    }

    pub(crate) fn client(&self, replica: &ReplicaName) -> Option<&Client> {
        self.clients.get(replica)
    }

    /// What those of these replicas say that answer in time.
    pub(crate) async fn statuses(&self, asked: impl Fn(&ReplicaName) -> bool) -> BTreeMap<ReplicaName, Status> {
        let asked = self.clients.iter().filter(|(replica, _)| asked(replica));
        let answers = join_all(asked.map(|(replica, client)| async move {
            let status = timeout(STATUS_TIMEOUT, client.status()).await.ok()?.ok()?;
            // Another replica may have been given this port meanwhile.
            (status.replica == *replica && status.volume != NO_VOLUME).then(|| (replica.clone(), status))
        }));
        answers.await.into_iter().flatten().collect()
    }
}
