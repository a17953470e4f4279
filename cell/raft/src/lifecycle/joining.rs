//! How an empty volume gets a node id: by being founded, or by joining the peers' cell.

use std::sync::Arc;
use std::time::Duration;

use cell_types::{NodeId, ReplicaName};
use tokio::sync::{mpsc, oneshot};

use super::Base;
use crate::network::{ASK_TIMEOUT, JoinAnswer, Links, Request, Response};
use crate::options::Options;
use crate::replica::{Error, FoundingRecord};
use crate::runtime::run_blocking;
use crate::seams::Entropy;

/// Between two rounds of asking the peers; up to half as much again at random, so that slots do not ask in step.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// An order to found, and where to say how it went.
pub(crate) struct FoundOrder {
    pub(crate) record: FoundingRecord,
    pub(crate) done: oneshot::Sender<Result<(), Error>>,
}

/// The node id that the record gives to this volume.
fn founder(record: &FoundingRecord, options: &Options, base: &Base) -> Result<NodeId, Error> {
    let is_ours =
        record.cluster == options.cluster && record.cell == options.cell && record.incarnation == options.incarnation;
    if !is_ours {
        return Err(Error::FoundedOtherwise);
    }
    // Node ids follow this order: two records that list the founders differently would give one id to two volumes.
    if !record.founders.is_sorted_by(|one, next| one.0 < next.0) {
        return Err(Error::NotInOrder);
    }
    let own = (options.replica.clone(), base.store.identity.volume);
    let place = record.founders.iter().position(|founder| *founder == own).ok_or(Error::NotListed)?;
    Ok(NodeId::new(place as u64 + 1))
}

/// Obeys an order to found: writes it down, durably. Repeated, it changes nothing.
pub(super) async fn obey(order: FoundOrder, options: &Options, base: &Arc<Base>) -> Option<NodeId> {
    let FoundOrder { record, done } = order;
    let outcome = write_down(record, options, base).await;
    let node = outcome.as_ref().ok().copied();
    // Whoever ordered it may be gone; the order is obeyed all the same.
    drop(done.send(outcome.map(drop)));
    node
}

async fn write_down(record: FoundingRecord, options: &Options, base: &Arc<Base>) -> Result<NodeId, Error> {
    let node = founder(&record, options, base)?;
    let base = base.clone();
    let written = run_blocking(move || match base.store.founding()? {
        Some(known) => Ok(known == record),
        None => {
            base.store.set_founding(&record, node)?;
            Ok(true)
        }
    });
    match written.await {
        Ok(true) => Ok(node),
        Ok(false) => Err(Error::FoundedOtherwise),
        Err(error) => Err(Error::Stopped(std::io::Error::to_string(&error))),
    }
}

/// What an empty volume gets.
pub(super) enum Given {
    Node(NodeId),
    /// It registered before, was away for too long, and must come back as a new volume.
    Retired,
}

/// Waits to be founded and asks the peers meanwhile; `say` tells people why it takes long.
pub(super) async fn wait_for_node(
    options: &Options,
    entropy: &dyn Entropy,
    links: &Links,
    base: &Arc<Base>,
    orders: &mut mpsc::Receiver<FoundOrder>,
    say: impl Fn(String),
) -> std::io::Result<Given> {
    let mut leader: Option<ReplicaName> = None;
    loop {
        let peers: Vec<_> = leader.iter().chain(options.others()).cloned().collect();
        tokio::select! {
            biased;
            Some(order) = orders.recv() => {
                if let Some(node) = obey(order, options, base).await {
                    return Ok(Given::Node(node));
                }
            }
            answer = ask_round(options, links, base, &peers) => match answer {
                Some(JoinAnswer::Registered(node)) => {
                    let kept = base.clone();
                    run_blocking(move || kept.store.set_node(node)).await?;
                    return Ok(Given::Node(node));
                }
                Some(JoinAnswer::Retired) => return Ok(Given::Retired),
                Some(JoinAnswer::NotLeader(hint)) => {
                    say("waiting for the cell's leader".to_owned());
                    // At once if somebody knows whom to ask, and it is news.
                    let is_news = hint.is_some() && hint != leader;
                    leader = hint;
                    if !is_news {
                        pause(entropy).await;
                    }
                }
                Some(JoinAnswer::Refused(why)) => {
                    say(format!("the cell refuses this replica: {why}"));
                    pause(entropy).await;
                }
                None => {
                    say("empty: waits to be founded; no peer knows the cell yet".to_owned());
                    pause(entropy).await;
                }
            }
        }
    }
}

async fn pause(entropy: &dyn Entropy) {
    let half = u64::try_from(ROUND_PAUSE.as_millis()).expect("a second") / 2;
    tokio::time::sleep(ROUND_PAUSE + Duration::from_millis(entropy.u64() % half)).await;
}

/// The first useful answer of one round; peers that are empty themselves have none.
async fn ask_round(options: &Options, links: &Links, base: &Base, peers: &[ReplicaName]) -> Option<JoinAnswer> {
    let request = Request::Join { replica: options.replica.clone(), volume: base.store.identity.volume };
    let mut hint = None;
    for peer in peers {
        match links.ask(peer, &request, ASK_TIMEOUT).await {
            Ok(Response::Join(JoinAnswer::NotLeader(leader))) => hint = Some(JoinAnswer::NotLeader(leader)).or(hint),
            Ok(Response::Join(answer)) => return Some(answer),
            Ok(_) | Err(_) => {}
        }
    }
    hint
}
