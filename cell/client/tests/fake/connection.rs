//! One connection to the fake server.

use std::collections::VecDeque;

use cell_client::{ErrorCode, ErrorFrame, Snapshot, Timestamp, Useq, WhyFresh};
use cell_protocol::{
    Answer, ClientMessage, Command, Limits, ServerFrame, Welcome, limits, parse_client, split_lines, write_server,
};
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::{Fake, World, user};

/// Unacked events, as a real server would have them.
const WINDOW: u64 = 64;

struct Connection {
    fake: Fake,
    /// The last entry that was sent here.
    pushed: Option<Useq>,
    acked: Useq,
    is_live: bool,
    /// Frames, in either direction, until the connection dies.
    frames_left: Option<u32>,
    out: VecDeque<ServerFrame>,
}

pub(super) async fn serve(fake: Fake, stream: TcpStream) {
    let mut changed = fake.changed.subscribe();
    #[expect(clippy::result_large_err, reason = "the signature that the library asks for")]
    let subprotocol = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", limits::SUBPROTOCOL.parse().unwrap());
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, subprotocol).await else { return };
    let frames_left = {
        let mut world = fake.world();
        let drops = world.drops_left > 0;
        world.drops_left = world.drops_left.saturating_sub(1);
        drops.then(|| world.rng.random_range(1..60))
    };
    let mut connection =
        Connection { fake, pushed: None, acked: Useq::ZERO, is_live: false, frames_left, out: VecDeque::new() };
    loop {
        connection.push_events();
        if !connection.write(&mut socket).await {
            return;
        }
        let close_code = connection.fake.world().close_live_with.filter(|_| connection.is_live);
        if let Some(code) = close_code {
            let frame = CloseFrame { code: code.into(), reason: "scripted".into() };
            socket.close(Some(frame)).await.unwrap_or_default();
            return;
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    for line in split_lines(text.as_str()) {
                        if !connection.read(line) {
                            return;
                        }
                    }
                    connection.fake.changed.send_replace(());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(()) = changed.changed() => {}
        }
    }
}

impl Connection {
    /// False when the connection dies now.
    fn count(&mut self) -> bool {
        match &mut self.frames_left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    async fn write(&mut self, socket: &mut WebSocketStream<TcpStream>) -> bool {
        let mut text = Vec::new();
        let mut lives = true;
        while let Some(frame) = self.out.pop_front() {
            lives = self.count();
            if !lives {
                break;
            }
            write_server(&frame, &mut text);
            text.push(b'\n');
        }
        if !text.is_empty() {
            lives &= socket.send(Message::text(String::from_utf8(text).unwrap())).await.is_ok();
        }
        lives
    }

    fn push_events(&mut self) {
        let Some(pushed) = &mut self.pushed else { return };
        let mut world = self.fake.world();
        while pushed.get() < world.mailbox.len() as u64 && pushed.get() - self.acked.get() < WINDOW {
            let event = world.mailbox[usize::try_from(pushed.get()).unwrap()].clone();
            *pushed = event.useq;
            if world.one_in(self.fake.faults.repeat_one_in) {
                self.out.push_back(ServerFrame::Event(event.clone()));
            }
            self.out.push_back(ServerFrame::Event(event));
        }
        if !self.is_live && pushed.get() == world.mailbox.len() as u64 {
            self.is_live = true;
            self.out.push_back(ServerFrame::Live { head: *pushed });
        }
    }

    /// False when the connection dies now.
    fn read(&mut self, line: &str) -> bool {
        if !self.count() {
            return false;
        }
        let fake = self.fake.clone();
        let mut world = fake.world();
        let frame = parse_client(line).unwrap();
        if let Some(ack) = frame.ack {
            if Some(ack) > self.pushed || ack < self.acked {
                world.broken.push(format!("ack {ack} of {:?} after {}", self.pushed, self.acked));
            }
            self.acked = self.acked.max(ack);
            world.acked = world.acked.max(ack);
        }
        match frame.message {
            ClientMessage::Hello(hello) => {
                world.hellos += 1;
                let resume = hello.resume.map(|cursor| cursor.useq);
                if resume < Some(world.acked) && world.acked > Useq::ZERO {
                    let broken = format!("resume {resume:?} below the ack {}", world.acked);
                    world.broken.push(broken);
                }
                self.pushed = Some(resume.unwrap_or_default());
                self.acked = resume.unwrap_or_default();
                self.out.push_back(welcome(&world, resume.is_none()));
                if resume.is_none() {
                    let snapshot = Snapshot { at: Useq::ZERO, conversations: vec![], next: None };
                    self.out.push_back(ServerFrame::Snapshot(snapshot));
                }
            }
            ClientMessage::Command { id, command } => self.out.extend(self.command(&mut world, id, command)),
            ClientMessage::KeepAlive | ClientMessage::Ack => {}
        }
        true
    }

    fn command(&self, world: &mut World, id: u32, command: Command) -> Option<ServerFrame> {
        let Command::Send { mid, body, after, .. } = command else {
            return Some(ServerFrame::Answer { id, answer: Answer::Pong { now: Timestamp::from_millis(1) } });
        };
        if !self.is_live {
            world.broken.push(format!("{mid} was sent before live"));
        }
        let refused = |code| {
            Some(ServerFrame::Error(ErrorFrame { id: Some(id), code, retry_ms: Some(5), message: "scripted".into() }))
        };
        let (cseq, again) = match world.by_mid.get(&mid).copied() {
            Some(cseq) => (cseq, true),
            None if world.one_in(self.fake.faults.refuse_one_in) => return refused(ErrorCode::Unavailable),
            None if after.is_some_and(|after| !world.by_mid.contains_key(&after)) => {
                return refused(ErrorCode::OutOfOrder);
            }
            None => {
                let cseq = world.store("alice", mid, body);
                world.bob_answers(self.fake.faults.bob_answers_one_in);
                (cseq, false)
            }
        };
        let (conversation, ts) = (super::conversation(), Timestamp::from_millis(cseq.get()));
        Some(ServerFrame::Answer { id, answer: Answer::Sent { conversation, cseq, ts, again } })
    }
}

fn welcome(world: &World, is_fresh: bool) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        user: user("alice"),
        session: "s".into(),
        resume_token: "rt".into(),
        ep: "k1".into(),
        head: Useq::new(world.mailbox.len() as u64),
        fresh: is_fresh.then_some(WhyFresh::New),
        heartbeat_ms: 25_000,
        limits: Limits { frame: 131_072, body: 65_536, inflight: 64, window: WINDOW },
        now: Timestamp::from_millis(1),
    })
}
