//! A replica's life: open the volume, get a node id, have the start confirmed, run; set the volume aside and begin
//! again where it cannot be trusted.

mod answer;
pub(crate) mod boot;
mod clock;
mod duties;
mod joining;
mod membership;
mod peers;
mod report;
mod running;
mod scrub;
mod ticks;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cell_core::view::Registered;
use cell_types::{BootCount, NodeId, ReplicaName};
use tokio::sync::{mpsc, watch};

use crate::fault::{Fault, Faults};
use crate::machine::{Limits, Machine};
use crate::replica::Inner;
use crate::runtime::run_blocking;
use crate::status::{Lifecycle, Status};
use crate::volume::{self, CORRUPT_MARKER, DIVERGED_MARKER, Opened, Store};
use boot::Confirmation;
pub(crate) use joining::FoundOrder;
use joining::Given;
pub(crate) use running::Running;
use running::Tasks;

/// A volume that is set aside this often without the replica becoming a voter in between is a broken disk.
const SET_ASIDE_MAX: u32 = 3;

/// How long the end of a run waits for what it started; then the process exits all the same.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a start of the process has of its volume, with or without a node id.
pub(crate) struct Base {
    pub(crate) store: Arc<Store>,
    boot: AtomicU64,
    /// Random: tells this start from another one of the same count.
    pub(crate) start: u64,
    /// The cell's nodes as of the last checkpoint.
    registry: Vec<Registered>,
}

impl Base {
    pub(crate) fn boot(&self) -> BootCount {
        BootCount::new(self.boot.load(Ordering::Relaxed))
    }
}

/// How a run ended.
enum End {
    Stopped,
    SetAside(String),
    Failed(String),
}

/// Runs until the replica stops or fails.
pub(crate) async fn run(inner: Arc<Inner>, mut orders: mpsc::Receiver<FoundOrder>, mut stop: watch::Receiver<bool>) {
    let mut set_aside = 0;
    loop {
        let mut end = run_once(&inner, &mut orders, &mut stop).await;
        inner.set_base(None);
        if let End::SetAside(reason) = &end {
            set_aside = if inner.was_voter() { 1 } else { set_aside + 1 };
            end = match set_aside_volume(&inner, reason).await {
                Ok(()) if set_aside <= SET_ASIDE_MAX => continue,
                Ok(()) => End::Failed(format!("the volume was set aside {set_aside} times, at last because {reason}")),
                Err(error) => End::Failed(format!("failed to set the volume aside ({reason}): {error}")),
            };
        }
        let (lifecycle, fatal) = match end {
            End::Failed(reason) => {
                tracing::error!(%reason, "the replica has stopped");
                (Lifecycle::Failed, Some(reason))
            }
            _ => (Lifecycle::Stopped, None),
        };
        inner.status.send_modify(|status| {
            *status = Status { lifecycle, fatal, messages: inner.notes(), volume: status.volume, ..Status::default() };
        });
        return;
    }
}

async fn set_aside_volume(inner: &Inner, reason: &str) -> std::io::Result<()> {
    let volume = inner.seams.volume.clone();
    let name = run_blocking(move || volume::set_aside(&*volume)).await?;
    tracing::error!(%name, %reason, "the volume was set aside; the replica is rebuilt from its peers");
    inner.note(format!("the volume was set aside as {name}: {reason}"));
    Ok(())
}

async fn run_once(
    inner: &Arc<Inner>,
    orders: &mut mpsc::Receiver<FoundOrder>,
    stop: &mut watch::Receiver<bool>,
) -> End {
    inner.status.send_modify(|status| status.lifecycle = Lifecycle::Starting);
    let (base, state) = match open(inner).await {
        Ok(opened) => opened,
        Err(error) => return verdict(inner, &error),
    };
    inner.set_base(Some(base.clone()));
    inner.status.send_modify(|status| {
        *status = Status {
            volume: Some(base.store.identity.volume),
            boot: Some(base.boot()),
            messages: inner.notes(),
            ..Status::default()
        };
    });
    let faults = Faults::new();
    let limits = Limits { checkpoint_bytes: inner.options.checkpoint_bytes, tail_bytes: inner.options.log_tail_bytes };
    let machine = Machine::new(state, inner.sink.clone(), faults.clone(), inner.seams.volume.clone(), limits);
    let node = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => return End::Stopped,
        node = get_node(inner, &base, &machine, orders) => match node {
            Ok(node) => node,
            Err(end) => return end,
        },
    };
    let mut tasks = Tasks::default();
    let running = match Running::start(inner, &base, node, machine, faults, &mut tasks).await {
        Ok(running) => running,
        Err(fault) => return ended(inner, fault).await,
    };
    let fault = serve(inner, &base, &running, tasks, orders, stop).await;
    close(inner, &base, running, fault.is_none()).await;
    match fault {
        None => End::Stopped,
        Some(fault) => ended(inner, fault).await,
    }
}

