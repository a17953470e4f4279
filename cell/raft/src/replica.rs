//! A running replica's handle: start, found, serve, propose, read, hand over, shut down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cell_core::{Command, Effect, Reply, State};
use cell_types::{CellName, ClusterId, Epoch, Incarnation, KeyRange, NodeId, ReplicaName, VolumeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::lifecycle::{self, Base, FoundOrder, Running};
use crate::network::{self, Links};
use crate::options::Options;
use crate::runtime::spawn;
use crate::seams::{Channel, Clock, Connection, Entropy, Peers, Volume};
use crate::status::{Lifecycle, Status};
use crate::types::Metrics;

/// A command without an answer by then has an unknown outcome; longer than any election.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A leader that cannot confirm itself by then has lost its quorum.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// One election.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);
const HAND_OVER_ATTEMPTS: usize = 2;

/// Orders that wait while the lifecycle is between two runs.
const ORDERS_MAX: usize = 16;

/// Why a replica did not start, or refused an order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open the volume: {0}")]
    Volume(String),
    #[error("the founding record does not list this volume")]
    NotListed,
    #[error("the founding record does not list its founders in the order of their slots, each once")]
    NotInOrder,
    #[error("this volume was founded as another cell")]
    FoundedOtherwise,
    #[error("bad timing options: {0}")]
    Options(String),
    #[error("the replica has stopped: {0}")]
    Stopped(String),
}

/// Why a command or a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Nothing happened: ask the leader.
    #[error("not the leader")]
    NotLeader { leader: Option<ReplicaName> },
    /// Nothing happened: too many commands wait already.
    #[error("too many commands wait")]
    Overloaded,
    /// It may or may not be applied: leadership was lost or the time is up.
    #[error("the outcome is unknown")]
    Unknown,
}

/// The founding of a cell, made once by compare-and-swap by whoever plans it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingRecord {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
    /// Slots and volumes in the order of the slots' names; the node ids are 1, 2 … in this order.
    pub founders: Vec<(ReplicaName, VolumeId)>,
    /// How many voters the cell is to have.
    pub voters: u32,
    /// What the cell owns from the start: the first cell everything at epoch 1, every later one nothing.
    pub ranges: Vec<(KeyRange, Epoch)>,
}

impl FoundingRecord {
    /// The volume that a founder began with; nothing for nodes that joined later.
    pub(crate) fn volume_of(&self, node: NodeId) -> Option<VolumeId> {
        let place = usize::try_from(node.get()).ok()?.checked_sub(1)?;
        self.founders.get(place).map(|(_, volume)| *volume)
    }
}

/// Everything a replica has of its machine.
#[derive(Clone)]
pub struct Seams {
    pub volume: Arc<dyn Volume>,
    pub peers: Arc<dyn Peers>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Takes what applied entries leave to be done. Called on every replica, right after each applied entry and without
/// any lock held, from one task at a time; it must not block.
pub trait EffectSink: Send + Sync + 'static {
    fn applied(&self, effects: Vec<Effect>);
}

/// A cheap handle to this process' replica.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
    orders: mpsc::Sender<FoundOrder>,
    stop: watch::Sender<bool>,
}

