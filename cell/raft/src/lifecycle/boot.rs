//! Rollback detection: before Raft starts, a quorum must know of no later start of this volume.
//!
//! A volume that was put back from an earlier copy would have forgotten votes and entries that it promised to keep. One
//! of another cell of the same name never made them; its node id is that of another volume here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cell_types::{NodeId, ReplicaName, VolumeId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Base;
use crate::network::{ASK_TIMEOUT, BootAnswer, Links, Request, Response};
use crate::runtime::run_blocking;
use crate::volume::{KnownBoot, Store};

/// Between two rounds of questions: peers that start at the same time meet soon.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    Confirmed,
    RolledBack,
    Stranger,
}

/// Asks until a majority of `voters`, this replica included, has confirmed this start, or one knows better, or a majority
/// knows another volume: one alone may be the stranger itself.
pub(super) async fn confirm(
    links: &Links,
    base: &Base,
    node: NodeId,
    own: &ReplicaName,
    voters: &BTreeSet<ReplicaName>,
) -> Confirmation {
    let others: Vec<_> = voters.iter().filter(|voter| *voter != own).cloned().collect();
    let needed = (voters.len() / 2 + 1).saturating_sub(usize::from(voters.contains(own)));
    let (mut confirmed, mut estranged) = (BTreeSet::new(), BTreeSet::new());
    loop {
        if confirmed.len() >= needed {
            return Confirmation::Confirmed;
        }
        if estranged.len() > voters.len() / 2 {
            return Confirmation::Stranger;
        }
        let volume = base.store.identity.volume;
        let question = Request::CheckBoot { node, volume, boot: base.boot(), start: base.start };
        let question = &question;
        let mut asked: FuturesUnordered<_> = others
            .iter()
            .filter(|voter| !confirmed.contains(*voter))
            .map(|voter| async move { (voter, links.ask(voter, question, ASK_TIMEOUT).await) })
            .collect();
        let mut heard = Vec::new();
        while let Some((voter, answer)) = asked.next().await {
            match answer {
                Ok(Response::Boot(BootAnswer::RolledBack)) => return Confirmation::RolledBack,
                Ok(Response::Boot(BootAnswer::Stranger)) => drop(estranged.insert(voter.clone())),
                // The whole round is heard out: one that knows better outweighs any number that do not.
                Ok(Response::Boot(BootAnswer::Confirmed)) => heard.push(voter.clone()),
                Ok(_) | Err(_) => {}
            }
        }
        confirmed.extend(heard);
        if confirmed.len() < needed && estranged.len() <= voters.len() / 2 {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }
}

/// The answering side: a start that is not behind what is known is remembered, durably, before it is confirmed. What the
/// cell has committed (`committed`: the node's volume) outweighs what a stranger may have said.
pub(crate) async fn check(
    store: Arc<Store>,
    node: NodeId,
    committed: Option<VolumeId>,
    said: KnownBoot,
) -> std::io::Result<BootAnswer> {
    if committed.is_some_and(|volume| volume != said.volume) {
        return Ok(BootAnswer::Stranger);
    }
    run_blocking(move || {
        let known = store.known_boot(node)?.filter(|known| committed.is_none_or(|volume| volume == known.volume));
        Ok(match judge(known, said) {
            Verdict::Newer => {
                store.set_known_boot(node, said)?;
                BootAnswer::Confirmed
            }
            Verdict::Known => BootAnswer::Confirmed,
            Verdict::Behind => BootAnswer::RolledBack,
            Verdict::Another => BootAnswer::Stranger,
        })
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Newer,
    /// The same start asks again.
    Known,
    Behind,
    /// Another volume. A node id is never used twice.
    Another,
}

fn judge(known: Option<KnownBoot>, said: KnownBoot) -> Verdict {
    match known {
        None => Verdict::Newer,
        Some(known) if said.volume != known.volume => Verdict::Another,
        Some(known) if said.boot > known.boot => Verdict::Newer,
        Some(known) if said.start == known.start => Verdict::Known,
        Some(_) => Verdict::Behind,
    }
}

#[cfg(test)]
mod tests {
    use cell_types::BootCount;

    use super::*;

    fn start(volume: u128, boot: u64, start: u64) -> KnownBoot {
        KnownBoot { volume: VolumeId::new(volume), boot: BootCount::new(boot), start }
    }

    fn judged(boot: u64, number: u64) -> Verdict {
        judge(Some(start(9, 5, 77)), start(9, boot, number))
    }

    #[test]
    fn a_later_start_is_taken_and_the_same_one_may_ask_again() {
        assert_eq!(judge(None, start(9, 1, 1)), Verdict::Newer);
        assert_eq!(judged(6, 78), Verdict::Newer);
        assert_eq!(judged(5, 77), Verdict::Known);
        assert_eq!(judged(4, 77), Verdict::Known);
    }

    #[test]
    fn another_start_with_a_count_that_was_seen_before_is_a_rolled_back_volume() {
        assert_eq!(judged(5, 78), Verdict::Behind);
        assert_eq!(judged(2, 78), Verdict::Behind);
    }

    #[test]
    fn another_volume_is_a_stranger_however_often_it_was_started() {
        assert_eq!(judge(Some(start(9, 5, 77)), start(8, 50, 78)), Verdict::Another);
    }
}
