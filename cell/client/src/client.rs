//! The application's handle: sends and queries.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use cell_protocol::{Answer, Command, ConversationView, MessageView, Page, PageMore};
use cell_types::{Body, ConversationId, Cseq, DeviceId, MessageId, Timestamp};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::body::to_body;
use crate::builder::Builder;
use crate::error::Error;
use crate::event::StopReason;
use crate::session::Sent;
use crate::shell::Request;
use crate::target::SendTarget;

/// A connection to a cluster that mends itself. Clones share it; it ends when all of them are gone.
#[derive(Debug, Clone)]
pub struct Client {
    requests: mpsc::Sender<Request>,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Ascending `cseq`.
    pub messages: Vec<MessageView>,
    pub more: PageMore,
}

/// A page of the conversation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationsPage {
    pub conversations: Vec<ConversationView>,
    /// For the next page; `None` on the last.
    pub next: Option<String>,
}

impl Client {
    /// Starts to put a client together for this device. A device has one connection at a time: a second replaces the
    /// first.
    pub fn builder(device: DeviceId) -> Builder {
        Builder::new(device)
    }

    pub(crate) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self { requests }
    }

    /// Puts a message into the outbox. It returns once the message is durable there; the handle resolves when the
    /// server answers, which may be after any number of reconnections. Sends go out once the session is live, so keep
    /// taking [`Events`](crate::Events) meanwhile.
    ///
    /// # Errors
    /// [`Error::Body`], [`Error::OutboxFull`], [`Error::Stopped`].
    pub async fn send<T: Serialize + ?Sized>(&self, to: impl Into<SendTarget>, body: &T) -> Result<SendHandle, Error> {
        self.send_body(to.into(), to_body(body)?).await
    }

    /// Like [`Self::send`] for a body that [`to_body`] made.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub async fn send_body(&self, to: SendTarget, body: Body) -> Result<SendHandle, Error> {
        let (accepted, in_outbox) = oneshot::channel();
        let (answered, answer) = oneshot::channel();
        self.request(Request::Send { to, body, accepted, answered }).await?;
        let mid = in_outbox.await.map_err(|_| closed())??;
        Ok(SendHandle { mid, answer })
    }

    /// A page of a conversation's messages; at most 100, 50 when `limit` is `None`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Busy`], [`Error::TimedOut`], [`Error::Stopped`].
    pub async fn history(
        &self,
        conversation: ConversationId,
        page: Page,
        limit: Option<u64>,
    ) -> Result<HistoryPage, Error> {
        match self.query(Command::History { conversation: Ok(conversation), page, limit }).await? {
            Answer::Page { messages, more, .. } => Ok(HistoryPage { messages, more }),
            _ => Err(Error::UnexpectedAnswer),
        }
    }

    /// A page of one's conversations, those with the newest message first; at most 100, 20 when `limit` is `None`.
    ///
    /// # Errors
    /// As for [`Self::history`].
    pub async fn conversations(&self, cursor: Option<String>, limit: Option<u64>) -> Result<ConversationsPage, Error> {
        match self.query(Command::Conversations { cursor, limit }).await? {
            Answer::Conversations { conversations, next } => Ok(ConversationsPage { conversations, next }),
            _ => Err(Error::UnexpectedAnswer),
        }
    }

    /// Says that the user has read everything up to here. Never goes back.
    ///
    /// # Errors
    /// As for [`Self::history`].
    pub async fn mark_read(&self, conversation: ConversationId, upto: Cseq) -> Result<(), Error> {
        self.query(Command::Read { conversation: Ok(conversation), upto }).await.map(|_| ())
    }

    /// The server's time: a round trip through whatever connection there is.
    ///
    /// # Errors
    /// As for [`Self::history`].
    pub async fn ping(&self) -> Result<Timestamp, Error> {
        match self.query(Command::Ping).await? {
            Answer::Pong { now } => Ok(now),
            _ => Err(Error::UnexpectedAnswer),
        }
    }

    /// Stops the client, for all clones; acks what the application took. Unanswered sends stay in the outbox.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close { done }).await.is_ok() {
            // An error says that the client's task is gone already, which is what was wanted.
            closed.await.unwrap_or_default();
        }
    }

    async fn query(&self, command: Command) -> Result<Answer, Error> {
        let (answered, answer) = oneshot::channel();
        self.request(Request::Query { command, answered }).await?;
        answer.await.map_err(|_| closed())?
    }

    async fn request(&self, request: Request) -> Result<(), Error> {
        self.requests.send(request).await.map_err(|_| closed())
    }
}

fn closed() -> Error {
    Error::Stopped(StopReason::Closed)
}

/// A message in the outbox; as a future, the server's answer to it. Dropping it changes nothing for the message.
#[derive(Debug)]
#[must_use = "dropping it is fine, but says that nobody looks at the answer"]
pub struct SendHandle {
    mid: MessageId,
    answer: oneshot::Receiver<Result<Sent, Error>>,
}

impl SendHandle {
    /// How the message is known in events.
    pub fn mid(&self) -> MessageId {
        self.mid
    }
}

impl Future for SendHandle {
    type Output = Result<Sent, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(closed())))
    }
}
