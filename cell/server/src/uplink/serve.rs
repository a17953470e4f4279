//! The accepting side of session links: other replicas' gateways at this replica's home.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cell_gateway::home::FromHome;
use cell_raft::runtime::spawn;
use cell_raft::seams::Connection;
use cell_raft::{Replica, Role};
use cell_types::ReplicaName;

use super::frames;
use super::queue::Queue;
use crate::home::{Home, LinkId, Outlet};

/// Serves session links at a home.
pub struct SessionServer {
    home: Arc<Home>,
    replica: Replica,
    links: AtomicU64,
}

struct RemoteOutlet(Arc<Queue<FromHome>>);

impl Outlet for RemoteOutlet {
    fn push(&self, message: FromHome) {
        self.0.push(message);
    }
}

impl SessionServer {
    pub fn new(home: Arc<Home>, replica: Replica) -> Arc<Self> {
        Arc::new(Self { home, replica, links: AtomicU64::new(0) })
    }

    /// The next link's id; the local gateway takes one as well.
    pub(super) fn next_link(&self) -> LinkId {
        LinkId(self.links.fetch_add(1, Ordering::Relaxed))
    }

    /// Serves a link until it breaks or this replica does not lead any more.
    pub fn serve(self: &Arc<Self>, from: ReplicaName, connection: Connection) {
        let server = self.clone();
        spawn(async move {
            let link = server.next_link();
            tracing::debug!(%from, link = link.0, "a gateway's sessions have their home here");
            let Connection { outgoing, mut incoming } = connection;
            let queue = Arc::new(Queue::default());
            let outlet: Arc<dyn Outlet> = Arc::new(RemoteOutlet(queue.clone()));
            let read = frames::read(&mut incoming, |message| server.home.take(link, &outlet, message));
            tokio::select! {
                () = read => {}
                () = frames::write(queue, outgoing) => {}
                () = server.deposed() => {}
            }
            server.home.drop_link(link);
            tracing::debug!(%from, link = link.0, "a gateway's link ended");
        });
    }

    /// Ends when this replica is not the leader.
    async fn deposed(&self) {
        let mut status = self.replica.status();
        // An error means that the replica is gone, and it leads no more.
        if status.wait_for(|status| status.role != Role::Leader).await.is_err() {
            tracing::debug!("the replica has stopped");
        }
    }
}
