//! Opens this process's ports.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Binds a port; an error names it and what it is for.
pub async fn listen(what: &str, address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("failed to listen on {address} for {what}: {error}; is it in use?"))
    })
}
