//! Wire values to typed ones and back. Whatever a peer sent wrong is named here and goes no further.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cell_types::{Epoch, Incarnation, KeyRange, Lifecycle, NodeId, PlacementKey, ReplicaCount, Role};

use crate::model::{CellIdentity, Fence, Found, HandOver, OperatorTerm, OwnedRange, SetVoters, Status};
use crate::wire;

/// A value on the wire that is not one of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("field {0} is missing")]
    Missing(&'static str),
    #[error("field {field} is invalid: {why}")]
    Invalid { field: &'static str, why: String },
}

fn parse<T: FromStr<Err: ToString>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::Invalid { field, why: error.to_string() })
}

fn count(field: &'static str, count: u32) -> Result<ReplicaCount, Error> {
    ReplicaCount::try_from(count).map_err(|error| Error::Invalid { field, why: error.to_string() })
}

impl From<&Fence> for wire::Fence {
    fn from(fence: &Fence) -> Self {
        Self {
            cluster: fence.identity.cluster.to_string(),
            cell: fence.identity.cell.to_string(),
            incarnation: fence.identity.incarnation.get(),
            operator_term: fence.term.get(),
        }
    }
}

impl TryFrom<Option<wire::Fence>> for Fence {
    type Error = Error;

    fn try_from(fence: Option<wire::Fence>) -> Result<Self, Error> {
        let fence = fence.ok_or(Error::Missing("fence"))?;
        let identity = CellIdentity {
            cluster: parse("cluster", &fence.cluster)?,
            cell: parse("cell", &fence.cell)?,
            incarnation: Incarnation::new(fence.incarnation),
        };
        Ok(Self { identity, term: OperatorTerm::new(fence.operator_term) })
    }
}

impl From<&OwnedRange> for wire::OwnedRange {
    fn from(owned: &OwnedRange) -> Self {
        Self {
            start: owned.range.start().get(),
            last: u64::try_from(owned.range.end() - 1).expect("a range ends at most at 2^64"),
            epoch: owned.epoch.get(),
        }
    }
}

impl TryFrom<wire::OwnedRange> for OwnedRange {
    type Error = Error;

    fn try_from(owned: wire::OwnedRange) -> Result<Self, Error> {
        let range = KeyRange::new(PlacementKey::new(owned.start), u128::from(owned.last) + 1)
            .map_err(|error| Error::Invalid { field: "range", why: error.to_string() })?;
        Ok(Self { range, epoch: Epoch::new(owned.epoch) })
    }
}

impl From<Status> for wire::StatusResponse {
    fn from(status: Status) -> Self {
        Self {
            cluster: status.identity.cluster.to_string(),
            cell: status.identity.cell.to_string(),
            incarnation: status.identity.incarnation.get(),
            replica: status.replica.to_string(),
            volume: status.volume.to_string(),
            node: status.node.map(NodeId::get),
            lifecycle: wire::Lifecycle::from(status.lifecycle).into(),
            role: wire::Role::from(status.role).into(),
            leader: status.leader.map(|leader| leader.to_string()),
            raft_term: status.raft_term,
            ranges: status.ranges.iter().map(Into::into).collect(),
            voters: status.voters.iter().map(ToString::to_string).collect(),
            voters_wanted: status.voters_wanted.map(ReplicaCount::get),
            log_index: status.log_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            durable_index: status.durable_index,
            serving: status.serving,
            messages: status.messages,
            connections: status.connections,
            process: status.process,
            operator_term: status.operator_term.get(),
        }
    }
}

impl TryFrom<wire::StatusResponse> for Status {
    type Error = Error;

    fn try_from(status: wire::StatusResponse) -> Result<Self, Error> {
        Ok(Self {
            lifecycle: Lifecycle::try_from(status.lifecycle())?,
            role: Role::try_from(status.role())?,
            identity: CellIdentity {
                cluster: parse("cluster", &status.cluster)?,
                cell: parse("cell", &status.cell)?,
                incarnation: Incarnation::new(status.incarnation),
            },
            replica: parse("replica", &status.replica)?,
            volume: parse("volume", &status.volume)?,
            node: status.node.map(NodeId::new),
            leader: status.leader.map(|leader| parse("leader", &leader)).transpose()?,
            raft_term: status.raft_term,
            ranges: status.ranges.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            voters: status.voters.iter().map(|slot| parse("voters", slot)).collect::<Result<BTreeSet<_>, _>>()?,
            voters_wanted: status.voters_wanted.map(|wanted| count("voters_wanted", wanted)).transpose()?,
            log_index: status.log_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            durable_index: status.durable_index,
            serving: status.serving,
            messages: status.messages,
            connections: status.connections,
            process: status.process,
            operator_term: OperatorTerm::new(status.operator_term),
        })
    }
}