impl Replica {
    /// Opens the volume and starts; an empty volume waits to be founded or joins by itself. Later failures are told
    /// by [`Status::fatal`].
    pub async fn start(options: Options, seams: Seams, sink: Arc<dyn EffectSink>) -> Result<Self, Error> {
        options.raft_config().map_err(|e| Error::Options(e.to_string()))?;
        let inner = Arc::new(Inner {
            links: Links::new(seams.peers.clone()),
            options,
            seams,
            sink,
            status: watch::Sender::new(Status::default()),
            base: Mutex::new(None),
            running: Mutex::new(None),
            notes: Mutex::default(),
        });
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let (stop, stopped) = watch::channel(false);
        spawn(lifecycle::run(inner.clone(), waiting, stopped));
        let replica = Self { inner, orders, stop };
        let mut status = replica.status();
        let opened = status.wait_for(|status| status.lifecycle != Lifecycle::Starting).await;
        match opened.ok().and_then(|status| status.fatal.clone()) {
            Some(why) => Err(Error::Stopped(why)),
            None => Ok(replica),
        }
    }

    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// Founds the cell with this replica among its founders. Idempotent; obeyed only if this volume is listed.
    pub async fn found(&self, record: FoundingRecord) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        let stopped = || Error::Stopped("it takes no more orders".to_owned());
        self.orders.send(FoundOrder { record, done }).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    /// Serves a connection that another replica of this cell opened.
    pub fn serve(&self, from: ReplicaName, channel: Channel, connection: Connection) {
        tracing::debug!(%from, %channel, "a peer connected");
        let mut stopped = self.stop.subscribe();
        let inner = self.inner.clone();
        spawn(async move {
            tokio::select! {
                () = network::serve(inner, from, connection) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Commits and applies a command; answers what every replica reached. Waits at most 5 s.
    pub async fn propose(&self, command: Command) -> Result<Reply, Unavailable> {
        self.inner.propose(command).await
    }

    /// As [`Self::propose`], but hands the command over at once, without a task and in the order of the calls. `tell`
    /// is called once, from the caller or the proposer's task, and must not block; there is no time-out.
    pub fn submit(&self, command: Command, tell: impl FnOnce(Result<Reply, Unavailable>) + Send + 'static) {
        match self.inner.running() {
            Some(running) => running.proposals.submit(command, tell),
            None => tell(Err(Unavailable::NotLeader { leader: None })),
        }
    }

    /// As [`Self::propose`], in this order, with one answer each; all in flight at once.
    pub async fn propose_many(&self, commands: Vec<Command>) -> Vec<Result<Reply, Unavailable>> {
        let submitted: Vec<_> = commands.into_iter().map(|command| self.inner.ask(command)).collect();
        let deadline = Instant::now() + PROPOSE_TIMEOUT;
        let mut answers = Vec::with_capacity(submitted.len());
        for waiting in submitted {
            answers.push(match waiting {
                Ok(waiting) => answered(waiting, deadline).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// After this, [`Self::read`] sees everything that was committed before the call. Only the leader answers; waits
    /// at most 2 s.
    pub async fn read_index(&self) -> Result<(), Unavailable> {
        let running = self.inner.running().ok_or(Unavailable::NotLeader { leader: None })?;
        let waiting = running.reads.submit()?;
        match timeout(READ_TIMEOUT, waiting).await {
            Ok(Ok(answer)) => answer,
            // A read changes nothing: without an answer it may be asked again anywhere.
            Ok(Err(_)) | Err(_) => Err(Unavailable::NotLeader { leader: None }),
        }
    }

    /// Reads the applied state, briefly, under its lock. `None` while the replica is not running.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Option<T> {
        self.inner.running().map(|running| running.machine.read(read))
    }

    /// As [`Self::read`], of what may turn out to be damaged: then the replica stops by itself and says so, and there
    /// is no answer here.
    pub fn query<T>(&self, query: impl FnOnce(&State) -> Result<T, cell_core::Error>) -> Option<T> {
        self.inner.running().and_then(|running| running.machine.query(query))
    }

    /// Hands leadership to a slot, or to the most caught-up voter, and waits until another leader is seen. Answers at
    /// once where this replica does not lead or nobody else can.
    pub async fn hand_over(&self, to: Option<ReplicaName>) -> Result<(), Unavailable> {
        self.inner.hand_over(to.as_ref()).await
    }

    /// Writes a checkpoint, stops and closes the files. Hand over first.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut status = self.status();
        let ended = status.wait_for(|status| matches!(status.lifecycle, Lifecycle::Stopped | Lifecycle::Failed));
        if ended.await.is_err() {
            tracing::debug!("the replica had ended before");
        }
    }

    /// Changes the applied state behind the log's back, as a bug would.
    #[cfg(test)]
    pub(crate) fn tamper<T>(&self, tamper: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.inner.running().map(|running| running.machine.tamper(tamper))
    }
}

/// What a replica's parts share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) seams: Seams,
    pub(crate) sink: Arc<dyn EffectSink>,
    pub(crate) links: Links,
    pub(crate) status: watch::Sender<Status>,
    /// Set while the volume is open.
    base: Mutex<Option<Arc<Base>>>,
    /// Set while the replica takes part in Raft.
    running: Mutex<Option<Arc<Running>>>,
    /// Sentences that people should read until the replica is whole again.
    notes: Mutex<Vec<String>>,
}

impl Inner {
    pub(crate) fn base(&self) -> Option<Arc<Base>> {
        self.base.lock().expect("no panic under this lock").clone()
    }

    pub(crate) fn set_base(&self, base: Option<Arc<Base>>) {
        *self.base.lock().expect("no panic under this lock") = base;
    }

    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.lock().expect("no panic under this lock").clone()
    }

    pub(crate) fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.lock().expect("no panic under this lock") = running;
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("no panic under this lock").clone()
    }

    pub(crate) fn note(&self, sentence: String) {
        self.notes.lock().expect("no panic under this lock").push(sentence);
    }

    pub(crate) fn clear_notes(&self) {
        self.notes.lock().expect("no panic under this lock").clear();
    }

    pub(crate) fn was_voter(&self) -> bool {
        self.status.borrow().voter
    }

    fn ask(&self, command: Command) -> Result<oneshot::Receiver<Result<Reply, Unavailable>>, Unavailable> {
        let running = self.running().ok_or(Unavailable::NotLeader { leader: None })?;
        Ok(running.proposals.ask(command))
    }

    pub(crate) async fn propose(&self, command: Command) -> Result<Reply, Unavailable> {
        answered(self.ask(command)?, Instant::now() + PROPOSE_TIMEOUT).await
    }

    pub(crate) async fn hand_over(&self, to: Option<&ReplicaName>) -> Result<(), Unavailable> {
        let Some(running) = self.running() else { return Ok(()) };
        for attempt in 0..HAND_OVER_ATTEMPTS {
            let Some(next) = heir(&running, to, attempt) else { return Ok(()) };
            if running.raft.trigger().transfer_leader(next).await.is_err() {
                return Err(Unavailable::Unknown);
            }
            let own = running.node.get();
            let wait = running.raft.wait(Some(HAND_OVER_TIMEOUT));
            let is_elsewhere = |metrics: &Metrics| metrics.current_leader.is_some_and(|leader| leader != own);
            if wait.metrics(is_elsewhere, "another replica leads").await.is_ok() {
                return Ok(());
            }
        }
        Err(Unavailable::Unknown)
    }
}

/// The voter to lead next: the one that was named, or the most caught-up one first.
fn heir(running: &Running, to: Option<&ReplicaName>, attempt: usize) -> Option<u64> {
    let metrics = running.metrics();
    let replication = metrics.replication.as_ref().filter(|_| running.is_leader())?;
    let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
    if let Some(to) = to {
        let mut members = metrics.membership_config.nodes();
        return members.find(|(id, member)| member.replica == *to && voters.contains(id)).map(|(id, _)| *id);
    }
    let mut others: Vec<_> = replication.iter().filter(|(id, _)| voters.contains(id) && **id != metrics.id).collect();
    others.sort_by_key(|(_, matched)| std::cmp::Reverse(matched.map(|at| at.index)));
    let place = attempt.checked_rem(others.len())?;
    Some(*others[place].0)
}

async fn answered(
    waiting: oneshot::Receiver<Result<Reply, Unavailable>>,
    deadline: Instant,
) -> Result<Reply, Unavailable> {
    match timeout_at(deadline, waiting).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(Unavailable::Unknown),
    }
}
