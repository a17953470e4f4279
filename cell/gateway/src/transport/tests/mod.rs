//! Whole connections over an in-memory pipe, with a real WebSocket client and a home that answers at once.

mod admission;
mod hostile;
mod talk;

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use cell_protocol::{Answer, Event, EventKind, MessageView, PageMore, Snapshot, WhyFresh};
use cell_types::{Body, ConversationId, Cseq, HistoryEpoch, MessageId, PlacementKey, Useq};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, client::ClientRequestBuilder};

use crate::home::{FromHome, HomeCommand, Open, Opened, SessionId, ToHome};
use crate::test_support::{START, good_jwt, hello, keyring, verifier};
use crate::token::Keyring;
use crate::{Gateway, Homes, Options, Seams};

/// A home that opens every session fresh, stores nothing, and answers at once.
#[derive(Default)]
struct FakeHome {
    gateway: OnceLock<Weak<Gateway>>,
    heard: Mutex<Vec<ToHome>>,
    /// Bytes of a page of history.
    page_len: usize,
}

impl Homes for FakeHome {
    fn send(&self, _: PlacementKey, message: ToHome) {
        self.heard.lock().unwrap().push(message.clone());
        let gateway = self.gateway.get().and_then(Weak::upgrade).unwrap();
        match message {
            ToHome::Open(Open { session, attempt, .. }) => {
                let snapshot = Snapshot { at: Useq::ZERO, conversations: Vec::new(), next: None };
                let fresh = (attempt == 1).then_some((WhyFresh::New, snapshot));
                let opened = Opened { session, attempt, ep: HistoryEpoch::new(1), head: Useq::ZERO, fresh };
                gateway.deliver(FromHome::Opened(opened));
            }
            ToHome::Command { session, request, command, .. } => {
                let answer = match command {
                    HomeCommand::History { conversation, .. } => Answer::Page {
                        conversation,
                        messages: vec![message_of(self.page_len)],
                        more: PageMore::OneWay(false),
                    },
                    _ => Answer::Done,
                };
                gateway.deliver(FromHome::Answered { session, request, result: Ok(answer) });
            }
            ToHome::Acknowledge { .. } | ToHome::Close { .. } => {}
        }
    }
}

impl FakeHome {
    fn heard(&self, is_it: impl Fn(&ToHome) -> bool) -> usize {
        self.heard.lock().unwrap().iter().filter(|message| is_it(message)).count()
    }
}

fn message_of(len: usize) -> MessageView {
    MessageView {
        conversation: conversation(),
        cseq: Cseq::new(1),
        from: "bob".parse().unwrap(),
        mid: Some(MessageId::from_u128(1)),
        ts: START,
        body: Some(Body::from_checked(format!("\"{}\"", "x".repeat(len)).into())),
        rev: 0,
        deleted: false,
    }
}

fn conversation() -> ConversationId {
    ConversationId::direct(&"alice".parse().unwrap(), &"bob".parse().unwrap())
}

fn event(useq: u64, len: usize) -> Event {
    Event { useq: Useq::new(useq), covers: 1, kind: EventKind::Message(message_of(len)) }
}

/// A gateway and its home.
struct World {
    gateway: Arc<Gateway>,
    home: Arc<FakeHome>,
}

impl World {
    fn new() -> Self {
        Self::with(Options::default(), keyring(), 0)
    }

    fn with(options: Options, keyring: Keyring, page_len: usize) -> Self {
        let start = Instant::now();
        let seams = Seams {
            clock: Arc::new(move || START.plus(start.elapsed())),
            entropy: Arc::new(|| 7),
            spawn: Arc::new(|task| drop(tokio::spawn(task))),
        };
        let home = Arc::new(FakeHome { page_len, ..FakeHome::default() });
        let gateway = Arc::new(Gateway::new(options, seams, verifier(keyring), Arc::clone(&home) as Arc<dyn Homes>));
        home.gateway.set(Arc::downgrade(&gateway)).unwrap();
        Self { gateway, home }
    }

    /// A connection on which nothing was said, with so many bytes of room in each direction.
    fn dial(&self, room: usize) -> DuplexStream {
        let (client, server) = tokio::io::duplex(room);
        self.gateway.serve(server, "192.0.2.1:5000".parse().unwrap());
        client
    }

    async fn connect(&self) -> Client {
        self.connect_with_room(64 << 10).await
    }

    async fn connect_with_room(&self, room: usize) -> Client {
        let (socket, _) = tokio_tungstenite::client_async(request(), self.dial(room)).await.unwrap();
        Client { socket }
    }

    /// A client of alice's phone that is live.
    async fn alice(&self) -> Client {
        let mut client = self.connect().await;
        client.say(&hello(&good_jwt("alice"), None)).await;
        assert_eq!(client.kinds(3).await, ["welcome", "snap", "live"]);
        client
    }

    fn session(&self) -> SessionId {
        let heard = self.home.heard.lock().unwrap();
        let open = heard.iter().rev().find_map(|message| match message {
            ToHome::Open(open) => Some(open.session),
            _ => None,
        });
        open.unwrap()
    }
}

fn request() -> impl IntoClientRequest + Unpin {
    ClientRequestBuilder::new("ws://chat.example/v1/ws".parse().unwrap()).with_sub_protocol("chat.v1.json")
}

/// A WebSocket client that waits at most an hour of simulated time.
struct Client {
    socket: WebSocketStream<DuplexStream>,
}

impl Client {
    async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The frames of the next text message.
    async fn hear(&mut self) -> Vec<Value> {
        match tokio::time::timeout(Duration::from_secs(3600), self.socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The `t` of the next frames, at least `count` of them.
    async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.len() < count {
            kinds.extend(self.hear().await.iter().map(|frame| frame["t"].as_str().unwrap_or("{}").to_owned()));
        }
        kinds
    }

    /// The code with which the server closes, and the frames before.
    async fn closed(&mut self) -> (Vec<String>, Option<u16>) {
        let mut kinds = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(3600), self.socket.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => kinds.extend(text.lines().map(|line| {
                    let frame: Value = serde_json::from_str(line).unwrap();
                    frame["t"].as_str().unwrap_or("{}").to_owned()
                })),
                Some(Ok(Message::Close(frame))) => return (kinds, frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return (kinds, None),
            }
        }
    }
}