/// Opens the volume and counts the start.
async fn open(inner: &Inner) -> Result<(Arc<Base>, cell_core::State), volume::Error> {
    let (volume, entropy, options) = (inner.seams.volume.clone(), inner.seams.entropy.clone(), inner.options.clone());
    run_blocking(move || {
        let Opened { store, state } = volume::open(&*volume, &*entropy, &options)?;
        let boot = AtomicU64::new(store.count_boot()?.get());
        let registry = state.registry().to_vec();
        Ok((Arc::new(Base { store: Arc::new(store), boot, start: entropy.u64(), registry }), state))
    })
    .await
}

/// What to do about a volume that does not open.
fn verdict(inner: &Inner, error: &volume::Error) -> End {
    let may_rebuild = matches!(error, volume::Error::Corrupt(_) | volume::Error::Foreign { .. });
    if !may_rebuild {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        return End::Failed(format!("{error}{source}"));
    }
    if inner.options.is_alone() {
        return End::Failed(format!(
            "{error}. This cell has no other replica to rebuild from, so nothing was touched: put back a copy of the \
             volume, or empty it to begin a new cell without its data"
        ));
    }
    End::SetAside(error.to_string())
}

/// A node id that may be used: stored and confirmed, or new.
async fn get_node(
    inner: &Arc<Inner>,
    base: &Arc<Base>,
    machine: &Machine,
    orders: &mut mpsc::Receiver<FoundOrder>,
) -> Result<NodeId, End> {
    let options = &inner.options;
    let io = |error: std::io::Error| End::Failed(format!("failed to access the volume: {error}"));
    if let Some(node) = base.store.node().map_err(io)? {
        inner.status.send_modify(|status| {
            status.lifecycle = Lifecycle::Confirming;
            status.node = Some(node);
        });
        let voters = known_voters(inner, base, machine).map_err(io)?;
        let confirmed = tokio::select! {
            // Orders are answered while it waits.
            () = refuse_orders(inner, base, orders) => unreachable!("it never ends"),
            confirmed = confirm(inner, base, node, &voters) => confirmed,
        };
        return match confirmed {
            Confirmation::Confirmed => Ok(node),
            Confirmation::RolledBack => {
                Err(End::SetAside(format!("a peer knows a later start of node {node}: the volume was rolled back")))
            }
            Confirmation::Stranger => {
                Err(End::SetAside(format!("a peer knows another volume as node {node}: this one is of a foreign cell")))
            }
        };
    }
    inner.status.send_modify(|status| status.lifecycle = Lifecycle::Empty);
    let say = |why: String| {
        inner.status.send_if_modified(|status| {
            let messages: Vec<_> = inner.notes().into_iter().chain([why]).collect();
            let is_news = status.messages != messages;
            status.messages = messages;
            is_news
        });
    };
    let given = joining::wait_for_node(options, &*inner.seams.entropy, &inner.links, base, orders, say).await;
    match given.map_err(io)? {
        Given::Node(node) => Ok(node),
        Given::Retired => Err(End::SetAside("the cell gave this volume up while it was joining".to_owned())),
    }
}

/// Also waits until every lease that this replica gave before its start is over: openraft remembers the vote, not the
/// lease, and a vote for another leader now would let the old one answer reads from its past.
async fn confirm(inner: &Inner, base: &Base, node: NodeId, voters: &BTreeSet<ReplicaName>) -> Confirmation {
    let options = &inner.options;
    let lease = if options.is_alone() { Duration::ZERO } else { options.election.1 };
    let confirming = boot::confirm(&inner.links, base, node, &options.replica, voters);
    tokio::join!(confirming, tokio::time::sleep(lease)).0
}

