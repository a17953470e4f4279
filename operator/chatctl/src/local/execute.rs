//! Performs the planner's actions on this machine, one at a time, each of them idempotent.

use std::io;

use cell_admin::{Found, HandOver, OwnedRange, SetVoters};
use cell_types::ReplicaName;
use operator_plan::{Action, Desired, FoundingRecord, Verb};

use super::ask::Asker;
use super::cluster_file::{self, ClusterFile};
use super::data_dir::DataDir;
use super::processes::{Processes, Stopped};
use super::{clock, file, founding, replica_command};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error(transparent)]
    Founding(#[from] founding::Error),
    #[error(transparent)]
    Cluster(#[from] cluster_file::Error),
    #[error("failed to start {replica}: {source}")]
    Start { replica: ReplicaName, source: io::Error },
    #[error("failed to stop {replica}: {source}")]
    Stop { replica: ReplicaName, source: io::Error },
    #[error("{replica}: {source}")]
    Admin { replica: ReplicaName, source: cell_admin::client::Error },
    #[error("{replica} has no address")]
    Unknown { replica: ReplicaName },
}

/// What performing works on.
pub(crate) struct Executor {
    pub(crate) dir: DataDir,
    pub(crate) desired: Desired,
    pub(crate) cluster: ClusterFile,
    pub(crate) asker: Asker,
    /// What the replicas log.
    pub(crate) log: Option<String>,
    pub(crate) processes: Processes,
}

impl Executor {
    /// Returns a line for people where the outcome is not what the action says.
    pub(crate) async fn perform(&mut self, action: &Action) -> Result<Option<String>, Error> {
        match &action.verb {
            Verb::StartReplica { replica } => self.start(replica).map(|()| None),
            Verb::StopReplica { replica } => self.stop(replica).await,
            Verb::SetVolumeAside { replica } => self.set_volume_aside(replica).await.map(Some),
            Verb::RecordFounders(record) => Ok(self.record_founders(record)?),
            Verb::Found { .. } => self.tell_founder(action).await.map(|()| None),
            Verb::ConfirmFounding { cell } => Ok(founding::confirm(&self.dir, cell).map(|()| None)?),
            Verb::HandOver { leader, to, .. } => {
                let asked = self.client(leader)?.hand_over(&HandOver { to: Some(to.clone()) }).await;
                asked.map(|()| None).map_err(|source| Error::Admin { replica: leader.clone(), source })
            }
            Verb::SetVoters { leader, voters, .. } => {
                let set = SetVoters { voters: *voters };
                let asked = self.client(leader)?.set_voters(set).await;
                asked.map(|()| None).map_err(|source| Error::Admin { replica: leader.clone(), source })
            }
            Verb::Wait { .. } | Verb::Blocked { .. } => Ok(None),
        }
    }

    /// For [`Verb::Found`]; needs no exclusive access, so that all founders can be told at the same time.
    pub(crate) async fn tell_founder(&self, action: &Action) -> Result<(), Error> {
        match &action.verb {
            Verb::Found { replica, record } => self.found(replica, record).await,
            _ => Ok(()),
        }
    }

    fn start(&mut self, replica: &ReplicaName) -> Result<(), Error> {
        if !self.cluster.replicas.contains_key(replica) {
            return Err(Error::Unknown { replica: replica.clone() });
        }
        let log = self.log.as_deref();
        let mut command = replica_command::build(&self.dir, &self.desired, &self.cluster, replica, log)?;
        self.processes.start(replica, &mut command).map_err(|source| Error::Start { replica: replica.clone(), source })
    }

    async fn stop(&mut self, replica: &ReplicaName) -> Result<Option<String>, Error> {
        let stopped = self.processes.stop(replica).await;
        let stopped = stopped.map_err(|source| Error::Stop { replica: replica.clone(), source })?;
        Ok((stopped == Some(Stopped::Killed)).then(|| format!("{replica} did not end in time and was killed")))
    }

    async fn set_volume_aside(&mut self, replica: &ReplicaName) -> Result<String, Error> {
        self.stop(replica).await?;
        let (from, folder) = (self.dir.volume(replica), self.dir.set_aside());
        std::fs::create_dir_all(&folder).map_err(|source| file::Error::new("make the folder", &folder, source))?;
        let to = folder.join(format!("{replica}-{}", clock::unix_seconds()));
        std::fs::rename(&from, &to).map_err(|source| file::Error::new("set aside", &from, source))?;
        file::sync_folder(&from)?;
        self.forget_address(replica)?;
        Ok(format!("its cell needs the files of {replica} no more; they are in {} until you remove them", to.display()))
    }

    /// Of a slot that nobody wants any more: nobody is to look for it there.
    fn forget_address(&mut self, replica: &ReplicaName) -> Result<(), cluster_file::Error> {
        if replica.ordinal().is_some_and(|ordinal| ordinal >= self.desired.replicas.get()) {
            self.cluster.replicas.remove(replica);
            self.cluster.write(&self.dir)?;
        }
        Ok(())
    }

    fn record_founders(&self, record: &FoundingRecord) -> Result<Option<String>, founding::Error> {
        let written = founding::record(&self.dir, record)?;
        Ok((!written).then(|| format!("the founders of {} were recorded before; that record counts", record.cell)))
    }

    async fn found(&self, replica: &ReplicaName, record: &FoundingRecord) -> Result<(), Error> {
        let found = Found {
            founders: record.founders.clone(),
            voters: record.voters,
            ranges: record.ranges.iter().map(|(range, epoch)| OwnedRange { range: *range, epoch: *epoch }).collect(),
        };
        let told = self.client(replica)?.found(&found).await;
        told.map_err(|source| Error::Admin { replica: replica.clone(), source })
    }

    fn client(&self, replica: &ReplicaName) -> Result<&cell_admin::Client, Error> {
        self.asker.client(replica).ok_or_else(|| Error::Unknown { replica: replica.clone() })
    }
}
