//! The WebSocket: connecting, reading and writing, each cancel-safe.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::Pin;

use cell_protocol::limits::{SERVER_FRAME_LEN_MAX, SUBPROTOCOL};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A message may carry several frames of a server.
const MESSAGE_LEN_MAX: usize = 4 * SERVER_FRAME_LEN_MAX;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0} is no ws:// URL with a host")]
    Url(String),
    #[error("failed to connect to {address}")]
    Connect { address: String, source: std::io::Error },
    #[error("failed to open a WebSocket")]
    WebSocket(#[from] Box<tungstenite::Error>),
}

/// What came out of a connection.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(String),
    Closed { code: Option<u16>, why: String },
}

#[derive(Debug)]
pub(super) struct Socket {
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    stream: SplitStream<WebSocketStream<TcpStream>>,
    /// Bounded by the session: it sends no more than its in-flight limits allow.
    unsent: VecDeque<String>,
    is_unflushed: bool,
}

impl Socket {
    pub(super) async fn connect(url: String) -> Result<Self, Error> {
        let mut request = url.as_str().into_client_request().map_err(Box::new)?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        let uri = request.uri();
        let (Some("ws"), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(Error::Url(url)) };
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let failed = |source| Error::Connect { address: address.clone(), source };
        let stream = TcpStream::connect(&address).await.map_err(failed)?;
        // Frames are collected before they are written, so waiting for more only costs time.
        stream.set_nodelay(true).map_err(failed)?;
        let config =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_LEN_MAX)).max_frame_size(Some(MESSAGE_LEN_MAX));
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(Box::new)?;
        let (sink, stream) = socket.split();
        Ok(Self { sink, stream, unsent: VecDeque::new(), is_unflushed: false })
    }

    pub(super) fn push(&mut self, text: String) {
        self.unsent.push_back(text);
    }

    /// Writes while it waits for something to come; cancel-safe. With `reads` false it only writes.
    pub(super) async fn next(&mut self, reads: bool) -> Incoming {
        let Self { sink, stream, unsent, is_unflushed } = self;
        let write = async {
            match write(Pin::new(sink), unsent, is_unflushed).await {
                Ok(()) => pending().await,
                Err(error) => lost(&error),
            }
        };
        let read = async {
            if !reads {
                return pending().await;
            }
            loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => return Incoming::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map(|frame| u16::from(frame.code));
                        return Incoming::Closed { code, why: "the server closed the connection".into() };
                    }
                    // Pings are answered below us; a server sends no binary messages.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return lost(&error),
                    None => return Incoming::Closed { code: None, why: "the connection ended".into() },
                }
            }
        };
        // Reading first: what a server said before it went, its close code above all, is not to be lost to a failed write.
        tokio::select! {
            biased;
            incoming = read => incoming,
            incoming = write => incoming,
        }
    }

    /// Writes what is left and says goodbye.
    pub(super) async fn close(mut self) -> Result<(), Box<tungstenite::Error>> {
        write(Pin::new(&mut self.sink), &mut self.unsent, &mut self.is_unflushed).await.map_err(Box::new)?;
        futures_util::SinkExt::close(&mut self.sink).await.map_err(Box::new)
    }
}

fn lost(error: &tungstenite::Error) -> Incoming {
    Incoming::Closed { code: None, why: error.to_string() }
}

/// Cancel-safe: a message leaves the queue in the step that hands it to the sink.
async fn write(
    mut sink: Pin<&mut SplitSink<WebSocketStream<TcpStream>, Message>>,
    unsent: &mut VecDeque<String>,
    is_unflushed: &mut bool,
) -> Result<(), tungstenite::Error> {
    while !unsent.is_empty() {
        poll_fn(|cx| sink.as_mut().poll_ready(cx)).await?;
        let Some(text) = unsent.pop_front() else { break };
        *is_unflushed = true;
        sink.as_mut().start_send(Message::text(text))?;
    }
    if *is_unflushed {
        poll_fn(|cx| sink.as_mut().poll_flush(cx)).await?;
        *is_unflushed = false;
    }
    Ok(())
}
