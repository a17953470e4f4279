//! What this replica answers to its peers' questions, in whatever state it is.

use cell_core::record::RegisterVolume;
use cell_core::view::Registered;
use cell_core::{Command, Rejection, Reply};
use cell_types::{NodeId, ReplicaName, VolumeId};

use super::{Base, Running, boot, ticks};
use crate::machine::{Snapshot, snapshot_meta};
use crate::network::{BootAnswer, Handler, JoinAnswer, Refusal, Request, Response};
use crate::replica::{Inner, Unavailable};
use crate::types::{TypeConfig, Vote};
use crate::volume::KnownBoot;

type Raft = openraft::Raft<TypeConfig, crate::machine::Machine>;

impl Handler for Inner {
    fn raft(&self, to: u64) -> Result<Raft, Refusal> {
        let running = self.running().ok_or(Refusal::NotRunning)?;
        if running.node.get() == to {
            Ok(running.raft.clone())
        } else {
            Err(Refusal::WrongNode(Some(running.node.get())))
        }
    }

    async fn answer(&self, from: &ReplicaName, to: u64, request: Request) -> Response {
        let answered = match request {
            Request::Join { replica, volume } => Ok(Response::Join(join(self, from, replica, volume).await)),
            Request::CheckBoot { node, volume, boot, start } => {
                check_boot(self, node, KnownBoot { volume, boot, start }).await
            }
            Request::Tick(tick) => ticks::answer(self, tick).await,
            request => to_raft(self, to, request).await,
        };
        answered.unwrap_or_else(Response::Refused)
    }
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::Failed(error.to_string())
}

/// Questions to Raft: only the node that is meant answers.
async fn to_raft(inner: &Inner, to: u64, request: Request) -> Result<Response, Refusal> {
    let raft = inner.raft(to)?;
    let running = inner.running().ok_or(Refusal::NotRunning)?;
    match request {
        Request::Vote(request) => raft.vote(request).await.map(Response::Vote).map_err(failed),
        Request::PreVote(request) => raft.pre_vote(request).await.map(Response::Vote).map_err(failed),
        Request::TransferLeader(request) => {
            raft.handle_transfer_leader(request).await.map(Response::TransferLeader).map_err(failed)
        }
        Request::OfferSnapshot(header) => running.receiver.offer(header).await.map_err(failed),
        Request::SnapshotChunk(bytes) => running.receiver.chunk(bytes).await.map_err(failed),
        Request::InstallSnapshot { vote, snapshot } => install(&running, vote, snapshot).await,
        Request::Join { .. } | Request::CheckBoot { .. } | Request::Tick(_) => Err(failed("answered elsewhere")),
    }
}

async fn install(running: &Running, vote: Vote, snapshot: u64) -> Result<Response, Refusal> {
    let (incoming, _nothing_else_comes_in) = running.receiver.finish(snapshot).await.map_err(failed)?;
    let meta = snapshot_meta(&incoming.header).map_err(failed)?;
    let snapshot = openraft::alias::SnapshotOf::<TypeConfig, Snapshot> { meta, snapshot: Snapshot::Received(incoming) };
    let installed = running.raft.install_full_snapshot(vote, snapshot).await;
    installed.map(Response::SnapshotInstalled).map_err(failed)
}

/// Only a replica with a node id has a memory that counts.
async fn check_boot(inner: &Inner, node: NodeId, said: KnownBoot) -> Result<Response, Refusal> {
    let base = inner.base().ok_or(Refusal::NotRunning)?;
    if !has_node(&base).map_err(failed)? {
        return Err(Refusal::NotRunning);
    }
    // What the cell has committed counts, too: a replica that joined later than that start was never told of it. A
    // start is reported only after it was confirmed, so a reported one never asks again.
    let reported = inner.running().and_then(|running| {
        running.machine.read(|state| state.registry().iter().find(|known| known.node == node).map(|known| known.boot))
    });
    let committed = volume_of(inner, &base, node).map_err(failed)?;
    if reported.is_some_and(|reported| reported >= said.boot) && committed == Some(said.volume) {
        return Ok(Response::Boot(BootAnswer::RolledBack));
    }
    boot::check(base.store.clone(), node, committed, said).await.map(Response::Boot).map_err(failed)
}

/// The volume that the cell has committed for a node, as far as this replica knows. It never changes, so an old
/// checkpoint and the founding are as good as the newest state.
pub(super) fn volume_of(inner: &Inner, base: &Base, node: NodeId) -> std::io::Result<Option<VolumeId>> {
    let find = |registry: &[Registered]| registry.iter().find(|known| known.node == node).map(|known| known.volume);
    let applied = inner.running().and_then(|running| running.machine.read(|state| find(state.registry())));
    Ok(match applied.or_else(|| find(&base.registry)) {
        Some(volume) => Some(volume),
        None => base.store.founding()?.and_then(|record| record.volume_of(node)),
    })
}

fn has_node(base: &Base) -> std::io::Result<bool> {
    base.store.node().map(|node| node.is_some())
}

/// Gives an empty volume its node id, or names who can.
async fn join(inner: &Inner, from: &ReplicaName, replica: ReplicaName, volume: VolumeId) -> JoinAnswer {
    let Some(running) = inner.running() else {
        return JoinAnswer::NotLeader(None);
    };
    if !running.is_leader() {
        return JoinAnswer::NotLeader(running.leader());
    }
    if *from != replica {
        return JoinAnswer::Refused(format!("{from} may not join as {replica}"));
    }
    let known = running.machine.read(|state| {
        state.registry().iter().find(|known| known.volume == volume && !known.retired).map(|known| known.node)
    });
    if let Some(node) = known {
        return JoinAnswer::Registered(node);
    }
    match inner.propose(Command::RegisterVolume(RegisterVolume { replica, volume })).await {
        Ok(Reply::Registered { node }) => JoinAnswer::Registered(node),
        Ok(Reply::Rejected(Rejection::NodeRetired)) => JoinAnswer::Retired,
        Ok(Reply::Rejected(rejection)) => JoinAnswer::Refused(rejection.to_string()),
        Ok(_) => JoinAnswer::Refused("the answer makes no sense".to_owned()),
        Err(Unavailable::NotLeader { leader }) => JoinAnswer::NotLeader(leader),
        Err(error) => JoinAnswer::Refused(error.to_string()),
    }
}
