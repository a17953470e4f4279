//! Performs what the session says, in its order.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::socket::Socket;
use super::task::{Link, Task, causes};
use crate::error::Error;
use crate::session::{Input, Output};
use crate::store::{Durability, Record};

/// What a goodbye may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Performed {
    Done,
    /// What was to follow must not happen.
    StoreFailed,
}

impl Task {
    pub(super) async fn perform_all(&mut self) {
        for output in self.session.take_outputs(self.clock.now()) {
            if self.perform(output).await == Performed::StoreFailed {
                return;
            }
        }
    }

    async fn perform(&mut self, output: Output) -> Performed {
        match output {
            Output::Persist { records, synced } => return self.persist(records, synced).await,
            Output::FetchToken => self.fetching = Some((self.tokens)()),
            Output::Connect { url } => self.link = Link::Connecting(Box::pin(Socket::connect(url))),
            Output::Transmit(text) => {
                if let Link::Open(socket) = &mut self.link {
                    socket.push(text);
                }
            }
            Output::Disconnect => {
                if let Link::Open(socket) = std::mem::replace(&mut self.link, Link::None) {
                    goodbye(*socket).await;
                }
            }
            Output::InOutbox { request, mid } => {
                if let Some(accepted) = self.accepted.remove(&request) {
                    // A caller that gave up still has its message in the outbox.
                    reply(Some(accepted), Ok(mid));
                }
            }
            Output::Sent { request, result } => {
                let answered = self.sent.remove(&request);
                match (self.accepted.remove(&request), result) {
                    // It never entered the outbox.
                    (Some(accepted), Err(error)) => reply(Some(accepted), Err(error)),
                    (_, result) => reply(answered, result),
                }
            }
            Output::Answer { request, result } => reply(self.answers.remove(&request), result),
        }
        Performed::Done
    }

    /// Nothing that follows may happen before it is kept, so the task waits for the disk.
    async fn persist(&mut self, records: Vec<Record>, synced: bool) -> Performed {
        let durability = if synced { Durability::Synced } else { Durability::Lazy };
        // After a failure the session has stopped, and what it still has to say needs no store.
        let Some(mut store) = self.store.take() else { return Performed::Done };
        let write = move || store.append(&records, durability).map(|()| store);
        let written = if self.store_may_block { tokio::task::spawn_blocking(write).await } else { Ok(write()) };
        let message = match written {
            Ok(Ok(store)) => {
                self.store = Some(store);
                return Performed::Done;
            }
            Ok(Err(error)) => causes(&error),
            Err(error) => causes(&error),
        };
        self.session.handle(self.clock.now(), Input::StoreFailed { message });
        Performed::StoreFailed
    }
}

/// Says goodbye to the server, which may be gone.
async fn goodbye(socket: Socket) {
    match timeout(CLOSE_TIME_MAX, socket.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the connection was gone before its end"),
        Err(_) => tracing::debug!("the server did not take the end of the connection"),
    }
}

fn reply<T>(waiting: Option<oneshot::Sender<Result<T, Error>>>, result: Result<T, Error>) {
    // Who asked may have stopped waiting.
    if let Some(waiting) = waiting
        && waiting.send(result).is_err()
    {
        tracing::trace!("nobody waited for an answer");
    }
}
