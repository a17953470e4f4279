//! A server with one user, scripted over a loopback WebSocket: it keeps the protocol's promises about `mid`, `after` and
//! the mailbox, and breaks everything that the protocol allows to break.

mod connection;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cell_client::{Body, ConversationId, Cseq, MessageId, MessageView, Timestamp, Useq, UserId};
use cell_protocol::{Event, EventKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Connections that end after a random number of frames; those behind them live.
    pub drops: u32,
    /// One send in so many is refused with 503, or applied without an answer; 0: none.
    pub refuse_one_in: u32,
    /// One event in so many is sent twice; 0: none.
    pub repeat_one_in: u32,
    /// Bob answers one of Alice's messages in so many; 0: none.
    pub bob_answers_one_in: u64,
}

/// What the server knows.
#[derive(Debug)]
pub(crate) struct World {
    pub mailbox: Vec<Event>,
    /// Of the one conversation.
    pub messages: Vec<MessageView>,
    by_mid: BTreeMap<MessageId, Cseq>,
    pub hellos: u32,
    pub acked: Useq,
    /// Close code for each connection once it is live.
    pub close_live_with: Option<u16>,
    /// Rules of the protocol that the client broke.
    pub broken: Vec<String>,
    drops_left: u32,
    from_alice: u64,
    rng: StdRng,
}

/// A handle on the running server.
#[derive(Clone)]
pub(crate) struct Fake {
    pub url: String,
    world: Arc<Mutex<World>>,
    faults: Faults,
    changed: watch::Sender<()>,
}

impl Fake {
    pub(crate) async fn start(seed: u64, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/v1/ws", listener.local_addr().unwrap());
        let world = World {
            mailbox: Vec::new(),
            messages: Vec::new(),
            by_mid: BTreeMap::new(),
            hellos: 0,
            acked: Useq::ZERO,
            close_live_with: None,
            broken: Vec::new(),
            drops_left: faults.drops,
            from_alice: 0,
            rng: StdRng::seed_from_u64(seed),
        };
        let fake = Self { url, world: Arc::new(Mutex::new(world)), faults, changed: watch::Sender::new(()) };
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection::serve(server.clone(), stream));
            }
        });
        fake
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Bob says something.
    pub(crate) fn bob_says(&self, text: &str) {
        self.world().store("bob", MessageId::from_u128(rand::random()), cell_client::to_body(text).unwrap());
        self.changed.send_replace(());
    }

    /// Waits until the server is in a state.
    pub(crate) async fn until(&self, is_so: impl Fn(&World) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(&self.world()) {
            changed.changed().await.unwrap();
        }
    }
}

impl World {
    fn store(&mut self, from: &str, mid: MessageId, body: Body) -> Cseq {
        let cseq = Cseq::new(self.messages.len() as u64 + 1);
        let message = MessageView {
            conversation: conversation(),
            cseq,
            from: user(from),
            mid: Some(mid),
            ts: Timestamp::from_millis(cseq.get()),
            body: Some(body),
            rev: 0,
            deleted: false,
        };
        self.messages.push(message.clone());
        self.by_mid.insert(mid, cseq);
        let useq = Useq::new(self.mailbox.len() as u64 + 1);
        self.mailbox.push(Event { useq, covers: 1, kind: EventKind::Message(message) });
        cseq
    }

    fn bob_answers(&mut self, one_in: u64) {
        self.from_alice += 1;
        if one_in > 0 && self.from_alice.is_multiple_of(one_in) {
            let answer = cell_client::to_body(&format!("bob {}", self.from_alice)).unwrap();
            self.store("bob", MessageId::from_u128(u128::from(self.from_alice)), answer);
        }
    }

    fn one_in(&mut self, many: u32) -> bool {
        many > 0 && self.rng.random_range(0..many) == 0
    }
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

pub(crate) fn conversation() -> ConversationId {
    ConversationId::direct(&user("alice"), &user("bob"))
}