impl From<Lifecycle> for wire::Lifecycle {
    fn from(lifecycle: Lifecycle) -> Self {
        match lifecycle {
            Lifecycle::Empty => Self::Empty,
            Lifecycle::Founding => Self::Founding,
            Lifecycle::Joining => Self::Joining,
            Lifecycle::Running => Self::Running,
            Lifecycle::Removed => Self::Removed,
            Lifecycle::Failed => Self::Failed,
        }
    }
}

impl TryFrom<wire::Lifecycle> for Lifecycle {
    type Error = Error;

    fn try_from(lifecycle: wire::Lifecycle) -> Result<Self, Error> {
        match lifecycle {
            wire::Lifecycle::Unspecified => Err(Error::Missing("lifecycle")),
            wire::Lifecycle::Empty => Ok(Self::Empty),
            wire::Lifecycle::Founding => Ok(Self::Founding),
            wire::Lifecycle::Joining => Ok(Self::Joining),
            wire::Lifecycle::Running => Ok(Self::Running),
            wire::Lifecycle::Removed => Ok(Self::Removed),
            wire::Lifecycle::Failed => Ok(Self::Failed),
        }
    }
}

impl From<Role> for wire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Leader => Self::Leader,
            Role::Follower => Self::Follower,
            Role::Learner => Self::Learner,
            Role::Down => Self::Down,
        }
    }
}

impl TryFrom<wire::Role> for Role {
    type Error = Error;

    fn try_from(role: wire::Role) -> Result<Self, Error> {
        match role {
            wire::Role::Unspecified => Err(Error::Missing("role")),
            wire::Role::Leader => Ok(Self::Leader),
            wire::Role::Follower => Ok(Self::Follower),
            wire::Role::Learner => Ok(Self::Learner),
            wire::Role::Down => Ok(Self::Down),
        }
    }
}

/// A founding and the fence it came with.
pub(crate) fn found_request(fence: &Fence, found: &Found) -> wire::FoundRequest {
    let founders = found.founders.iter();
    wire::FoundRequest {
        fence: Some(fence.into()),
        founders: founders
            .map(|(slot, volume)| wire::Founder { replica: slot.to_string(), volume: volume.to_string() })
            .collect(),
        voters: found.voters.get(),
        ranges: found.ranges.iter().map(Into::into).collect(),
    }
}

impl TryFrom<wire::FoundRequest> for Found {
    type Error = Error;

    fn try_from(request: wire::FoundRequest) -> Result<Self, Error> {
        let mut founders = BTreeMap::new();
        for founder in &request.founders {
            let replica = parse("founder", &founder.replica)?;
            if founders.insert(replica, parse("founder's volume", &founder.volume)?).is_some() {
                return Err(Error::Invalid { field: "founders", why: format!("{} is listed twice", founder.replica) });
            }
        }
        Ok(Self {
            founders,
            voters: count("voters", request.voters)?,
            ranges: request.ranges.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<wire::HandOverRequest> for HandOver {
    type Error = Error;

    fn try_from(request: wire::HandOverRequest) -> Result<Self, Error> {
        Ok(Self { to: request.to.map(|to| parse("to", &to)).transpose()? })
    }
}

impl TryFrom<wire::SetVotersRequest> for SetVoters {
    type Error = Error;

    fn try_from(request: wire::SetVotersRequest) -> Result<Self, Error> {
        Ok(Self { voters: count("voters", request.voters)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence() -> wire::Fence {
        wire::Fence { cluster: "local".into(), cell: "c0".into(), incarnation: 1, operator_term: 3 }
    }

    #[test]
    fn the_whole_key_space_survives_the_wire() {
        let all = OwnedRange { range: KeyRange::ALL, epoch: Epoch::new(1) };
        assert_eq!(OwnedRange::try_from(wire::OwnedRange::from(&all)), Ok(all));
    }

    #[test]
    fn a_founder_that_is_listed_twice_is_refused() {
        let founder = wire::Founder { replica: "c0-0".into(), volume: "0".repeat(32) };
        let request = wire::FoundRequest {
            fence: Some(fence()),
            founders: vec![founder.clone(), founder],
            voters: 1,
            ranges: vec![],
        };
        assert!(Found::try_from(request).unwrap_err().to_string().contains("c0-0 is listed twice"));
    }

    #[test]
    fn a_wrong_value_is_named() {
        let wrong = wire::Fence { cell: "C0".into(), ..fence() };
        assert!(Fence::try_from(Some(wrong)).unwrap_err().to_string().starts_with("field cell is invalid"));
        assert_eq!(Fence::try_from(None), Err(Error::Missing("fence")));
        let request = wire::SetVotersRequest { fence: Some(fence()), voters: 2 };
        assert!(SetVoters::try_from(request).unwrap_err().to_string().contains("1, 3 or 5"));
    }
}
