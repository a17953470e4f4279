//! A link to one peer for one purpose: connects when needed, pairs answers with questions, breaks as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cell_types::ReplicaName;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::frame::{self, Frame};
use super::{APPENDS_IN_FLIGHT_MAX, CONNECT_TIMEOUT, Error, REQUESTS_MAX, Request, Response};
use crate::runtime::spawn;
use crate::seams::{Channel, Connection, Peers};

/// Every link of a replica, made on first use.
#[derive(Clone)]
pub(crate) struct Links {
    peers: Arc<dyn Peers>,
    links: Arc<Mutex<ByPeer>>,
}

type ByPeer = BTreeMap<(ReplicaName, u8), Arc<Link>>;

impl Links {
    pub(crate) fn new(peers: Arc<dyn Peers>) -> Self {
        Self { peers, links: Arc::default() }
    }

    pub(crate) fn to(&self, replica: &ReplicaName, channel: Channel) -> Arc<Link> {
        let mut links = self.links.lock().expect("no panic under this lock");
        let link = links.entry((replica.clone(), channel as u8)).or_insert_with(|| {
            let (to, peers) = (replica.clone(), self.peers.clone());
            let outstanding = Semaphore::new(REQUESTS_MAX);
            Arc::new(Link { to, channel, peers, current: tokio::sync::Mutex::new(None), outstanding })
        });
        link.clone()
    }

    /// Asks whoever holds a slot.
    pub(crate) async fn ask(&self, to: &ReplicaName, request: &Request, within: Duration) -> Result<Response, Error> {
        self.to(to, Channel::Heartbeat).request(0, request, within).await
    }
}

pub(crate) struct Link {
    to: ReplicaName,
    channel: Channel,
    peers: Arc<dyn Peers>,
    current: tokio::sync::Mutex<Option<Arc<Wire>>>,
    outstanding: Semaphore,
}

impl Link {
    /// One question, one answer. `to` 0 means whoever holds the slot.
    pub(super) async fn request(&self, to: u64, request: &Request, within: Duration) -> Result<Response, Error> {
        let ask = async {
            let _room = self.outstanding.acquire().await.map_err(|_| Error::Broken)?;
            let wire = self.connected().await?;
            let body = wire.ask(to, frame::encode(request)).await?;
            frame::decode(&body)
        };
        match tokio::time::timeout(within, ask).await.map_err(|_| Error::TimedOut)?? {
            Response::Refused(refusal) => Err(Error::Refused(refusal)),
            response => Ok(response),
        }
    }

    /// The live connection, made now if there is none.
    pub(super) async fn connected(&self) -> Result<Arc<Wire>, Error> {
        let mut current = self.current.lock().await;
        if let Some(wire) = current.as_ref().filter(|wire| !wire.outgoing.is_closed() && !wire.is_broken()) {
            return Ok(wire.clone());
        }
        let unreachable = |why: String| Error::Unreachable(format!("{} ({})", self.to, self.channel), why);
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, self.peers.connect(&self.to, self.channel))
            .await
            .map_err(|_| unreachable("timed out".to_owned()))?
            .map_err(|e| unreachable(e.to_string()))?;
        let wire = Wire::start(connection);
        *current = Some(wire.clone());
        Ok(wire)
    }
}

/// One connection and what waits for its answers.
pub(super) struct Wire {
    outgoing: mpsc::Sender<Bytes>,
    waiting: Mutex<Option<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    // Ordered, so that a broken connection wakes its waiters in an order that repeats.
    answers: BTreeMap<u64, oneshot::Sender<Bytes>>,
    sessions: BTreeMap<u64, mpsc::Sender<Bytes>>,
}

impl Wire {
    fn start(connection: Connection) -> Arc<Self> {
        let Connection { outgoing, mut incoming } = connection;
        let wire = Arc::new(Self { outgoing, waiting: Mutex::new(Some(Waiting::default())) });
        let held = Arc::downgrade(&wire);
        spawn(async move {
            while let Some(bytes) = incoming.recv().await {
                let Some(wire) = held.upgrade() else { return };
                if wire.take(bytes).is_err() {
                    break;
                }
            }
            if let Some(wire) = held.upgrade() {
                // Whoever waits sees its channel close.
                drop(wire.waiting().take());
            }
        });
        wire
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().expect("no panic under this lock")
    }

    fn is_broken(&self) -> bool {
        self.waiting().is_none()
    }

    fn take(&self, bytes: Bytes) -> Result<(), Error> {
        let mut waiting = self.waiting();
        let waiting = waiting.as_mut().ok_or(Error::Broken)?;
        match Frame::decode(bytes)? {
            Frame::Response { id, body } => {
                // Nobody there: the question timed out.
                if let Some(answer) = waiting.answers.remove(&id) {
                    drop(answer.send(body));
                }
            }
            Frame::Appended { session, body } => {
                // A session has room for all its answers, so this one has ended or is misused.
                if waiting.sessions.get(&session).is_some_and(|answers| answers.try_send(body).is_err()) {
                    waiting.sessions.remove(&session);
                }
            }
            Frame::Request { .. } | Frame::Append { .. } => return Err(Error::Malformed),
        }
        Ok(())
    }

    async fn ask(self: &Arc<Self>, to: u64, body: Bytes) -> Result<Bytes, Error> {
        let (answer, waiting) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting();
            let waiting = waiting.as_mut().ok_or(Error::Broken)?;
            waiting.next += 1;
            waiting.answers.insert(waiting.next, answer);
            waiting.next
        };
        let _forget = Forget { wire: self.clone(), id };
        self.send(Frame::Request { id, to, body }).await?;
        waiting.await.map_err(|_| Error::Broken)
    }

    pub(super) async fn send(&self, frame: Frame) -> Result<(), Error> {
        self.outgoing.send(frame.encode()).await.map_err(|_| Error::Broken)
    }

    /// A session of appends, and the answers to it.
    pub(super) fn open_session(&self) -> Result<(u64, mpsc::Receiver<Bytes>), Error> {
        let (sender, answers) = mpsc::channel(APPENDS_IN_FLIGHT_MAX + 1);
        let mut waiting = self.waiting();
        let waiting = waiting.as_mut().ok_or(Error::Broken)?;
        waiting.next += 1;
        waiting.sessions.retain(|_, answers| !answers.is_closed());
        waiting.sessions.insert(waiting.next, sender);
        Ok((waiting.next, answers))
    }
}

/// A question that is given up leaves nothing behind.
struct Forget {
    wire: Arc<Wire>,
    id: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        if let Some(waiting) = self.wire.waiting().as_mut() {
            waiting.answers.remove(&self.id);
        }
    }
}
