//! The task: feeds the session what happens.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::pin::Pin;

use cell_protocol::Answer;
use cell_types::MessageId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::Request;
use super::socket::{self, Incoming, Socket};
use crate::builder::{TokenFuture, TokenProvider};
use crate::clock::Clock;
use crate::error::Error;
use crate::event::ClientEvent;
use crate::session::{Input, RequestId, Sent, Session};
use crate::store::Store;

/// Requests that one write to the store serves.
const REQUESTS_AT_ONCE: usize = 256;

/// Owns everything; nobody else touches the session.
pub(super) struct Task {
    pub(super) session: Session,
    /// Absent while it writes, and after it failed.
    pub(super) store: Option<Box<dyn Store>>,
    pub(super) store_may_block: bool,
    pub(super) tokens: TokenProvider,
    pub(super) clock: Clock,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) events: mpsc::Sender<ClientEvent>,
    pub(super) is_heard: bool,
    taken: watch::Receiver<u64>,
    taken_seen: u64,
    next_request: RequestId,
    pub(super) accepted: HashMap<RequestId, oneshot::Sender<Result<MessageId, Error>>>,
    pub(super) sent: HashMap<RequestId, oneshot::Sender<Result<Sent, Error>>>,
    pub(super) answers: HashMap<RequestId, oneshot::Sender<Result<Answer, Error>>>,
    pub(super) closed: Vec<oneshot::Sender<()>>,
    pub(super) link: Link,
    pub(super) fetching: Option<TokenFuture>,
}

pub(super) enum Link {
    None,
    Connecting(Pin<Box<dyn Future<Output = Result<Socket, socket::Error>> + Send>>),
    Open(Box<Socket>),
}

/// Something happened.
enum Wake {
    Request(Option<Request>),
    Connected(Result<Socket, socket::Error>),
    Incoming(Incoming),
    Token(Result<String, String>),
    Taken,
    Deadline,
    /// An event was handed over.
    Handed,
    /// The application dropped its stream of events.
    Unheard,
}

impl Task {
    pub(super) fn new(
        session: Session,
        store: Box<dyn Store>,
        tokens: TokenProvider,
        requests: mpsc::Receiver<Request>,
        events: mpsc::Sender<ClientEvent>,
        taken: watch::Receiver<u64>,
    ) -> Self {
        Self {
            session,
            store_may_block: store.may_block(),
            store: Some(store),
            tokens,
            clock: Clock::start(),
            requests,
            events,
            is_heard: true,
            taken,
            taken_seen: 0,
            next_request: 0,
            accepted: HashMap::new(),
            sent: HashMap::new(),
            answers: HashMap::new(),
            closed: Vec::new(),
            link: Link::None,
            fetching: None,
        }
    }

    /// Runs until the session has stopped and nobody holds a handle any more.
    pub(super) async fn run(mut self) {
        while !self.session.is_stopped() {
            self.perform_all().await;
            if !self.session.is_stopped() {
                let wake = self.wait().await;
                self.take_in(wake);
            }
        }
        self.perform_all().await;
        // Another client may open the same outbox from here on.
        self.store = None;
        self.run_stopped().await;
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.session.deadline().map(|elapsed| self.clock.instant(elapsed));
        let reads = self.session.wants_text();
        let Self { session, requests, events, is_heard, taken, link, fetching, .. } = self;
        let has_event = session.has_event();
        tokio::select! {
            request = requests.recv() => Wake::Request(request),
            wake = async {
                match link {
                    Link::None => pending().await,
                    Link::Connecting(connecting) => Wake::Connected(connecting.await),
                    Link::Open(socket) => Wake::Incoming(socket.next(reads).await),
                }
            } => wake,
            token = async { match fetching { Some(fetching) => fetching.await, None => pending().await } } => {
                Wake::Token(token.map_err(|error| error.to_string()))
            }
            Ok(()) = taken.changed() => Wake::Taken,
            () = events.closed(), if *is_heard => Wake::Unheard,
            Ok(permit) = events.reserve(), if has_event => {
                if let Some(event) = session.next_event() {
                    permit.send(event);
                }
                Wake::Handed
            }
            () = async { match deadline { Some(at) => sleep_until(at).await, None => pending().await } } => Wake::Deadline,
        }
    }

    fn take_in(&mut self, wake: Wake) {
        let now = self.clock.now();
        match wake {
            Wake::Request(None) => self.session.handle(now, Input::Close),
            Wake::Request(Some(request)) => {
                self.request(request);
                for _ in 1..REQUESTS_AT_ONCE {
                    let Ok(request) = self.requests.try_recv() else { break };
                    self.request(request);
                }
            }
            Wake::Connected(Ok(socket)) => {
                self.link = Link::Open(Box::new(socket));
                self.session.handle(now, Input::Connected);
            }
            Wake::Connected(Err(error)) => {
                self.link = Link::None;
                self.session.handle(now, Input::Closed { code: None, why: causes(&error) });
            }
            Wake::Incoming(Incoming::Text(text)) => self.session.handle(now, Input::Text(text)),
            Wake::Incoming(Incoming::Closed { code, why }) => {
                self.link = Link::None;
                self.session.handle(now, Input::Closed { code, why });
            }
            Wake::Token(token) => {
                self.fetching = None;
                self.session.handle(now, Input::Token(token));
            }
            Wake::Taken => self.note_taken(),
            Wake::Deadline => self.session.handle(now, Input::Tick),
            Wake::Handed => {}
            Wake::Unheard => {
                self.is_heard = false;
                self.note_taken();
                self.session.handle(now, Input::Unheard);
            }
        }
    }

    fn note_taken(&mut self) {
        let count = *self.taken.borrow_and_update();
        let more = count - self.taken_seen;
        self.taken_seen = count;
        self.session.handle(self.clock.now(), Input::Taken { count: more });
    }

    pub(super) fn request(&mut self, request: Request) {
        let now = self.clock.now();
        let id = self.next_request;
        self.next_request += 1;
        match request {
            Request::Send { to, body, accepted, answered } => {
                self.accepted.insert(id, accepted);
                self.sent.insert(id, answered);
                self.session.handle(now, Input::Send { request: id, to, body });
            }
            Request::Query { command, answered } => {
                self.answers.insert(id, answered);
                self.session.handle(now, Input::Query { request: id, command });
            }
            Request::Close { done } => {
                self.closed.push(done);
                // What was taken until now is acked with it.
                self.note_taken();
                self.session.handle(now, Input::Close);
            }
        }
    }
}

/// An error with its causes, for people.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
