//! Why a replica did not do what a planner asked.

use cell_types::ReplicaName;
use tonic::{Code, Status as Rpc};

/// Metadata key that names the refusal, because several of them share a gRPC code.
const KIND: &str = "chatcells-refusal";

/// Metadata key that names the leader in [`Refusal::NotLeader`].
const LEADER: &str = "chatcells-leader";

/// A replica's refusal. All but [`Refusal::Unavailable`] and [`Refusal::NotLeader`] stay until something else changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call was meant for another cluster, cell or incarnation.
    #[error("meant for another cell: {0}")]
    OtherCell(String),
    /// A planner with a higher term has taken over.
    #[error("a newer planner has taken over: {0}")]
    StaleTerm(String),
    /// What was asked contradicts what this cell is: another founding, a volume that is not listed, an unknown slot.
    #[error("refused: {0}")]
    Conflict(String),
    /// Only the leader can do this.
    #[error("not the leader{}", .leader.as_ref().map(|leader| format!(", which is {leader}")).unwrap_or_default())]
    NotLeader { leader: Option<ReplicaName> },
    /// Try again: no quorum now, or in the middle of a change.
    #[error("not now: {0}")]
    Unavailable(String),
}

impl Refusal {
    fn kind(&self) -> &'static str {
        match self {
            Self::OtherCell(_) => "other-cell",
            Self::StaleTerm(_) => "stale-term",
            Self::Conflict(_) => "conflict",
            Self::NotLeader { .. } => "not-leader",
            Self::Unavailable(_) => "unavailable",
        }
    }

    pub(crate) fn into_rpc(self) -> Rpc {
        let kind = self.kind();
        let (code, message, leader) = match self {
            Self::OtherCell(why) | Self::StaleTerm(why) | Self::Conflict(why) => (Code::FailedPrecondition, why, None),
            Self::NotLeader { leader } => (Code::FailedPrecondition, "not the leader".to_owned(), leader),
            Self::Unavailable(why) => (Code::Unavailable, why, None),
        };
        let mut rpc = Rpc::new(code, message);
        rpc.metadata_mut().insert(KIND, kind.parse().expect("kinds are ASCII"));
        if let Some(leader) = leader {
            rpc.metadata_mut().insert(LEADER, leader.as_str().parse().expect("replica names are ASCII"));
        }
        rpc
    }

    /// None if the status is not a replica's refusal but the transport's.
    pub(crate) fn from_rpc(rpc: &Rpc) -> Option<Self> {
        let why = rpc.message().to_owned();
        Some(match rpc.metadata().get(KIND)?.to_str().ok()? {
            "other-cell" => Self::OtherCell(why),
            "stale-term" => Self::StaleTerm(why),
            "conflict" => Self::Conflict(why),
            "not-leader" => {
                let leader = rpc.metadata().get(LEADER).and_then(|leader| leader.to_str().ok()?.parse().ok());
                Self::NotLeader { leader }
            }
            "unavailable" => Self::Unavailable(why),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire() {
        for refusal in [
            Refusal::OtherCell("meant for c1".into()),
            Refusal::StaleTerm("7 < 8".into()),
            Refusal::Conflict("volume not listed".into()),
            Refusal::NotLeader { leader: Some("c0-1".parse().unwrap()) },
            Refusal::NotLeader { leader: None },
            Refusal::Unavailable("no quorum".into()),
        ] {
            assert_eq!(Refusal::from_rpc(&refusal.clone().into_rpc()), Some(refusal));
        }
    }

    #[test]
    fn a_transport_error_is_not_a_refusal() {
        assert_eq!(Refusal::from_rpc(&Rpc::unavailable("connection refused")), None);
    }
}
