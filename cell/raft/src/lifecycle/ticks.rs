//! Once a second every replica tells every other one who it is: clocks, starts and versions spread by it, and a
//! replaced replica learns that it was.

use std::sync::Arc;
use std::time::Duration;

use cell_types::NodeId;
use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::peers::VERSION;
use super::{Base, Running, answer, boot};
use crate::fault::Fault;
use crate::network::{ASK_TIMEOUT, Refusal, Request, Response, Tick};
use crate::replica::Inner;
use crate::runtime::run_blocking;
use crate::volume::KnownBoot;

const PERIOD: Duration = Duration::from_secs(1);

/// The boot count also grows once in this time: a copy of the volume is unmasked although the process never restarted
/// in between.
const COUNT_PERIOD: Duration = Duration::from_secs(60);

pub(super) async fn run(inner: Arc<Inner>, base: Arc<Base>, running: Arc<Running>) {
    let mut timer = interval(PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted = Instant::now();
    loop {
        timer.tick().await;
        if counted.elapsed() >= COUNT_PERIOD && !inner.options.is_alone() {
            counted = Instant::now();
            let kept = base.clone();
            let grown = run_blocking(move || kept.store.count_boot()).await;
            match grown {
                Ok(boot) => base.boot.store(boot.get(), std::sync::atomic::Ordering::Relaxed),
                Err(error) => return running.faults.raise_io("failed to count on", &error),
            }
        }
        let request = Request::Tick(own(&inner, &base, Some(running.node)));
        let request = &request;
        let asked = inner.options.others().map(|peer| inner.links.ask(peer, request, ASK_TIMEOUT));
        for answer in join_all(asked).await {
            let Ok(Response::Tick { tick, you_are_retired }) = answer else { continue };
            if you_are_retired {
                return running.faults.raise(Fault::Removed);
            }
            running.heard.note(&tick);
        }
    }
}

fn own(inner: &Inner, base: &Base, node: Option<NodeId>) -> Tick {
    Tick {
        node,
        volume: base.store.identity.volume,
        boot: base.boot(),
        start: base.start,
        clock: inner.seams.clock.now(),
        version: VERSION,
    }
}

pub(super) async fn answer(inner: &Inner, tick: Tick) -> Result<Response, Refusal> {
    let base = inner.base().ok_or(Refusal::NotRunning)?;
    let running = inner.running();
    let mut you_are_retired = false;
    if let (Some(running), Some(node)) = (&running, tick.node) {
        running.heard.note(&tick);
        you_are_retired = is_retired(running, node);
        // Peers remember the count durably; a tick that is behind says nothing new.
        let said = KnownBoot { volume: tick.volume, boot: tick.boot, start: tick.start };
        let failed = |error: std::io::Error| Refusal::Failed(error.to_string());
        let committed = answer::volume_of(inner, &base, node).map_err(failed)?;
        boot::check(base.store.clone(), node, committed, said).await.map_err(failed)?;
    }
    let node = running.map(|running| running.node);
    Ok(Response::Tick { tick: own(inner, &base, node), you_are_retired })
}

/// What was applied is committed: a retired node stays retired.
fn is_retired(running: &Running, node: NodeId) -> bool {
    running.machine.read(|state| {
        let known = state.registry().iter().find(|known| known.node == node);
        match known {
            Some(known) => known.retired,
            // Forgotten long after it was retired.
            None => state.identity().is_some() && node < state.next_node(),
        }
    })
}
