//! A simple session: one command at a time, each answered before the next. For all that is not the chat itself.

use std::time::Duration;

use cell_protocol::{
    Answer, ClientFrame, ClientMessage, CloseCode, Command, ErrorFrame, Event, Hello, Limits, Resume, ServerFrame,
    Snapshot, WhyFresh, parse_server, split_lines, write_client,
};
use cell_types::{DeviceId, Useq};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};

use super::connect::{self, Buffers, Connection};
use super::target::Url;

/// The session failed or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Connect(#[from] connect::Error),
    #[error("the connection failed")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("the server closed with {code}")]
    Closed { code: u16 },
    #[error("a frame that is none: {line}")]
    Frame { line: String, source: cell_protocol::parse_server::Error },
    #[error("the server refused: {} {}", .0.code.name(), .0.message)]
    Refused(ErrorFrame),
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("event {useq} came after {last}")]
    Gap { last: u64, useq: u64 },
    #[error("a frame where another was due: {0}")]
    OutOfPlace(String),
}

impl Error {
    /// Whether another attempt may succeed: the server is gone or busy, rather than of another opinion.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Socket(_) | Self::TimedOut(_) => true,
            Self::Closed { code } => *code < CloseCode::CursorTrimmed.code(),
            Self::Refused(error) => error.code.is_temporary(),
            Self::Frame { .. } | Self::Gap { .. } | Self::OutOfPlace(_) => false,
        }
    }
}

/// What the opening said.
#[derive(Debug, Clone)]
pub struct Opened {
    pub ep: String,
    pub resume_token: String,
    pub head: u64,
    pub fresh: Option<WhyFresh>,
    pub snapshot: Option<Snapshot>,
    pub heartbeat: Duration,
    pub limits: Limits,
    /// Events before `live`.
    pub events: u64,
    /// The last event's number, or where the cursor stood.
    pub useq: u64,
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    limit: Duration,
    next_id: u32,
    useq: u64,
}

/// How a session opens.
#[derive(Debug)]
pub struct Opening<'a> {
    pub url: &'a Url,
    pub device: &'a str,
    pub token: String,
    pub resume: Option<Resume>,
    pub buffers: Buffers,
    /// For connecting, and for each answer.
    pub limit: Duration,
}

impl Session {
    /// Connects, says hello and reads up to `live`.
    pub async fn open(opening: Opening<'_>) -> Result<(Self, Opened), Error> {
        let Opening { url, device, token, resume, buffers, limit } = opening;
        let connection = connect::connect(url, buffers, limit).await?;
        let useq = resume.as_ref().map_or(0, |resume| resume.useq.get());
        let mut session = Self { connection, limit, next_id: 0, useq };
        let device = device.parse::<DeviceId>().expect("device names here are letters and digits");
        let hello = Hello { version: cell_protocol::limits::VERSION, device, token, resume };
        session.write(&ClientFrame { ack: None, message: ClientMessage::Hello(hello) }).await?;
        let opened = timeout(limit, Box::pin(session.opening())).await.map_err(|_| Error::TimedOut(limit))??;
        Ok((session, opened))
    }

    async fn opening(&mut self) -> Result<Opened, Error> {
        let (mut opened, mut is_live) = (None, false);
        while !is_live {
            let message = self.read().await?;
            for frame in frames(&message) {
                match (frame?, &mut opened) {
                    (ServerFrame::Welcome(welcome), None) => {
                        opened = Some(Opened {
                            ep: welcome.ep,
                            resume_token: welcome.resume_token,
                            head: welcome.head.get(),
                            fresh: welcome.fresh,
                            snapshot: None,
                            heartbeat: Duration::from_millis(welcome.heartbeat_ms),
                            limits: welcome.limits,
                            events: 0,
                            useq: self.useq,
                        });
                    }
                    (ServerFrame::Snapshot(snapshot), Some(opened)) => {
                        self.useq = snapshot.at.get();
                        opened.snapshot = Some(snapshot);
                    }
                    (ServerFrame::Event(event), Some(opened)) => {
                        self.event(&event)?;
                        opened.events += 1;
                    }
                    (ServerFrame::Live { .. }, Some(_)) => is_live = true,
                    (ServerFrame::Error(error), _) => return Err(Error::Refused(error)),
                    (ServerFrame::KeepAlive | ServerFrame::Unknown, _) => {}
                    (other, _) => return Err(Error::OutOfPlace(format!("{other:?}"))),
                }
            }
        }
        let mut opened = opened.expect("live is taken only after a welcome");
        opened.useq = self.useq;
        Ok(opened)
    }

