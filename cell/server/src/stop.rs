//! Ending without anybody noticing: no new clients, leadership handed over, clients asked to go, everything written.

use std::sync::Arc;
use std::time::Duration;

use cell_gateway::Gateway;
use cell_raft::Replica;
use tokio::time::timeout;

use crate::health::ReplicaHealth;

/// Another voter takes over within an election time-out; a cell of one has nobody to hand over to.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);

/// Clients are asked to go at a random moment within this.
const GO_AWAY_WITHIN: Duration = Duration::from_secs(3);

/// Time for the last of them to be gone.
const GO_AWAY_MAX: Duration = Duration::from_secs(4);

/// A checkpoint's worth of rows, written and synced.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Ends this replica within 10 s. The clients' port is closed already.
pub(crate) async fn gracefully(health: &ReplicaHealth, gateway: &Arc<Gateway>, replica: &Replica) {
    health.stops();
    match timeout(HAND_OVER_MAX, replica.hand_over(None)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "leadership was not handed over"),
        Err(_) => tracing::warn!("leadership was not handed over in time"),
    }
    gateway.drain(GO_AWAY_WITHIN);
    if timeout(GO_AWAY_MAX, gateway.emptied()).await.is_err() {
        tracing::warn!(connections = gateway.counters().connections, "some clients did not go when asked");
    }
    gateway.shutdown();
    if timeout(FLUSH_MAX, replica.shutdown()).await.is_err() {
        // Everything acked is in the log; only the next start takes longer.
        tracing::warn!("the last checkpoint was not written in time");
    }
}
