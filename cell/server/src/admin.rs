//! What a planner may ask of this replica.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::health::ReplicaHealth;
use crate::os::process;
use cell_admin::{Admin, CellIdentity, Found, HandOver, OperatorTerm, OwnedRange, Refusal, SetVoters, Status};
use cell_core::view::Setting;
use cell_core::{Command, Reply};
use cell_raft::{FoundingRecord, Replica, Unavailable};
use cell_types::{Lifecycle, ReplicaCount, ReplicaName, Role, VolumeId};

/// Answers planners.
pub struct ReplicaAdmin {
    pub identity: CellIdentity,
    pub replica_name: ReplicaName,
    pub replica: Replica,
    pub health: Arc<ReplicaHealth>,
}

impl Admin for ReplicaAdmin {
    fn identity(&self) -> CellIdentity {
        self.identity.clone()
    }

    async fn status(&self) -> Status {
        let status = self.replica.status().borrow().clone();
        let (ranges, voters_wanted) = self
            .replica
            .read(|state| {
                let founded = state.identity().is_some();
                let voters = founded.then(|| state.settings().voters);
                (state.ranges().to_vec(), voters.and_then(|voters| ReplicaCount::try_from(voters).ok()))
            })
            .unwrap_or_default();
        Status {
            identity: self.identity.clone(),
            replica: self.replica_name.clone(),
            volume: status.volume.unwrap_or(VolumeId::new(0)),
            node: status.node,
            lifecycle: lifecycle(&status),
            role: role(status.role),
            leader: status.leader,
            raft_term: status.term,
            ranges: ranges.into_iter().map(|(range, epoch)| OwnedRange { range, epoch }).collect(),
            voters: status.voters.into_iter().collect::<BTreeSet<_>>(),
            voters_wanted,
            log_index: status.last_log,
            committed_index: status.committed,
            applied_index: status.applied,
            durable_index: status.durable,
            serving: self.health.why_not_ready().is_none(),
            messages: status.messages.into_iter().chain(status.fatal).collect(),
            connections: self.health.connections(),
            process: process::id(),
            operator_term: OperatorTerm::default(),
        }
    }

    async fn found(&self, found: Found) -> Result<(), Refusal> {
        let record = FoundingRecord {
            cluster: self.identity.cluster.clone(),
            cell: self.identity.cell.clone(),
            incarnation: self.identity.incarnation,
            founders: found.founders.into_iter().collect(),
            voters: found.voters.get(),
            ranges: found.ranges.into_iter().map(|OwnedRange { range, epoch }| (range, epoch)).collect(),
        };
        self.replica.found(record).await.map_err(|error| Refusal::Conflict(error.to_string()))
    }

    async fn hand_over(&self, hand_over: HandOver) -> Result<(), Refusal> {
        self.replica.hand_over(hand_over.to).await.map_err(|error| unavailable(&error))
    }

    async fn set_voters(&self, set: SetVoters) -> Result<(), Refusal> {
        match self.replica.propose(Command::ChangeSetting(Setting::Voters(set.voters.get()))).await {
            Ok(Reply::Rejected(rejection)) => Err(Refusal::Conflict(rejection.to_string())),
            Ok(_) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn unavailable(error: &Unavailable) -> Refusal {
    match error {
        Unavailable::NotLeader { leader } => Refusal::NotLeader { leader: leader.clone() },
        Unavailable::Overloaded | Unavailable::Unknown => Refusal::Unavailable(error.to_string()),
    }
}

fn role(role: cell_raft::Role) -> Role {
    match role {
        cell_raft::Role::Down => Role::Down,
        cell_raft::Role::Learner => Role::Learner,
        cell_raft::Role::Follower | cell_raft::Role::Candidate => Role::Follower,
        cell_raft::Role::Leader => Role::Leader,
    }
}

fn lifecycle(status: &cell_raft::Status) -> Lifecycle {
    match status.lifecycle {
        cell_raft::Lifecycle::Starting | cell_raft::Lifecycle::Empty => Lifecycle::Empty,
        cell_raft::Lifecycle::Confirming => Lifecycle::Joining,
        cell_raft::Lifecycle::Running if status.voter => Lifecycle::Running,
        cell_raft::Lifecycle::Running => Lifecycle::Joining,
        cell_raft::Lifecycle::Failed | cell_raft::Lifecycle::Stopped => Lifecycle::Failed,
    }
}
