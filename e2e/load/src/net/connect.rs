//! Opens WebSocket connections with small buffers, from many source addresses where many are needed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cell_protocol::limits::{SERVER_FRAME_LEN_MAX, SUBPROTOCOL};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};

use super::target::Url;

/// A connection to a server.
pub type Connection = WebSocketStream<TcpStream>;

/// Connections from one source address: far below the 28,000 ports that one has, so that closed ones may linger.
const CONNECTIONS_PER_SOURCE: u32 = 8_000;

/// The first of the source addresses 127.16.0.0/12, which nothing else on a machine uses.
const SOURCE_BASE: u32 = 0x7f10_0000;
const SOURCES: u32 = 1 << 20;

/// How much memory a connection may take for its buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffers {
    /// Many events in one read.
    Chat,
    /// 10,000 of them that say little.
    Idle,
}

/// The connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to connect to {url}")]
    Tcp { url: Url, source: std::io::Error },
    #[error("{url} refused the WebSocket")]
    Handshake { url: Url, source: Box<tungstenite::Error> },
    #[error("{url} did not take the subprotocol {SUBPROTOCOL}")]
    Subprotocol { url: Url },
    #[error("{url} did not answer within {} ms", limit.as_millis())]
    TimedOut { url: Url, limit: Duration },
}

/// Connects and shakes hands within `limit`.
pub async fn connect(url: &Url, buffers: Buffers, limit: Duration) -> Result<Connection, Error> {
    match tokio::time::timeout(limit, Box::pin(open(url, buffers))).await {
        Ok(result) => result,
        Err(_) => Err(Error::TimedOut { url: url.clone(), limit }),
    }
}

async fn open(url: &Url, buffers: Buffers) -> Result<Connection, Error> {
    let stream = tcp(url.address).await.map_err(|source| Error::Tcp { url: url.clone(), source })?;
    let handshake = |source| Error::Handshake { url: url.clone(), source: Box::new(source) };
    let mut request = url.to_string().into_client_request().map_err(handshake)?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let read = match buffers {
        Buffers::Chat => 8 * 1024,
        Buffers::Idle => 1024,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(read)
        // Frames are coalesced by the callers, so each goes out at once.
        .write_buffer_size(0)
        .max_message_size(Some(SERVER_FRAME_LEN_MAX))
        .max_frame_size(Some(SERVER_FRAME_LEN_MAX));
    let (connection, response) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await.map_err(handshake)?;
    let taken = response.headers().get("sec-websocket-protocol");
    if taken.is_some_and(|name| name == SUBPROTOCOL) {
        Ok(connection)
    } else {
        Err(Error::Subprotocol { url: url.clone() })
    }
}

async fn tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source_for(address.ip()) {
        socket.bind(source)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The first connections leave the choice to the kernel; later ones to loopback take an address for every few thousand.
fn source_for(server: IpAddr) -> Option<SocketAddr> {
    static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
    if !server.is_loopback() || server.is_ipv6() {
        return None;
    }
    let block = CONNECTIONS.fetch_add(1, Ordering::Relaxed) / CONNECTIONS_PER_SOURCE;
    if block == 0 {
        return None;
    }
    // Processes start at different places, so that they rarely share an address.
    let address = SOURCE_BASE + (std::process::id().wrapping_mul(977) + block) % SOURCES;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), 0))
}
