//! Connections between the replicas of a test: in memory, in order, and cut at will.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use cell_types::ReplicaName;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::Process;
use crate::Replica;
use crate::seams::{Channel, Connection, PEER_FRAMES_QUEUED_MAX, Peers};

#[derive(Default)]
struct State {
    /// Who answers in a slot.
    replicas: BTreeMap<ReplicaName, (Process, Replica)>,
    cut: BTreeSet<(ReplicaName, ReplicaName)>,
    /// How many more frames a bulk connection carries before it breaks, if it does.
    bulk_frames: Option<usize>,
    bulk_carried: usize,
}

#[derive(Clone)]
pub(crate) struct Net {
    state: Arc<Mutex<State>>,
    /// Changes when links are cut or mended.
    changed: Arc<watch::Sender<u64>>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), changed: Arc::new(watch::Sender::new(0)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn has_changed(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn register(&self, name: &ReplicaName, process: Process, replica: Replica) {
        self.state().replicas.insert(name.clone(), (process, replica));
    }

    /// Nobody answers in the slot, and every connection of it breaks.
    pub(crate) fn unregister(&self, name: &ReplicaName) {
        self.state().replicas.remove(name);
        self.has_changed();
    }

    /// Cuts a replica off from all others, or mends it.
    pub(crate) fn isolate(&self, name: &ReplicaName, others: &[ReplicaName], is_cut: bool) {
        let mut state = self.state();
        for other in others.iter().filter(|other| *other != name) {
            for pair in [(name.clone(), other.clone()), (other.clone(), name.clone())] {
                if is_cut {
                    state.cut.insert(pair)
                } else {
                    state.cut.remove(&pair)
                };
            }
        }
        drop(state);
        self.has_changed();
    }

    /// The next bulk connections break after so many frames in all.
    pub(crate) fn break_bulk_after(&self, frames: Option<usize>) {
        self.state().bulk_frames = frames;
    }

    pub(crate) fn bulk_carried(&self) -> usize {
        self.state().bulk_carried
    }

    pub(crate) fn peers(&self, me: &ReplicaName) -> Arc<dyn Peers> {
        Arc::new(Dialler { net: self.clone(), me: me.clone() })
    }

    fn is_open(&self, from: &ReplicaName, to: &ReplicaName) -> bool {
        let state = self.state();
        state.replicas.contains_key(to) && !state.cut.contains(&(from.clone(), to.clone()))
    }

    /// Whether a frame may pass; counts bulk frames.
    fn carry(&self, channel: Channel) -> bool {
        let mut state = self.state();
        if channel != Channel::Bulk {
            return true;
        }
        match &mut state.bulk_frames {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        state.bulk_carried += 1;
        true
    }

    /// Carries frames one way until the link is cut or an end is gone.
    async fn pump(
        self,
        link: (ReplicaName, ReplicaName, Channel),
        mut from: mpsc::Receiver<Bytes>,
        to: mpsc::Sender<Bytes>,
    ) {
        let mut changed = self.changed.subscribe();
        loop {
            tokio::select! {
                biased;
                _ = changed.changed() => {
                    if !self.is_open(&link.0, &link.1) || !self.is_open(&link.1, &link.0) {
                        return;
                    }
                }
                frame = from.recv() => {
                    let Some(frame) = frame else { return };
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    if !self.carry(link.2) || to.send(frame).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

struct Dialler {
    net: Net,
    me: ReplicaName,
}

impl Peers for Dialler {
    fn connect(&self, to: &ReplicaName, channel: Channel) -> BoxFuture<'_, io::Result<Connection>> {
        let to = to.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_micros(500)).await;
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            if !self.net.is_open(&self.me, &to) || !self.net.is_open(&to, &self.me) {
                return Err(refused());
            }
            let (process, replica) = self.net.state().replicas.get(&to).cloned().ok_or_else(refused)?;
            let queue = || mpsc::channel(PEER_FRAMES_QUEUED_MAX);
            let ((a, a_out), (a_in, a_take)) = (queue(), queue());
            let ((b, b_out), (b_in, b_take)) = (queue(), queue());
            let (me, there) = (self.me.clone(), to.clone());
            tokio::spawn(self.net.clone().pump((me.clone(), there.clone(), channel), a_out, b_in));
            tokio::spawn(self.net.clone().pump((there, me.clone(), channel), b_out, a_in));
            process.enter(|| replica.serve(me, channel, Connection { outgoing: b, incoming: b_take }));
            Ok(Connection { outgoing: a, incoming: a_take })
        })
    }
}
