//! One look at the local cluster, in the planner's terms.

use std::collections::BTreeMap;

use cell_admin::Status;
use cell_types::{CellName, ReplicaName};
use operator_plan::{Desired, Observed, ObservedCell, Process, ReplicaStatus, Slot};

use super::data_dir::DataDir;
use super::replica_command::cell_of;
use super::{file, founding};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error(transparent)]
    Founding(#[from] founding::Error),
}

/// Puts together what the folder holds, which processes run, and what they said.
pub(crate) fn observe(
    dir: &DataDir,
    desired: &Desired,
    processes: &BTreeMap<ReplicaName, Process>,
    statuses: &BTreeMap<ReplicaName, Status>,
) -> Result<Observed, Error> {
    let volumes = dir.volumes()?;
    let mut observed = Observed::default();
    for cell in desired.cell_names() {
        observed.cells.insert(cell.clone(), observe_cell(dir, &cell, &volumes, processes, statuses)?);
    }
    Ok(observed)
}

fn observe_cell(
    dir: &DataDir,
    cell: &CellName,
    volumes: &[ReplicaName],
    processes: &BTreeMap<ReplicaName, Process>,
    statuses: &BTreeMap<ReplicaName, Status>,
) -> Result<ObservedCell, Error> {
    let known = volumes.iter().chain(processes.keys()).filter(|replica| cell_of(replica).as_ref() == Some(cell));
    let slot = |replica: &ReplicaName| Slot {
        volume_exists: volumes.contains(replica),
        process: processes.get(replica).copied().unwrap_or_default(),
        status: statuses.get(replica).map(in_plan),
    };
    Ok(ObservedCell {
        founding: founding::read(dir, cell)?,
        founding_confirmed: founding::is_confirmed(dir, cell),
        slots: known.map(|replica| (replica.clone(), slot(replica))).collect(),
    })
}

fn in_plan(status: &Status) -> ReplicaStatus {
    ReplicaStatus {
        volume: status.volume,
        node: status.node,
        lifecycle: status.lifecycle,
        role: status.role,
        raft_term: status.raft_term,
        voters: status.voters.clone(),
        voters_wanted: status.voters_wanted,
        ranges: status.ranges.iter().map(|owned| (owned.range, owned.epoch)).collect(),
        serving: status.serving,
        messages: status.messages.clone(),
    }
}
