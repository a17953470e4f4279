//! A minimal chat server in memory that speaks the protocol's one-to-one part, and lies on demand.

pub(crate) mod session;
pub(crate) mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use state::State;

pub(crate) const KEY: &str = "a key of a test";

/// What the server does wrong, once, at its `LIE_AT`th chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Answers `ok` and stores nothing.
    DropsAnAckedMessage,
    /// Shows one message twice, under a new `useq`.
    ShowsOneTwice,
    /// Stores a message under two numbers.
    StoresOneTwice,
    /// Shows two messages in each other's place.
    SwapsTwoEvents,
    /// Stores two messages of a sender in the wrong order.
    SwapsTwoMessages,
    /// Leaves out a number of the mailbox.
    SkipsAUseq,
    /// Replays from one event too late, at every resume.
    ResumesTooLate,
    /// Replays from one event too early, at every resume.
    ResumesTooEarly,
    /// Says `live` before the last event, at every resume, and never sends it.
    LosesOneAtReconnect,
    /// Stores another body than the sent one.
    ChangesABody,
    /// Answers with another number than the stored one.
    AcksAnotherCseq,
    /// Leaves a message out of the history that it showed.
    HidesOneFromHistory,
    /// Takes one device's ack for another message's.
    ReportsDeliveryTooEarly,
    /// Forgets the newest message of a conversation and gives its number to the next.
    ForgetsTheNewest,
    /// Treats every cursor as unknown.
    RefusesToResume,
    /// Shows a message to one device of two only.
    SkipsADevice,
}

/// How the server behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    pub(crate) lie: Option<Lie>,
    /// Breaks the connection at every so many commands, after carrying them out, before answering.
    pub(crate) breaks_every: Option<u64>,
    /// Refuses every so many sends with 503.
    pub(crate) refuses_every: Option<u64>,
    /// Asks connections to leave after this many commands of each.
    pub(crate) goaway_after: Option<u64>,
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub(crate) struct FakeServer {
    pub(crate) addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Tells every session to end without a word.
    cut: Notify,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn cut(&self) {
        self.cut.notified().await;
    }
}

impl FakeServer {
    pub(crate) async fn start(manners: Manners, listeners: usize) -> Self {
        let shared = Arc::new(Shared { state: Mutex::new(State::new(manners)), cut: Notify::new() });
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for _ in 0..listeners {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            tasks.spawn(serve(listener, Arc::clone(&shared)));
        }
        Self { addresses, shared, _tasks: tasks }
    }

    /// Breaks all connections, as the death of a process does.
    pub(crate) fn cut_all(&self) {
        self.shared.cut.notify_waiters();
    }

    pub(crate) fn urls(&self) -> Vec<e2e_load::net::Url> {
        self.addresses.iter().map(|address| address.to_string().parse().unwrap()).collect()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                sessions.spawn(session::serve(stream, Arc::clone(&shared)));
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}
