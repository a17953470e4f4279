//! The tokio shell of a session: one task that owns the session, its store and its socket.

mod perform;
mod socket;
mod stopped;
mod task;

use cell_protocol::{Answer, Command};
use cell_types::{Body, MessageId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::builder::TokenProvider;
use crate::client::Client;
use crate::error::Error;
use crate::events::Events;
use crate::session::{Sent, Session};
use crate::store::Store;
use crate::target::SendTarget;

/// Requests on their way to the task: one write to the store serves as many sends.
const REQUESTS_LEN: usize = 256;

/// Events on their way to the application; the session holds the rest.
const EVENTS_LEN: usize = 16;

/// What handles ask of the task.
#[derive(Debug)]
pub(crate) enum Request {
    Send {
        to: SendTarget,
        body: Body,
        /// Resolves when the message is in the outbox.
        accepted: oneshot::Sender<Result<MessageId, Error>>,
        /// Resolves when the server answered.
        answered: oneshot::Sender<Result<Sent, Error>>,
    },
    Query {
        command: Command,
        answered: oneshot::Sender<Result<Answer, Error>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Starts the task.
pub(crate) fn start(session: Session, store: Box<dyn Store>, tokens: TokenProvider) -> (Client, Events) {
    let (requests, incoming) = mpsc::channel(REQUESTS_LEN);
    let (outgoing, events) = mpsc::channel(EVENTS_LEN);
    let (taken, taken_count) = watch::channel(0);
    let task = task::Task::new(session, store, tokens, incoming, outgoing, taken_count);
    tokio::spawn(task.run());
    (Client::new(requests), Events::new(events, taken))
}
