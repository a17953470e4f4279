//! Reads what a server says, leniently: fields and kinds that a later version added are skipped.

use std::borrow::Cow;

use cell_types::{ConversationId, Cseq, Eseq, Timestamp, Useq, UserId};
use serde::Deserialize;

use crate::error::{ErrorCode, ErrorFrame};
use crate::server::{Answer, Event, EventKind, Limits, PageMore, ServerFrame, Snapshot, Welcome, WhyFresh};
use crate::wire::{ConversationWire, MessageWire};

/// The line is no frame of a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a server's frame must be a JSON object")]
    NotAnObject,
    #[error("failed to read a server's frame")]
    Json(#[from] serde_json::Error),
}

/// Reads one line.
pub fn parse_server(line: &str) -> Result<ServerFrame, Error> {
    // Derived readers would take an array of the fields' values as well.
    if !line.trim_ascii_start().starts_with('{') {
        return Err(Error::NotAnObject);
    }
    let head: Head<'_> = serde_json::from_str(line)?;
    Ok(match &*head.t {
        "" => ServerFrame::KeepAlive,
        "ev" => ServerFrame::Event(event(line)?),
        "ok" | "page" | "convs" | "pong" => {
            let AnswerHead { id } = serde_json::from_str(line)?;
            ServerFrame::Answer { id, answer: answer(&head.t, line)? }
        }
        "welcome" => ServerFrame::Welcome(welcome(line)?),
        "snap" => ServerFrame::Snapshot(snapshot(line)?),
        "live" => ServerFrame::Live { head: serde_json::from_str::<LiveWire>(line)?.u },
        "err" => ServerFrame::Error(error(line)?),
        "goaway" => {
            let GoAwayWire { after_ms, url, why } = serde_json::from_str(line)?;
            ServerFrame::GoAway { after_ms, url, why }
        }
        _ => ServerFrame::Unknown,
    })
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    t: Cow<'a, str>,
}

#[derive(Deserialize)]
struct EventHead<'a> {
    u: Useq,
    #[serde(default)]
    n: u64,
    #[serde(borrow, default)]
    k: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WatermarkWire {
    conv: ConversationId,
    user: UserId,
    upto: Cseq,
}

fn event(line: &str) -> Result<Event, serde_json::Error> {
    let EventHead { u, n, k } = serde_json::from_str(line)?;
    let kind = match &*k {
        "msg" => EventKind::Message(serde_json::from_str::<MessageWire<'_>>(line)?.into()),
        "read" => {
            let WatermarkWire { conv, user, upto } = serde_json::from_str(line)?;
            EventKind::Read { conversation: conv, user, upto }
        }
        "dlvd" => {
            let WatermarkWire { conv, user, upto } = serde_json::from_str(line)?;
            EventKind::Delivered { conversation: conv, user, upto }
        }
        "conv" => EventKind::Conversation(serde_json::from_str::<ConversationWire<'_>>(line)?.into()),
        _ => EventKind::Unknown,
    };
    Ok(Event { useq: u, covers: n.max(1), kind })
}

#[derive(Deserialize)]
struct AnswerHead {
    id: u32,
}

#[derive(Deserialize)]
struct OkWire {
    conv: Option<ConversationId>,
    cseq: Option<Cseq>,
    #[serde(default)]
    ts: Timestamp,
    #[serde(default)]
    dup: bool,
}

#[derive(Deserialize)]
struct PageWire<'a> {
    conv: ConversationId,
    #[serde(borrow)]
    msgs: Vec<MessageWire<'a>>,
    #[serde(default)]
    more: bool,
    more_before: Option<bool>,
    more_after: Option<bool>,
    eseq: Option<Eseq>,
}

#[derive(Deserialize)]
struct ConversationsWire<'a> {
    #[serde(borrow)]
    convs: Vec<ConversationWire<'a>>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct PongWire {
    now: Timestamp,
}

/// An answer does not say to which command; its `t` and its fields tell.
fn answer(t: &str, line: &str) -> Result<Answer, serde_json::Error> {
    Ok(match t {
        "page" => page(serde_json::from_str(line)?),
        "convs" => {
            let ConversationsWire { convs, next } = serde_json::from_str(line)?;
            Answer::Conversations { conversations: convs.into_iter().map(Into::into).collect(), next }
        }
        "pong" => Answer::Pong { now: serde_json::from_str::<PongWire>(line)?.now },
        _ => match serde_json::from_str(line)? {
            OkWire { conv: Some(conversation), cseq: Some(cseq), ts, dup } => {
                Answer::Sent { conversation, cseq, ts, again: dup }
            }
            OkWire { .. } => Answer::Done,
        },
    })
}

fn page(wire: PageWire<'_>) -> Answer {
    let more = match wire {
        PageWire { eseq: Some(eseq), more, .. } => PageMore::Since { more, eseq },
        PageWire { more_before: None, more_after: None, more, .. } => PageMore::OneWay(more),
        PageWire { more_before, more_after, .. } => {
            PageMore::Around { before: more_before.unwrap_or(false), after: more_after.unwrap_or(false) }
        }
    };
    Answer::Page { conversation: wire.conv, messages: wire.msgs.into_iter().map(Into::into).collect(), more }
}

#[derive(Deserialize)]
struct WelcomeWire {
    user: UserId,
    sess: String,
    rt: String,
    ep: String,
    head: Useq,
    resumed: bool,
    why: Option<String>,
    hb_ms: u64,
    limits: Limits,
    now: Timestamp,
}

fn welcome(line: &str) -> Result<Welcome, serde_json::Error> {
    let WelcomeWire { user, sess, rt, ep, head, resumed, why, hb_ms, limits, now } = serde_json::from_str(line)?;
    // A reason of a later version: the session is fresh all the same.
    let why = match why.as_deref() {
        Some("trimmed") => WhyFresh::Trimmed,
        Some("epoch") => WhyFresh::Epoch,
        Some("ahead") => WhyFresh::Ahead,
        _ => WhyFresh::New,
    };
    Ok(Welcome {
        user,
        session: sess,
        resume_token: rt,
        ep,
        head,
        fresh: (!resumed).then_some(why),
        heartbeat_ms: hb_ms,
        limits,
        now,
    })
}

#[derive(Deserialize)]
struct SnapshotWire<'a> {
    at: Useq,
    #[serde(borrow)]
    convs: Vec<ConversationWire<'a>>,
    next: Option<String>,
}

fn snapshot(line: &str) -> Result<Snapshot, serde_json::Error> {
    let SnapshotWire { at, convs, next } = serde_json::from_str(line)?;
    Ok(Snapshot { at, conversations: convs.into_iter().map(Into::into).collect(), next })
}

#[derive(Deserialize)]
struct LiveWire {
    u: Useq,
}

#[derive(Deserialize)]
struct GoAwayWire {
    #[serde(default)]
    after_ms: u64,
    url: Option<String>,
    why: Option<String>,
}

#[derive(Deserialize)]
struct ErrorWire {
    id: Option<u32>,
    code: u16,
    #[serde(default)]
    name: String,
    #[serde(default)]
    temp: bool,
    retry_ms: Option<u64>,
    #[serde(default)]
    msg: String,
}

fn error(line: &str) -> Result<ErrorFrame, serde_json::Error> {
    let ErrorWire { id, code, name, temp, retry_ms, msg } = serde_json::from_str(line)?;
    let code = ErrorCode::by_name(&name).unwrap_or_else(|| ErrorCode::nearest(code, temp));
    Ok(ErrorFrame { id, code, retry_ms, message: msg })
}