    /// Events follow each other without gaps and repeats.
    fn event(&mut self, event: &Event) -> Result<(), Error> {
        let (last, useq) = (self.useq, event.useq.get());
        self.useq = useq;
        if useq.checked_sub(event.covers) == Some(last) { Ok(()) } else { Err(Error::Gap { last, useq }) }
    }

    /// The number of the last event.
    pub fn useq(&self) -> u64 {
        self.useq
    }

    /// Asks, acks what comes meanwhile, and waits for the answer.
    pub async fn ask(&mut self, command: Command) -> Result<Answer, Error> {
        self.next_id += 1;
        let id = self.next_id;
        let ack = (self.useq > 0).then(|| Useq::new(self.useq));
        self.write(&ClientFrame { ack, message: ClientMessage::Command { id, command } }).await?;
        let limit = self.limit;
        timeout(limit, Box::pin(self.answer(id))).await.map_err(|_| Error::TimedOut(limit))?
    }

    async fn answer(&mut self, asked: u32) -> Result<Answer, Error> {
        loop {
            let message = self.read().await?;
            let mut answered = None;
            for frame in frames(&message) {
                match frame? {
                    ServerFrame::Answer { id, answer } if id == asked => answered = Some(Ok(answer)),
                    ServerFrame::Error(error) if error.id == Some(asked) => answered = Some(Err(Error::Refused(error))),
                    ServerFrame::Event(event) => self.event(&event)?,
                    _ => {}
                }
            }
            if let Some(answer) = answered {
                return answer;
            }
        }
    }

    /// Reads until an event with at least this number came, and acks it.
    pub async fn wait_for(&mut self, useq: u64) -> Result<(), Error> {
        let limit = self.limit;
        let wait = async {
            while self.useq < useq {
                let message = self.read().await?;
                for frame in frames(&message) {
                    if let ServerFrame::Event(event) = frame? {
                        self.event(&event)?;
                    }
                }
            }
            Ok::<(), Error>(())
        };
        timeout(limit, Box::pin(wait)).await.map_err(|_| Error::TimedOut(limit))??;
        self.write(&ClientFrame { ack: Some(Useq::new(self.useq)), message: ClientMessage::Ack }).await
    }

    /// Answers heartbeats until the server ends the session; `{}` goes out every `every`.
    pub async fn hold(&mut self, every: Duration) -> Error {
        let mut beat = tokio::time::interval(every);
        beat.tick().await;
        loop {
            tokio::select! {
                message = self.read() => if let Err(error) = message {
                    return error;
                },
                _ = beat.tick() => {
                    if let Err(error) = self.write(&ClientFrame { ack: None, message: ClientMessage::KeepAlive }).await {
                        return error;
                    }
                }
            }
        }
    }

    /// Says goodbye; what the server answers no longer matters.
    pub async fn close(mut self) -> Result<(), Error> {
        self.connection.close(None).await.map_err(|error| Error::Socket(Box::new(error)))
    }

    async fn write(&mut self, frame: &ClientFrame) -> Result<(), Error> {
        let mut line = Vec::new();
        write_client(frame, &mut line);
        let line = String::from_utf8(line).expect("a client's frames are written as UTF-8");
        self.connection.send(Message::text(line)).await.map_err(|error| Error::Socket(Box::new(error)))
    }

    async fn read(&mut self) -> Result<Message, Error> {
        loop {
            match self.connection.next().await {
                Some(Ok(message @ Message::Text(_))) => return Ok(message),
                Some(Ok(Message::Close(close))) => {
                    return Err(Error::Closed { code: close.map_or(1005, |close| close.code.into()) });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Socket(Box::new(error))),
                // RFC 6455: closed without a close frame.
                None => return Err(Error::Closed { code: 1006 }),
            }
        }
    }
}

fn frames(message: &Message) -> impl Iterator<Item = Result<ServerFrame, Error>> {
    split_lines(message.to_text().unwrap_or_default())
        .map(|line| parse_server(line).map_err(|source| Error::Frame { line: line.to_owned(), source }))
}
