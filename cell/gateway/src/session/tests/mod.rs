//! The session as data: arrange, one input, exact outputs. A file per part of the protocol.

mod acks;
mod bounds;
mod commands;
mod frames;
mod homes;
mod opening;
mod time;

use std::sync::Arc;
use std::time::Duration;

use cell_protocol::{Answer, CloseCode, ErrorCode, Event, EventKind, Snapshot, WhyFresh};
use cell_types::{ConversationId, Cseq, HistoryEpoch, PlacementKey, Timestamp, Useq, UserId};
use serde_json::{Value, json};

use super::*;
use crate::counters::Counters;
use crate::home::{HomeCommand, HomeError, Open, OpenFrom, Opened, RequestId};
use crate::test_support::{START, TOKEN_LIFE_MS, good_jwt, hello, jwt, keyring, send, verifier};
use crate::token::{GRACE_DEFAULT, Keyring};

const ID: SessionId = SessionId(1);

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn key(id: &str) -> PlacementKey {
    user(id).placement()
}

/// The conversation of alice, whose session it is, and bob.
fn with_bob() -> ConversationId {
    ConversationId::direct(&user("alice"), &user("bob"))
}

fn good_token() -> String {
    good_jwt("alice")
}

fn environment(keyring: Keyring) -> Environment {
    Environment { verifier: verifier(keyring), entropy: Arc::new(|| 7), counters: Counters::default() }
}

/// A session with everything around it in the test's hands.
struct Rig {
    session: Session,
    environment: Environment,
    outputs: Outputs,
    now_ms: u64,
}

impl Rig {
    /// A connection on which nothing was said.
    fn connected() -> Self {
        Self {
            session: Session::new(ID, Now { monotonic_ms: 0, wall: START }),
            environment: environment(keyring()),
            outputs: Outputs::default(),
            now_ms: 0,
        }
    }

    /// A session of alice's phone whose home has been asked.
    fn opening() -> Self {
        let mut rig = Self::connected();
        rig.text(&hello(&good_token(), None));
        assert!(matches!(&rig.home_messages()[..], [(_, ToHome::Open(_))]));
        rig
    }

    /// A session of alice's phone, live, that was sent everything up to `useq`.
    fn live_at(useq: u64) -> Self {
        let mut rig = Self::opening();
        rig.home(fresh(1, useq, useq));
        assert_eq!(rig.frames(), ["welcome fresh=new", &format!("snap {useq}"), &format!("live {useq}")]);
        rig
    }

    fn now(&self) -> Now {
        let wall = START.plus(Duration::from_millis(self.now_ms));
        Now { monotonic_ms: self.now_ms, wall }
    }

    fn act(&mut self, input: impl FnOnce(&mut Session, &mut Turn<'_>)) {
        let now = self.now();
        input(&mut self.session, &mut Turn { now, environment: &self.environment, out: &mut self.outputs });
    }

    fn text(&mut self, message: &str) {
        self.act(|session, turn| session.text(turn, message));
    }

    fn home(&mut self, message: FromHome) {
        self.act(|session, turn| session.from_home(turn, message));
    }

    fn reset(&mut self, affected: &[PlacementKey]) {
        self.act(|session, turn| session.reset(turn, &|key| affected.contains(&key)));
    }

    /// Lets time pass, waking the session when it wants to be woken.
    fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(next) = self.session.next_wake_ms(self.now()).filter(|next| *next <= end) {
            self.now_ms = next.max(self.now_ms);
            self.act(Session::wake);
            let next = self.session.next_wake_ms(self.now());
            assert!(next.is_none_or(|next| next > self.now_ms), "a session that is woken at once again spins");
        }
        self.now_ms = end;
    }

    /// What was said to the client since the last look, in short.
    fn frames(&mut self) -> Vec<String> {
        self.raw_frames().iter().map(short).collect()
    }

    fn raw_frames(&mut self) -> Vec<Value> {
        let bytes = std::mem::take(&mut self.outputs.frames);
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn home_messages(&mut self) -> Vec<(PlacementKey, ToHome)> {
        std::mem::take(&mut self.outputs.to_home)
    }

    /// The numbers of the commands that went to homes since the last look.
    fn requests(&mut self) -> Vec<u64> {
        let commands = self.home_messages().into_iter().filter_map(|(_, message)| match message {
            ToHome::Command { request, .. } => Some(request.0),
            _ => None,
        });
        commands.collect()
    }

    fn closed(&self) -> Option<CloseCode> {
        assert_eq!(self.outputs.close.is_some(), self.session.is_closed());
        self.outputs.close
    }

    #[track_caller]
    fn assert_goes_on(&self) {
        assert_eq!(self.closed(), None);
    }
}

fn short(frame: &Value) -> String {
    let number = |name: &str| frame[name].to_string();
    match frame["t"].as_str() {
        None => "{}".into(),
        Some("welcome") if frame["resumed"] == true => "welcome resumed".into(),
        Some("welcome") => format!("welcome fresh={}", frame["why"].as_str().unwrap()),
        Some("snap") => format!("snap {}", number("at")),
        Some("ev") if frame["n"].is_null() => format!("ev {}", number("u")),
        Some("ev") => format!("ev {} n={}", number("u"), number("n")),
        Some("live") => format!("live {}", number("u")),
        Some("err") => format!("err {} {}", number("id"), frame["name"].as_str().unwrap()),
        Some("goaway") => format!("goaway {}", number("after_ms")),
        Some(t) => format!("{t} {}", number("id")),
    }
}

fn history(id: u32) -> String {
    json!({"t": "hist", "id": id, "conv": with_bob().to_string()}).to_string()
}

fn opened(attempt: u32, head: u64, fresh: Option<(WhyFresh, Snapshot)>) -> FromHome {
    let (ep, head) = (HistoryEpoch::new(1), Useq::new(head));
    FromHome::Opened(Opened { session: ID, attempt, ep, head, fresh })
}

fn resumed(attempt: u32, head: u64) -> FromHome {
    opened(attempt, head, None)
}

fn fresh(attempt: u32, at: u64, head: u64) -> FromHome {
    let snapshot = Snapshot { at: Useq::new(at), conversations: Vec::new(), next: None };
    opened(attempt, head, Some((WhyFresh::New, snapshot)))
}

fn event(useq: u64, covers: u64) -> Event {
    let kind = EventKind::Read { conversation: with_bob(), user: user("alice"), upto: Cseq::new(useq) };
    Event { useq: Useq::new(useq), covers, kind }
}

fn events(numbers: impl IntoIterator<Item = u64>) -> FromHome {
    FromHome::Events { session: ID, events: numbers.into_iter().map(|useq| event(useq, 1)).collect() }
}

fn done(request: u64) -> FromHome {
    FromHome::Answered { session: ID, request: RequestId(request), result: Ok(Answer::Done) }
}

fn failed(request: u64, code: ErrorCode, elsewhere: bool) -> FromHome {
    let error = HomeError { code, retry_ms: Some(40), message: "because".into(), elsewhere };
    FromHome::Answered { session: ID, request: RequestId(request), result: Err(error) }
}
