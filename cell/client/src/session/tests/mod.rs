//! The session as data: what goes in, what comes out, rule by rule.

mod acks;
mod closing;
mod events;
mod opening;
mod order;
mod outbox;
mod queries;

use std::time::Duration;

use cell_protocol::{
    Answer, ClientFrame, ClientMessage, Command, ErrorCode, ErrorFrame, Event, EventKind, Hello, Limits, MessageView,
    Resume, ServerFrame, Snapshot, Welcome, WhyFresh, parse_client, split_lines, write_server,
};
use cell_types::{ConversationId, Cseq, MessageId, Timestamp, Useq, UserId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Config, Input, Now, Output, RequestId, Sent, Session};
use crate::body::to_body;
use crate::error::Error;
use crate::event::ClientEvent;
use crate::store::{Record, Saved, SavedSend};
use crate::target::SendTarget;

const HEARTBEAT_MS: u64 = 25_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A session, a clock and what came out since the last look.
struct Rig {
    session: Session,
    now: Now,
    frames: Vec<ClientFrame>,
    /// Text messages that the frames came in.
    messages: usize,
    records: Vec<Record>,
    connects: Vec<String>,
    disconnects: usize,
    token_fetches: usize,
    in_outbox: Vec<(RequestId, MessageId)>,
    sent: Vec<(RequestId, Result<Sent, Error>)>,
    answers: Vec<(RequestId, Result<Answer, Error>)>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Saved::default(), |_| {})
    }

    fn with(saved: Saved, change: impl FnOnce(&mut Config)) -> Self {
        let urls = vec!["ws://a".into()];
        let mut config = Config { device: "phone".parse().unwrap(), urls, user: None, keep_cursor: true };
        change(&mut config);
        Self {
            session: Session::new(config, saved, StdRng::seed_from_u64(7)),
            now: Now { elapsed: Duration::from_secs(1), unix: Timestamp::from_millis(1_790_000_000_000) },
            frames: Vec::new(),
            messages: 0,
            records: Vec::new(),
            connects: Vec::new(),
            disconnects: 0,
            token_fetches: 0,
            in_outbox: Vec::new(),
            sent: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Live, with an empty mailbox that was at this entry.
    fn live(at: u64) -> Self {
        let mut rig = Self::new();
        rig.connect();
        rig.go_live_from_snapshot(at);
        rig.take_all();
        rig.forget();
        rig
    }

    fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
        self.perform();
    }

    fn perform(&mut self) {
        for output in self.session.take_outputs(self.now) {
            match output {
                Output::Persist { records, .. } => self.records.extend(records),
                Output::FetchToken => self.token_fetches += 1,
                Output::Connect { url } => self.connects.push(url),
                Output::Transmit(text) => {
                    self.messages += 1;
                    self.frames.extend(split_lines(&text).map(|line| parse_client(line).unwrap()));
                }
                Output::Disconnect => self.disconnects += 1,
                Output::InOutbox { request, mid } => self.in_outbox.push((request, mid)),
                Output::Sent { request, result } => self.sent.push((request, result)),
                Output::Answer { request, result } => self.answers.push((request, result)),
            }
        }
    }

    fn server(&mut self, frames: impl IntoIterator<Item = ServerFrame>) {
        let mut text = Vec::new();
        for frame in frames {
            write_server(&frame, &mut text);
            text.push(b'\n');
        }
        self.input(Input::Text(String::from_utf8(text).unwrap()));
    }

    /// Lets time pass and the session act on it, deadline by deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now.elapsed + time;
        while self.session.deadline().is_some_and(|deadline| deadline <= end) {
            self.pass_to_deadline();
        }
        self.set(end);
    }

    fn pass_to_deadline(&mut self) {
        let deadline = self.session.deadline().expect("something is due");
        self.set(deadline);
        self.input(Input::Tick);
    }

    fn set(&mut self, elapsed: Duration) {
        let step = elapsed.saturating_sub(self.now.elapsed);
        self.now = Now { elapsed: self.now.elapsed + step, unix: self.now.unix.plus(step) };
    }

    /// Up to `hello`.
    fn connect(&mut self) {
        let (connects, fetches) = (self.connects.len(), self.token_fetches);
        while (self.connects.len(), self.token_fetches) == (connects, fetches) {
            self.pass_to_deadline();
        }
        if self.token_fetches > fetches {
            self.input(Input::Token(Ok("jwt".into())));
        }
        assert_eq!(self.connects.len(), connects + 1, "one attempt");
        self.input(Input::Connected);
    }

    fn go_live_from_snapshot(&mut self, at: u64) {
        self.server([welcome("k1", Some(WhyFresh::New)), snapshot(at), live(at)]);
    }

    /// On the next connection, with nothing missed.
    fn reconnect(&mut self, at: u64) {
        self.connect();
        self.server([welcome("k1", None), live(at)]);
        self.forget();
    }

    fn close(&mut self, code: impl Into<Option<u16>>) {
        self.input(Input::Closed { code: code.into(), why: "test".into() });
    }

    /// Hands all events over, without taking them.
    fn hand_over(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    fn take(&mut self, count: usize) {
        self.input(Input::Taken { count: count as u64 });
    }

    fn take_all(&mut self) -> Vec<ClientEvent> {
        let events = self.hand_over();
        self.take(events.len());
        events
    }

    fn send(&mut self, request: RequestId, to: &str) {
        let body = to_body(&format!("message {request}")).unwrap();
        self.input(Input::Send { request, to: user(to).into(), body });
    }

    fn mid(&self, request: RequestId) -> MessageId {
        self.in_outbox.iter().find(|(id, _)| *id == request).expect("it is in the outbox").1
    }

    /// The sends that went out since the last look, as (id, request, request named as `after`).
    fn sends(&mut self) -> Vec<(u32, RequestId, Option<RequestId>)> {
        let request = |mid: MessageId| self.in_outbox.iter().find(|(_, it)| *it == mid).expect("ours").0;
        let frames = std::mem::take(&mut self.frames);
        let sends = frames.iter().filter_map(|frame| match &frame.message {
            ClientMessage::Command { id, command: Command::Send { mid, after, .. } } => {
                Some((*id, request(*mid), after.map(request)))
            }
            _ => None,
        });
        sends.collect()
    }

    fn ok(&mut self, id: u32, cseq: u64) {
        let (cseq, ts) = (Cseq::new(cseq), Timestamp::from_millis(1));
        let answer = Answer::Sent { conversation: conversation("bob"), cseq, ts, again: false };
        self.server([ServerFrame::Answer { id, answer }]);
    }

    fn refuse(&mut self, id: u32, code: ErrorCode, retry_ms: Option<u64>) {
        let frame = ErrorFrame { id: Some(id), code, retry_ms, message: "no".into() };
        self.server([ServerFrame::Error(frame)]);
    }

    fn hello(&self) -> &Hello {
        let hellos = self.frames.iter().filter_map(|frame| match &frame.message {
            ClientMessage::Hello(hello) => Some(hello),
            _ => None,
        });
        hellos.last().expect("a hello went out")
    }

    fn acks(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.frames).iter().filter_map(|frame| frame.ack.map(Useq::get)).collect()
    }

    fn forget(&mut self) {
        self.frames.clear();
        self.records.clear();
        self.sent.clear();
        (self.messages, self.disconnects) = (0, 0);
    }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn conversation(with: &str) -> ConversationId {
    ConversationId::direct(&user("alice"), &user(with))
}

