//! Keeps the replica's [`Status`] up to date.

use std::sync::Arc;
use std::time::Duration;

use cell_types::NodeId;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use tokio::time::Instant;

use super::{Base, Running};
use crate::replica::Inner;
use crate::runtime::run_blocking;
use crate::status::{Lifecycle, MemberStatus, Role, Status};
use crate::types::Metrics;
use crate::volume;

/// Metrics change with every entry; the shell moves its sessions when the leader changes, and a failover waits for that.
const PERIOD_MIN: Duration = Duration::from_millis(5);

/// Sizes and ages change without news from Raft.
const PERIOD_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(inner: Arc<Inner>, base: Arc<Base>, running: Arc<Running>) {
    let mut metrics = running.raft.metrics();
    let mut has_old_files = true;
    loop {
        let status = compose(&inner, &base, &running);
        let is_back = status.voter && status.role != Role::Down && status.leader.is_some();
        inner.status.send_if_modified(|known| {
            let is_news = *known != status;
            *known = status;
            is_news
        });
        if is_back && has_old_files {
            has_old_files = false;
            inner.clear_notes();
            remove_set_aside(&inner).await;
        }
        tokio::time::sleep(PERIOD_MIN).await;
        if let Ok(Err(_)) = tokio::time::timeout(PERIOD_MAX, metrics.changed()).await {
            return;
        }
    }
}

/// The cell has committed this replica as a voter: what was set aside before is of no more use.
async fn remove_set_aside(inner: &Inner) {
    let volume = inner.seams.volume.clone();
    match run_blocking(move || volume::remove_set_aside(&*volume)).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "this replica is a voter again; the files set aside were removed"),
        Err(error) => tracing::warn!(%error, "failed to remove files that were set aside"),
    }
}

fn compose(inner: &Inner, base: &Base, running: &Running) -> Status {
    let metrics = running.metrics();
    let index = |id: Option<crate::types::LogId>| id.map_or(0, |id| id.index);
    // Only a committed membership counts: one that is proposed may still be taken back.
    let membership = metrics.committed_membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let slot = |id: &u64| metrics.membership_config.get_node(id).map(|member| member.replica.clone());
    let voter = voters.contains(&running.node.get());
    let role = match metrics.state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Down,
    };
    let mut messages = inner.notes();
    messages.extend(why_not_ready(voter, role, &metrics));
    let (log_bytes, purged) = running.log.size();
    Status {
        lifecycle: Lifecycle::Running,
        role,
        voter,
        founded: running.machine.read(|state| state.identity().is_some()),
        term: metrics.current_term,
        leader: metrics.current_leader.as_ref().and_then(slot),
        node: Some(running.node),
        volume: Some(base.store.identity.volume),
        boot: Some(base.boot()),
        last_log: metrics.last_log_index.unwrap_or(0),
        committed: index(metrics.cluster_committed),
        applied: index(metrics.last_applied),
        durable: index(running.machine.durable()),
        purged,
        log_bytes,
        voters: voters.iter().filter_map(slot).collect(),
        members: members(running, &metrics, &voters),
        messages,
        fatal: None,
    }
}

fn why_not_ready(voter: bool, role: Role, metrics: &Metrics) -> Option<String> {
    if !voter {
        Some("catching up; not a voter yet".to_owned())
    } else if metrics.current_leader.is_none() && role != Role::Leader {
        Some("no leader is known".to_owned())
    } else {
        None
    }
}

fn members(running: &Running, metrics: &Metrics, voters: &[u64]) -> Vec<MemberStatus> {
    let Some(replication) = &metrics.replication else { return Vec::new() };
    let last = metrics.last_log_index.unwrap_or(0);
    let others = metrics.membership_config.nodes().filter(|(id, _)| **id != running.node.get());
    let member = |(id, member): (&u64, &crate::types::Member)| {
        let matched = replication.get(id).copied().flatten();
        let node = NodeId::new(*id);
        MemberStatus {
            replica: member.replica.clone(),
            node,
            voter: voters.contains(id),
            lag: matched.map(|id| last.saturating_sub(id.index)),
            // Whole seconds: a status that changes with every millisecond would never rest.
            heard: running.heard.of(node).map(|heard| Duration::from_secs((Instant::now() - heard.at).as_secs())),
        }
    };
    others.map(member).collect()
}
