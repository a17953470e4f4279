//! Rollback detection: before Raft starts, a quorum must know of no later start of this volume.
//!
//! A volume that was put back from an earlier copy would have forgotten votes and entries that it promised to keep.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cell_types::{BootCount, NodeId, ReplicaName};
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
}

/// Asks until a majority of `voters`, this replica included, has confirmed this start, or one knows better.
pub(super) async fn confirm(
    links: &Links,
    base: &Base,
    node: NodeId,
    own: &ReplicaName,
    voters: &BTreeSet<ReplicaName>,
) -> Confirmation {
    let others: Vec<_> = voters.iter().filter(|voter| *voter != own).cloned().collect();
    let needed = (voters.len() / 2 + 1).saturating_sub(usize::from(voters.contains(own)));
    let mut confirmed = BTreeSet::new();
    loop {
        if confirmed.len() >= needed {
            return Confirmation::Confirmed;
        }
        let question = Request::CheckBoot { node, boot: base.boot(), start: base.start };
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
                // The whole round is heard out: one that knows better outweighs any number that do not.
                Ok(Response::Boot(BootAnswer::Confirmed)) => heard.push(voter.clone()),
                Ok(_) | Err(_) => {}
            }
        }
        confirmed.extend(heard);
        if confirmed.len() < needed {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }
}

/// The answering side: a start that is not behind what is known is remembered, durably, before it is confirmed.
pub(crate) async fn check(store: Arc<Store>, node: NodeId, boot: BootCount, start: u64) -> std::io::Result<BootAnswer> {
    run_blocking(move || {
        let known = store.known_boot(node)?;
        let verdict = judge(known, boot, start);
        if verdict == Verdict::Newer {
            store.set_known_boot(node, KnownBoot { boot, start })?;
        }
        Ok(if verdict == Verdict::Behind { BootAnswer::RolledBack } else { BootAnswer::Confirmed })
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Newer,
    /// The same start asks again.
    Known,
    Behind,
}

fn judge(known: Option<KnownBoot>, boot: BootCount, start: u64) -> Verdict {
    match known {
        None => Verdict::Newer,
        Some(known) if boot > known.boot => Verdict::Newer,
        Some(known) if start == known.start => Verdict::Known,
        Some(_) => Verdict::Behind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(boot: u64, start: u64) -> Verdict {
        judge(Some(KnownBoot { boot: BootCount::new(5), start: 77 }), BootCount::new(boot), start)
    }

    #[test]
    fn a_later_start_is_taken_and_the_same_one_may_ask_again() {
        assert_eq!(judge(None, BootCount::new(1), 1), Verdict::Newer);
        assert_eq!(judged(6, 78), Verdict::Newer);
        assert_eq!(judged(5, 77), Verdict::Known);
        assert_eq!(judged(4, 77), Verdict::Known);
    }

    #[test]
    fn another_start_with_a_count_that_was_seen_before_is_a_rolled_back_volume() {
        assert_eq!(judged(5, 78), Verdict::Behind);
        assert_eq!(judged(2, 78), Verdict::Behind);
    }
}
