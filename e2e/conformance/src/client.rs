//! A WebSocket on which JSON values, odd text and broken frames can be sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// What is promised comes within this time; a failover and a busy machine included.
pub const LIMIT: Duration = Duration::from_secs(15);

/// When nothing came for this long, nothing comes. Acks are turned into receipts every 250 ms.
pub const SILENCE: Duration = Duration::from_millis(700);

/// Refused for now: asked again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// No frame of a server reaches this.
const SERVER_FRAME_MAX: usize = 1 << 20;

/// A connection without the peer's closing handshake.
const ABNORMAL: u16 = 1006;

/// One WebSocket.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Lines that came and were not asked for yet.
    lines: VecDeque<String>,
    /// The text of the frame returned last.
    pub text: String,
    close_code: Option<u16>,
}

impl Client {
    /// Also at a replica that has just been started and does not take anybody yet.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let ready = async {
            loop {
                match Self::connect_once(address).await {
                    Err(error) if is_not_now(&error) => sleep(AGAIN_AFTER).await,
                    result => return result,
                }
            }
        };
        timeout(LIMIT, ready).await.context("the gateway takes nobody")?
    }

    async fn connect_once(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/v1/ws").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("chat.v1.json"));
        let (socket, _) = timeout(LIMIT, client_async(request, stream)).await.context("no handshake")??;
        Ok(Self { socket, lines: VecDeque::new(), text: String::new(), close_code: None })
    }

    pub async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        self.send_text(&frame.to_string()).await
    }

    /// Several frames in one message, one a line.
    pub async fn send_all(&mut self, frames: &[Value]) -> anyhow::Result<()> {
        let lines: Vec<String> = frames.iter().map(Value::to_string).collect();
        self.send_text(&lines.join("\n")).await
    }

    pub async fn send_text(&mut self, text: &str) -> anyhow::Result<()> {
        self.send_message(Message::text(text)).await
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.send_message(Message::binary(bytes.to_vec())).await
    }

    /// A frame of a text message, whatever its bytes are: the first of a message, or a later one; the last, or not.
    pub async fn send_part(&mut self, bytes: &[u8], is_first: bool, is_last: bool) -> anyhow::Result<()> {
        let kind = if is_first { Data::Text } else { Data::Continue };
        self.send_message(Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(kind), is_last))).await
    }

    async fn send_message(&mut self, message: Message) -> anyhow::Result<()> {
        timeout(LIMIT, self.socket.send(message)).await.context("the server does not read")?.context("failed to send")
    }

    /// The next frame; `None` after [`SILENCE`]. Errors once the connection is closed.
    pub async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        self.next_within(SILENCE).await
    }

    /// The next frame.
    pub async fn expect(&mut self) -> anyhow::Result<Value> {
        self.next_within(LIMIT).await?.context("the server says nothing")
    }

    /// The first frame that `wanted` takes; what came before it is dropped.
    pub async fn expect_that(&mut self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        loop {
            let frame = self.expect().await?;
            if wanted(&frame) {
                return Ok(frame);
            }
        }
    }

    /// Everything up to the next silence.
    pub async fn rest(&mut self) -> anyhow::Result<Vec<Value>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// The code with which the server closes; what it says before is dropped.
    pub async fn closed(&mut self) -> anyhow::Result<u16> {
        loop {
            match self.next_within(LIMIT).await {
                Ok(Some(_)) => {}
                Ok(None) => bail!("the server does not close"),
                Err(error) => return self.close_code.ok_or(error),
            }
        }
    }

    async fn next_within(&mut self, limit: Duration) -> anyhow::Result<Option<Value>> {
        while self.lines.is_empty() {
            let Ok(message) = timeout(limit, self.socket.next()).await else { return Ok(None) };
            match message {
                Some(Ok(Message::Text(text))) => {
                    anyhow::ensure!(text.len() < SERVER_FRAME_MAX, "a frame of {} bytes", text.len());
                    self.lines.extend(text.lines().map(str::to_owned));
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(ABNORMAL, |frame| frame.code.into());
                    self.close_code = Some(code);
                    bail!("closed with {code}");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => bail!("a server sends text, not {other:?}"),
                None
                | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_))) => {
                    self.close_code.get_or_insert(ABNORMAL);
                    bail!("the connection is gone");
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
        self.text = self.lines.pop_front().unwrap_or_default();
        serde_json::from_str(&self.text).map(Some).with_context(|| format!("no JSON: {}", self.text))
    }
}

/// HTTP 503: somebody else takes the connection, or this one does later.
fn is_not_now(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Http(response)) if response.status() == StatusCode::SERVICE_UNAVAILABLE)
}
