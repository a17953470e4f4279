//! The gateway of a process: takes connections, and passes on what homes say to their sessions.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cell_protocol::CloseCode;
use cell_types::{PlacementKey, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use crate::counters::{Counters, CountersSnapshot, Refusal, read};
use crate::home::{FromHome, Homes, SessionId};
use crate::mailbox::{Mailbox, Signal};
use crate::session::{Environment, Now};
use crate::token::Verifier;
use crate::transport::Connection;
use crate::wheel::Wheel;

/// Limits of one gateway.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// WebSockets at a time; above, the handshake is answered 503.
    pub connections_max: usize,
    /// Connections that are not yet WebSockets; above, a new one is dropped at once, because even an answer costs.
    pub handshakes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections_max: 50_000, handshakes_max: 1_000 }
    }
}

/// A task of the gateway's, for [`Seams::spawn`].
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the machine gives: a simulated one gives its own.
#[derive(Clone)]
pub struct Seams {
    /// The wall clock, which may jump. Durations come from tokio's clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Random numbers, good enough for names that must not be guessed.
    pub entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Starts a task.
    pub spawn: Arc<dyn Fn(Task) + Send + Sync>,
}

/// Serves clients; one per process. Dropping it closes no connection ([`Self::shutdown`] does).
pub struct Gateway {
    shared: Arc<Shared>,
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
}

/// What the gateway and its connections share.
pub(crate) struct Shared {
    pub(crate) environment: Environment,
    pub(crate) homes: Arc<dyn Homes>,
    pub(crate) wheel: Arc<Wheel>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    options: Options,
    is_draining: AtomicBool,
    sessions: Mutex<BTreeMap<SessionId, Arc<Mailbox>>>,
    last_session: AtomicU64,
    became_empty: Notify,
}

impl Gateway {
    pub fn new(options: Options, seams: Seams, verifier: Verifier, homes: Arc<dyn Homes>) -> Self {
        let Seams { clock, entropy, spawn } = seams;
        let wheel = Arc::new(Wheel::new());
        spawn(Box::pin(Arc::clone(&wheel).run()));
        let shared = Shared {
            environment: Environment { verifier, entropy, counters: Counters::default() },
            homes,
            wheel,
            clock,
            options,
            is_draining: AtomicBool::new(false),
            sessions: Mutex::default(),
            last_session: AtomicU64::new(0),
            became_empty: Notify::new(),
        };
        Self { shared: Arc::new(shared), spawn }
    }

    /// Serves one client's connection, from its HTTP upgrade to its end, in a task of its own.
    pub fn serve<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let counters = self.shared.counters();
        if read(&counters.handshakes) >= self.shared.options.handshakes_max as u64 {
            counters.refusal(Refusal::HandshakesMax);
            return;
        }
        (self.spawn)(Box::pin(Connection::new(stream, peer, Arc::clone(&self.shared))));
    }

    /// Passes a home's message on to its session; without effect if the session is over.
    pub fn deliver(&self, message: FromHome) {
        let mailbox = self.shared.sessions().get(&message.session()).cloned();
        if let Some(mailbox) = mailbox {
            mailbox.push(Signal::Home(message));
        }
    }

    /// Homes of the `affected` keys have a new leader, or the way to them broke and is back: sessions there subscribe
    /// again, and unanswered commands are sent again in their order. What an older leader or link said of them may
    /// still be delivered afterwards.
    pub fn reset(&self, affected: impl Fn(PlacementKey) -> bool + Send + Sync + 'static) {
        let affected: Arc<dyn Fn(PlacementKey) -> bool + Send + Sync> = Arc::new(affected);
        self.shared.tell_all(|| Signal::Reset(Arc::clone(&affected)));
    }

    /// Refuses new connections, and tells each client to come back elsewhere: it is closed (4001) at a random moment
    /// within `within`.
    pub fn drain(&self, within: Duration) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
        self.shared.tell_all(|| Signal::Drain { within, why: "drain" });
    }

    /// Refuses new connections and closes every session (4001) now. [`Self::emptied`] says when they are gone.
    pub fn shutdown(&self) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
        self.shared.tell_all(|| Signal::Close(CloseCode::GoAway));
    }

    /// Waits until there is no connection left.
    pub async fn emptied(&self) {
        loop {
            let became_empty = self.shared.became_empty.notified();
            if self.sessions() == 0 {
                return;
            }
            became_empty.await;
        }
    }

    /// Sessions that are connected.
    pub fn sessions(&self) -> usize {
        self.shared.sessions().len()
    }

    /// Whether clients can be served: there is a key to sign resume tokens with, and no drain.
    pub fn is_ready(&self) -> bool {
        self.shared.admits().is_ok()
    }

    pub fn counters(&self) -> CountersSnapshot {
        self.shared.counters().snapshot()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.wheel.stop();
    }
}

impl Shared {
    pub(crate) fn counters(&self) -> &Counters {
        &self.environment.counters
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic_ms: self.wheel.now_ms(), wall: (self.clock)() }
    }

    /// Whether a handshake may become a session now.
    pub(crate) fn admits(&self) -> Result<(), Refusal> {
        if self.is_draining.load(Ordering::Relaxed) {
            Err(Refusal::Draining)
        } else if !self.environment.verifier.is_ready() {
            Err(Refusal::NotReady)
        } else if self.sessions().len() >= self.options.connections_max {
            Err(Refusal::ConnectionsMax)
        } else {
            Ok(())
        }
    }

    /// Enters a new session, which [`Self::leave`] takes out again.
    pub(crate) fn enter(&self, mailbox: &Arc<Mailbox>) -> SessionId {
        let id = SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        self.sessions().insert(id, Arc::clone(mailbox));
        id
    }

    pub(crate) fn leave(&self, id: SessionId) {
        let mut sessions = self.sessions();
        sessions.remove(&id);
        if sessions.is_empty() {
            self.became_empty.notify_waiters();
        }
    }

    /// In the order of session ids, so that a simulated world runs the same way every time.
    fn tell_all(&self, signal: impl Fn() -> Signal) {
        let mailboxes: Vec<_> = self.sessions().values().cloned().collect();
        for mailbox in mailboxes {
            mailbox.push(signal());
        }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Mailbox>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
