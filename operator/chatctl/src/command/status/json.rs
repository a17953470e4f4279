//! The status as JSON. Tools outside this repository read it, so every name here is a promise.

use std::net::SocketAddr;

use cell_types::{CellName, ClusterId, ReplicaName, Role};
use operator_plan::{Condition, ObservedCell};
use serde::Serialize;

use super::View;
use crate::local::replica_command::cell_of;

#[derive(Serialize)]
pub(super) struct Report {
    /// Null when there never was one.
    cluster: Option<String>,
    ready: bool,
    conditions: Vec<ConditionForm>,
    cells: Vec<CellForm>,
    /// Unfinished ones. There are none before there are many cells.
    moves: [(); 0],
}

#[derive(Serialize)]
struct ConditionForm {
    #[serde(rename = "type")]
    kind: String,
    status: &'static str,
    reason: String,
    message: String,
}

#[derive(Serialize)]
struct CellForm {
    name: CellName,
    leader: Option<ReplicaName>,
    ranges: Vec<RangeForm>,
    replicas: Vec<ReplicaForm>,
}

#[derive(Serialize)]
struct RangeForm {
    start: String,
    end: String,
    epoch: u64,
}

#[derive(Serialize)]
struct ReplicaForm {
    name: ReplicaName,
    role: Role,
    pid: Option<u32>,
    client: SocketAddr,
    admin: SocketAddr,
    metrics: String,
}

impl Report {
    pub(super) fn of(view: &View) -> Self {
        Self {
            cluster: Some(view.cluster.cluster.to_string()),
            ready: view.health.is_ready(),
            conditions: view.health.conditions.iter().map(condition).collect(),
            cells: view.observed.cells.iter().map(|(name, cell)| CellForm::of(view, name, cell)).collect(),
            moves: [],
        }
    }

    /// Nothing runs.
    pub(super) fn of_nothing(cluster: Option<&ClusterId>) -> Self {
        let condition = ConditionForm {
            kind: "Ready".to_owned(),
            status: "False",
            reason: "NotRunning".to_owned(),
            message: "nothing runs here".to_owned(),
        };
        Self {
            cluster: cluster.map(ToString::to_string),
            ready: false,
            conditions: vec![condition],
            cells: Vec::new(),
            moves: [],
        }
    }
}

fn condition(condition: &Condition) -> ConditionForm {
    ConditionForm {
        kind: condition.kind.to_string(),
        status: if condition.holds { "True" } else { "False" },
        reason: condition.reason.to_owned(),
        message: condition.message.clone(),
    }
}

impl CellForm {
    fn of(view: &View, name: &CellName, cell: &ObservedCell) -> Self {
        let leader = cell.leader();
        let ranges = leader.map(|(_, status)| status.ranges.as_slice()).unwrap_or_default();
        let replicas = view.cluster.replicas.iter().filter(|(replica, _)| cell_of(replica).as_ref() == Some(name));
        Self {
            name: name.clone(),
            leader: leader.map(|(replica, _)| replica.clone()),
            ranges: ranges
                .iter()
                .map(|(range, epoch)| RangeForm {
                    start: range.start().to_string(),
                    end: format!("{:016x}", range.end()),
                    epoch: epoch.get(),
                })
                .collect(),
            replicas: replicas
                .map(|(replica, addresses)| ReplicaForm {
                    name: replica.clone(),
                    role: view.role(replica),
                    pid: view.pids.get(replica).copied(),
                    client: addresses.client,
                    admin: addresses.admin,
                    metrics: format!("http://{}/metrics", addresses.metrics),
                })
                .collect(),
        }
    }
}

impl View {
    /// Of one that does not answer: down.
    pub(super) fn role(&self, replica: &ReplicaName) -> Role {
        self.statuses.get(replica).map_or(Role::Down, |status| status.role)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cell_types::{Epoch, KeyRange, Lifecycle, VolumeId};
    use operator_plan::{Desired, Observed, Process, ReplicaStatus, Slot, assess};

    use super::*;
    use crate::local::cluster_file::{Addresses, ClusterFile};

    fn view() -> View {
        let mut desired = Desired::default_of("local".parse().unwrap());
        desired.replicas = cell_types::ReplicaCount::One;
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = Addresses { client: at(8080), peer: at(41000), admin: at(41001), metrics: at(41002) };
        let replica: ReplicaName = "c0-0".parse().unwrap();
        let status = ReplicaStatus {
            volume: VolumeId::new(1),
            node: None,
            lifecycle: Lifecycle::Running,
            role: Role::Leader,
            raft_term: 1,
            voters: [replica.clone()].into(),
            voters_wanted: Some(cell_types::ReplicaCount::One),
            ranges: vec![(KeyRange::ALL, Epoch::new(1))],
            serving: true,
            messages: Vec::new(),
        };
        let slot = Slot { volume_exists: true, process: Process::Running, status: Some(status) };
        let cell = ObservedCell { slots: BTreeMap::from([(replica.clone(), slot)]), ..ObservedCell::default() };
        let observed = Observed { cells: BTreeMap::from([("c0".parse().unwrap(), cell)]) };
        View {
            cluster: ClusterFile::new(&desired, 1, at(8080), BTreeMap::from([(replica.clone(), addresses)])),
            health: assess(&desired, &observed),
            observed,
            statuses: BTreeMap::new(),
            pids: BTreeMap::from([(replica, 4242)]),
        }
    }

    #[test]
    fn the_shape_is_the_one_that_tools_read() {
        let report = serde_json::to_value(Report::of(&view())).unwrap();
        let mut conditions = report["conditions"].as_array().unwrap().clone();
        let ready = conditions.remove(0);
        assert_eq!((&ready["type"], &ready["status"]), (&"Ready".into(), &"True".into()));
        assert!(ready["reason"].is_string() && ready["message"].is_string());
        assert_eq!((&report["cluster"], &report["ready"]), (&"local".into(), &true.into()));
        assert_eq!(report["moves"], serde_json::json!([]));
        assert_eq!(
            report["cells"],
            serde_json::json!([{
                "name": "c0",
                "leader": "c0-0",
                "ranges": [{"start": "0000000000000000", "end": "10000000000000000", "epoch": 1}],
                "replicas": [{
                    "name": "c0-0", "role": "down", "pid": 4242, "client": "127.0.0.1:8080", "admin": "127.0.0.1:41001",
                    "metrics": "http://127.0.0.1:41002/metrics"
                }]
            }])
        );
    }

    #[test]
    fn a_cell_without_a_leader_says_null_and_so_does_a_replica_without_a_process() {
        let mut view = view();
        view.observed.cells.values_mut().for_each(|cell| cell.slots.clear());
        view.pids.clear();
        let report = serde_json::to_value(Report::of(&view)).unwrap();
        assert!(report["cells"][0]["leader"].is_null() && report["cells"][0]["replicas"][0]["pid"].is_null());
        assert_eq!(report["cells"][0]["ranges"], serde_json::json!([]));
    }
}
