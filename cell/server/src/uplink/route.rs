//! Keeps this gateway's link to the leader of its sessions' home, and moves the sessions when the leader changes.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cell_gateway::Gateway;
use cell_gateway::home::{FromHome, Homes, ToHome};
use cell_raft::runtime::spawn;
use cell_raft::seams::{Clock, Connection};
use cell_raft::{Replica, Role};
use cell_types::{CellName, PlacementKey, ReplicaName};
use tokio::time::sleep;

use super::frames;
use super::queue::Queue;
use super::serve::SessionServer;
use crate::directory::Whereabouts;
use crate::home::{Home, LinkId, Outlet};
use crate::ops::Meters;
use crate::peers::{Mesh, Purpose};

/// Pause after a leader could not be reached: it may be restarting, or an election is on.
const REDIAL_PAUSE: Duration = Duration::from_millis(10);

/// Routes sessions' messages by the directory to the leader of the owning cell: now this process's own cell.
pub struct Uplink {
    replica: Replica,
    cell: CellName,
    own: ReplicaName,
    whereabouts: Arc<Whereabouts>,
    mesh: Arc<Mesh>,
    home: Arc<Home>,
    server: Arc<SessionServer>,
    arrivals: Arc<Arrivals>,
    gateway: OnceLock<Arc<Gateway>>,
    link: Mutex<Link>,
}

/// Measures what arrives for this process's sessions.
pub struct Arrivals {
    pub meters: Arc<Meters>,
    pub clock: Arc<dyn Clock>,
}

impl Arrivals {
    fn deliver(&self, gateway: &Gateway, message: FromHome) {
        self.meters.delivered(&message, self.clock.now());
        gateway.deliver(message);
    }
}

enum Link {
    /// Sessions ask again when there is a link.
    None,
    Local {
        link: LinkId,
        outlet: Arc<dyn Outlet>,
    },
    Remote {
        queue: Arc<Queue<ToHome>>,
    },
}

/// Ends with its link: a gateway whose sessions were reset must not hear of a former link.
struct LocalOutlet {
    gateway: Arc<Gateway>,
    arrivals: Arc<Arrivals>,
    ended: Mutex<bool>,
}

impl LocalOutlet {
    fn end(&self) {
        *self.ended.lock().expect("no panic happens under this lock") = true;
    }
}

impl Outlet for LocalOutlet {
    fn push(&self, message: FromHome) {
        let ended = self.ended.lock().expect("no panic happens under this lock");
        if !*ended {
            self.arrivals.deliver(&self.gateway, message);
        }
    }
}

impl Homes for Uplink {
    fn send(&self, key: PlacementKey, message: ToHome) {
        // Nobody's yet, or another cell's, to which there is no way yet: the session asks again when that changes.
        if !self.whereabouts.owns(&self.cell, key) {
            return;
        }
        // Cloned out of the lock: a home may answer at once, on this very thread.
        let local = match &*self.lock() {
            Link::None => return,
            Link::Remote { queue } => {
                queue.push(message);
                return;
            }
            Link::Local { link, outlet } => (*link, outlet.clone()),
        };
        self.home.take(local.0, &local.1, message);
    }
}

impl Uplink {
    pub fn new(
        replica: Replica,
        (cell, own): (CellName, ReplicaName),
        whereabouts: Arc<Whereabouts>,
        mesh: Arc<Mesh>,
        home: Arc<Home>,
        server: Arc<SessionServer>,
        arrivals: Arrivals,
    ) -> Arc<Self> {
        Arc::new(Self {
            replica,
            cell,
            own,
            whereabouts,
            mesh,
            home,
            server,
            arrivals: Arc::new(arrivals),
            gateway: OnceLock::new(),
            link: Mutex::new(Link::None),
        })
    }

    /// Starts to keep the link for this gateway's sessions.
    pub fn start(self: &Arc<Self>, gateway: Arc<Gateway>) {
        assert!(self.gateway.set(gateway.clone()).is_ok(), "an uplink serves one gateway");
        let uplink = self.clone();
        spawn(async move { uplink.keep(gateway).await });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Link> {
        self.link.lock().expect("no panic happens under this lock")
    }

    async fn keep(&self, gateway: Arc<Gateway>) {
        let mut status = self.replica.status();
        loop {
            let Ok(found) = status.wait_for(|status| status.leader.is_some()).await.map(|status| status.clone()) else {
                return;
            };
            let leader = found.leader.expect("waited for");
            if leader == self.own {
                self.stay_home(&gateway, found.term).await;
            } else {
                self.visit(&gateway, &leader).await;
            }
            *self.lock() = Link::None;
        }
    }

    /// This replica leads: its home is a call away.
    async fn stay_home(&self, gateway: &Arc<Gateway>, term: u64) {
        let link = self.server.next_link();
        let (gateway_, arrivals) = (gateway.clone(), self.arrivals.clone());
        let outlet = Arc::new(LocalOutlet { gateway: gateway_, arrivals, ended: Mutex::new(false) });
        *self.lock() = Link::Local { link, outlet: outlet.clone() };
        gateway.reset(|_| true);
        let mut status = self.replica.status();
        let over = status.wait_for(|status| status.role != Role::Leader || status.term != term).await.is_err();
        *self.lock() = Link::None;
        outlet.end();
        self.home.drop_link(link);
        if over {
            tracing::debug!("the replica has stopped");
        }
    }

    /// Another replica leads: stays on a link to it until it breaks or somebody else leads.
    async fn visit(&self, gateway: &Arc<Gateway>, leader: &ReplicaName) {
        let connection = match self.mesh.dial(leader, Purpose::Sessions).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(%error, %leader, "the leader could not be reached for sessions");
                sleep(REDIAL_PAUSE).await;
                return;
            }
        };
        let Connection { outgoing, mut incoming } = connection;
        let queue = Arc::new(Queue::default());
        *self.lock() = Link::Remote { queue: queue.clone() };
        gateway.reset(|_| true);
        let mut status = self.replica.status();
        let moved = async { status.wait_for(|status| status.leader.as_ref() != Some(leader)).await.is_err() };
        tokio::select! {
            () = frames::read(&mut incoming, |message| self.arrivals.deliver(gateway, message)) => {
                // Closed at once when that replica does not lead (yet, or any more).
                sleep(REDIAL_PAUSE).await;
            }
            () = frames::write(queue, outgoing) => {}
            _ = moved => {}
        }
    }
}