async fn refuse_orders(inner: &Inner, base: &Arc<Base>, orders: &mut mpsc::Receiver<FoundOrder>) {
    while let Some(order) = orders.recv().await {
        joining::obey(order, &inner.options, base).await;
    }
    std::future::pending::<()>().await;
}

/// The slots that vote, as far as this volume knows: by its state, else by its founding, else all peers.
fn known_voters(inner: &Inner, base: &Base, machine: &Machine) -> std::io::Result<BTreeSet<ReplicaName>> {
    if let Some((_, bytes)) = machine.read(|state| state.applied().1) {
        let membership = crate::codec::decode_membership(&bytes)?;
        let voters = membership.voter_ids().filter_map(|id| membership.get_node(&id).map(|m| m.replica.clone()));
        return Ok(voters.collect());
    }
    Ok(match base.store.founding()? {
        Some(record) => record.founders.into_iter().map(|(replica, _)| replica).collect(),
        None => inner.options.peers.iter().cloned().collect(),
    })
}

/// Takes part until a fault or an order to stop; `None` for the latter.
async fn serve(
    inner: &Arc<Inner>,
    base: &Arc<Base>,
    running: &Arc<Running>,
    mut tasks: Tasks,
    orders: &mut mpsc::Receiver<FoundOrder>,
    stop: &mut watch::Receiver<bool>,
) -> Option<Fault> {
    if let Ok(Some(record)) = base.store.founding()
        && let Err(fault) = running.initialise(&record).await
    {
        return Some(fault);
    }
    inner.set_running(Some(running.clone()));
    tasks.spawn(ticks::run(inner.clone(), base.clone(), running.clone()));
    tasks.spawn(duties::run(inner.clone(), base.clone(), running.clone()));
    tasks.spawn(report::run(inner.clone(), base.clone(), running.clone()));
    tasks.spawn(scrub::run(running.clone()));
    let fault = tokio::select! {
        biased;
        fault = running.faults.raised() => Some(fault),
        _ = stop.wait_for(|stop| *stop) => None,
        fault = running.stopped() => Some(fault),
        () = refuse_orders(inner, base, orders) => unreachable!("it never ends"),
    };
    inner.set_running(None);
    fault
}

/// Ends Raft; after an order to stop everything applied is written first.
async fn close(inner: &Inner, base: &Arc<Base>, running: Arc<Running>, is_orderly: bool) {
    let closing = async {
        if let Err(error) = running.raft.shutdown().await {
            tracing::warn!(%error, "openraft did not end well");
        }
        if is_orderly && running.machine.checkpoint().await.is_err() {
            tracing::warn!("the last checkpoint failed; the next start replays the log");
        }
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the replica did not close in time");
    }
    drop(running);
    inner.set_base(None);
    // The writer ends when openraft's last handle is gone; then the file is closed cleanly.
    let closed = async {
        while Arc::strong_count(&base.store) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        tracing::warn!("the log file is still in use; the next start repairs it");
    }
}

/// What follows from a fault. Damage is noted on the volume first, so that a power loss does not forget it.
async fn ended(inner: &Inner, fault: Fault) -> End {
    let mark = async |marker: &'static str, reason: &str| {
        let (volume, reason) = (inner.seams.volume.clone(), reason.to_owned());
        let marked = run_blocking(move || volume::mark(&*volume, marker, &reason)).await;
        if let Err(error) = marked {
            tracing::error!(%error, "failed to note the damage on the volume");
        }
    };
    match fault {
        Fault::Corrupt(reason) => {
            mark(CORRUPT_MARKER, &reason).await;
            verdict(inner, &volume::Error::Corrupt(reason))
        }
        Fault::Diverged(reason) => {
            mark(DIVERGED_MARKER, &reason).await;
            End::Failed(reason)
        }
        Fault::Removed => End::SetAside("the cell has replaced this replica".to_owned()),
        Fault::Storage(reason) => End::Failed(reason),
        Fault::Raft(reason) => End::Failed(format!("openraft stopped: {reason}")),
    }
}
