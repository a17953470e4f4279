//! The proposer: packs waiting commands into log entries and hands out their replies.
//!
//! A lone command goes at once; while some entries are in flight, what arrives waits and shares the next. Commands are
//! applied in the order of their submission.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cell_core::{Batch, Command, Reply};
use cell_types::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use openraft::errors::{ClientWriteError, ForwardReason};
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::machine::Machine;
use crate::replica::Unavailable;
use crate::types::{Record, TypeConfig};

/// Commands of one entry: some milliseconds of apply at most.
const ENTRY_COMMANDS_MAX: usize = 1_024;

/// Bytes of one entry: several fit into one append message.
const ENTRY_BYTES_MAX: u64 = 256 << 10;

/// Entries in flight: enough to keep disk and network busy at once, few enough that load makes larger entries.
const ENTRIES_IN_FLIGHT_MAX: usize = 2;

/// Commands that wait: a quarter of a second at full load. More are refused at once.
const WAITING_MAX: usize = 32_768;

/// Bytes of commands that wait or are in flight.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// A leader whose lease has just expired usually has it back after the next heartbeats.
const LEASE_RETRY_MAX: Duration = Duration::from_secs(1);
const LEASE_RETRY_PAUSE: Duration = Duration::from_millis(20);

type Answer = Result<Reply, Unavailable>;
type Written = ClientWriteResult<TypeConfig>;

/// Whoever waits for an answer; is told exactly once, also when the proposer ends before it knows.
struct Asker(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Asker {
    fn tell(mut self, answer: Answer) {
        self.0.take().expect("told only here, once")(answer);
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(Unavailable::Unknown));
        }
    }
}

struct Proposal {
    command: Command,
    asker: Asker,
    room: OwnedSemaphorePermit,
}

/// Where commands are put in.
#[derive(Clone)]
pub(crate) struct Proposals {
    queue: mpsc::Sender<Proposal>,
    room: Arc<Semaphore>,
}

impl Proposals {
    pub(crate) fn new() -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        (Self { queue, room: Arc::new(Semaphore::new(WAITING_BYTES_MAX)) }, Waiting(waiting))
    }

    /// Puts a command into the queue, or refuses it at once; `tell` is called once, in either case.
    pub(crate) fn submit(&self, command: Command, tell: impl FnOnce(Answer) + Send + 'static) {
        let asker = Asker(Some(Box::new(tell)));
        let weight = u32::try_from(command.weight()).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(weight) else {
            return asker.tell(Err(Unavailable::Overloaded));
        };
        match self.queue.try_send(Proposal { command, asker, room }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(proposal)) => proposal.asker.tell(Err(Unavailable::Overloaded)),
            Err(mpsc::error::TrySendError::Closed(proposal)) => {
                proposal.asker.tell(Err(Unavailable::NotLeader { leader: None }));
            }
        }
    }

    /// As [`Self::submit`], with a channel for the answer.
    pub(crate) fn ask(&self, command: Command) -> oneshot::Receiver<Answer> {
        let (answer, waiting) = oneshot::channel();
        // Whoever asked may have given up.
        self.submit(command, move |told| drop(answer.send(told)));
        waiting
    }
}

pub(crate) struct Waiting(mpsc::Receiver<Proposal>);

/// An entry that was handed to openraft, or is about to be again.
struct Entry {
    record: Record,
    askers: Vec<(Asker, OwnedSemaphorePermit)>,
    first_try: Instant,
}

/// Runs until it is dropped; `stamp` is the log time stamp for an entry made now.
pub(crate) async fn run(waiting: Waiting, raft: openraft::Raft<TypeConfig, Machine>, stamp: impl Fn() -> Timestamp) {
    let Waiting(mut waiting) = waiting;
    let mut arrived = Vec::new();
    let mut pending = VecDeque::new();
    let mut in_flight = FuturesOrdered::new();
    // Entries that openraft refused for want of a lease, in order; they go before everything else.
    let mut refused: VecDeque<Entry> = VecDeque::new();
    loop {
        while in_flight.len() < ENTRIES_IN_FLIGHT_MAX && refused.is_empty() && !pending.is_empty() {
            let entry = pack(&mut pending, stamp());
            in_flight.push_back(write(&raft, entry).await);
        }
        // Refused ones wait for those behind them: if one of these was taken, order forbids to try again.
        if !refused.is_empty() && in_flight.is_empty() {
            tokio::time::sleep(LEASE_RETRY_PAUSE).await;
            for entry in refused.drain(..) {
                in_flight.push_back(write(&raft, entry).await);
            }
        }
        tokio::select! {
            biased;
            Some((entry, written)) = in_flight.next(), if !in_flight.is_empty() => {
                let is_accepted = settle(entry, written, &mut refused);
                if is_accepted {
                    refused.drain(..).for_each(|entry| answer_all(entry, &Unavailable::NotLeader { leader: None }));
                }
            }
            taken = waiting.recv_many(&mut arrived, ENTRY_COMMANDS_MAX), if pending.len() < ENTRY_COMMANDS_MAX => {
                if taken == 0 {
                    return;
                }
                pending.extend(arrived.drain(..));
            }
        }
    }
}

fn pack(pending: &mut VecDeque<Proposal>, stamp: Timestamp) -> Entry {
    let mut commands = Vec::new();
    let mut askers = Vec::new();
    let mut bytes = 0;
    while let Some(next) = pending.front() {
        bytes += next.command.weight();
        if commands.len() == ENTRY_COMMANDS_MAX || (bytes > ENTRY_BYTES_MAX && !commands.is_empty()) {
            break;
        }
        let Proposal { command, asker, room } = pending.pop_front().expect("there is a front");
        commands.push(command);
        askers.push((asker, room));
    }
    Entry { record: Record::proposed(Batch { stamp, commands }), askers, first_try: Instant::now() }
}

/// Hands the entry to openraft now, in order; the future is its outcome.
async fn write(
    raft: &openraft::Raft<TypeConfig, Machine>,
    entry: Entry,
) -> impl Future<Output = (Entry, Option<Written>)> + use<> {
    let (responder, outcome) = ProgressResponder::complete_only();
    // If openraft has stopped, the responder is dropped, and the outcome says so.
    let handed = raft.client_write_ff(entry.record.clone(), Some(responder)).await;
    async move {
        match handed {
            Ok(()) => (entry, outcome.await.ok()),
            Err(_) => (entry, None),
        }
    }
}

/// Answers everybody in the entry, or puts it aside for another try; whether openraft took it.
fn settle(entry: Entry, written: Option<Written>, refused: &mut VecDeque<Entry>) -> bool {
    match written {
        Some(Ok(response)) => {
            debug_assert_eq!(response.data.0.len(), entry.askers.len(), "one reply per command");
            for ((asker, room), reply) in entry.askers.into_iter().zip(response.data.0) {
                asker.tell(Ok(reply));
                drop(room);
            }
            true
        }
        Some(Err(ClientWriteError::ForwardToLeader(forward))) => {
            let may_retry =
                forward.reason == ForwardReason::LeaseExpired && entry.first_try.elapsed() < LEASE_RETRY_MAX;
            if may_retry {
                refused.push_back(entry);
            } else {
                answer_all(entry, &Unavailable::NotLeader { leader: forward.leader_node.map(|node| node.replica) });
            }
            false
        }
        Some(Err(_)) | None => {
            answer_all(entry, &Unavailable::Unknown);
            true
        }
    }
}

fn answer_all(entry: Entry, error: &Unavailable) {
    for (asker, room) in entry.askers {
        asker.tell(Err(error.clone()));
        drop(room);
    }
}