fn cursor(ep: &str, useq: u64) -> Resume {
    Resume { ep: ep.into(), useq: Useq::new(useq) }
}

fn welcome(ep: &str, fresh: Option<WhyFresh>) -> ServerFrame {
    welcome_with(ep, fresh, Limits { frame: 131_072, body: 65_536, inflight: 64, window: 512 })
}

fn welcome_with(ep: &str, fresh: Option<WhyFresh>, limits: Limits) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        user: user("alice"),
        session: "s".into(),
        resume_token: "rt".into(),
        ep: ep.into(),
        head: Useq::ZERO,
        fresh,
        heartbeat_ms: HEARTBEAT_MS,
        limits,
        now: Timestamp::from_millis(1),
    })
}

fn snapshot(at: u64) -> ServerFrame {
    ServerFrame::Snapshot(Snapshot { at: Useq::new(at), conversations: vec![], next: None })
}

fn live(head: u64) -> ServerFrame {
    ServerFrame::Live { head: Useq::new(head) }
}

fn event_of(useq: u64, covers: u64, kind: EventKind) -> ServerFrame {
    ServerFrame::Event(Event { useq: Useq::new(useq), covers, kind })
}

/// Bob's message number `useq`.
fn event(useq: u64) -> ServerFrame {
    event_of(useq, 1, EventKind::Message(message("bob", useq, useq.into())))
}

fn message(from: &str, cseq: u64, mid: u128) -> MessageView {
    MessageView {
        conversation: conversation("bob"),
        cseq: Cseq::new(cseq),
        from: user(from),
        mid: Some(MessageId::from_u128(mid)),
        ts: Timestamp::from_millis(1),
        body: Some(to_body("hi").unwrap()),
        rev: 0,
        deleted: false,
    }
}

/// The `cseq` of the messages among events.
fn messages(events: &[ClientEvent]) -> Vec<u64> {
    let cseq = |event: &ClientEvent| match event {
        ClientEvent::Message(message) => Some(message.cseq.get()),
        _ => None,
    };
    events.iter().filter_map(cseq).collect()
}

fn saved_send(mid: u128, tried: Option<Timestamp>) -> SavedSend {
    SavedSend { mid: MessageId::from_u128(mid), to: SendTarget::User(user("bob")), body: to_body("x").unwrap(), tried }
}
