//! Read indexes: many waiters share one confirmation of leadership.

use std::time::Duration;

use openraft::LinearizerOption;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::machine::Machine;
use crate::replica::Unavailable;
use crate::types::TypeConfig;

/// A read index that is not applied by then may never be: a leader that was deposed before its first entry was committed
/// waits for an index that its log does not reach any more. Those who ask after them must not wait for it.
const CONFIRM_MAX: Duration = Duration::from_secs(1);

/// Readers that wait; more are refused at once.
const WAITING_MAX: usize = 16_384;

type Answer = Result<(), Unavailable>;

/// Where readers queue.
#[derive(Clone)]
pub(crate) struct Reads(mpsc::Sender<oneshot::Sender<Answer>>);

impl Reads {
    pub(crate) fn new() -> (Self, mpsc::Receiver<oneshot::Sender<Answer>>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        (Self(queue), waiting)
    }

    pub(crate) fn submit(&self) -> Result<oneshot::Receiver<Answer>, Unavailable> {
        let (answer, waiting) = oneshot::channel();
        match self.0.try_send(answer) {
            Ok(()) => Ok(waiting),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Unavailable::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Unavailable::NotLeader { leader: None }),
        }
    }
}

/// Runs until it is dropped.
pub(crate) async fn run(
    mut waiting: mpsc::Receiver<oneshot::Sender<Answer>>,
    raft: openraft::Raft<TypeConfig, Machine>,
) {
    let mut readers = Vec::new();
    while waiting.recv_many(&mut readers, WAITING_MAX).await > 0 {
        // By the lease while it is fresh, else by a heartbeat round; waits until the read index is applied, which
        // includes the first entry of the leader's own term.
        let confirmed = timeout(CONFIRM_MAX, raft.ensure_linearizable(LinearizerOption::new(None, true))).await;
        let answer = match confirmed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                Err(Unavailable::NotLeader { leader: forward.leader_node.map(|node| node.replica) })
            }
            Ok(Err(_)) | Err(_) => Err(Unavailable::NotLeader { leader: None }),
        };
        for reader in readers.drain(..) {
            // Whoever asked may have given up.
            drop(reader.send(answer.clone()));
        }
    }
}
