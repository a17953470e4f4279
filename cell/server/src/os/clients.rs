//! The clients' port.

use std::sync::Arc;
use std::time::Duration;

use cell_gateway::Gateway;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Pause after a failed `accept`, which fails at once while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Hands every connection to the gateway, until the task is ended.
pub async fn accept(listener: TcpListener, gateway: Arc<Gateway>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Frames are coalesced already; waiting for more would only add delay.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a client went before it was served");
                    continue;
                }
                gateway.serve(stream, peer);
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a client's connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
