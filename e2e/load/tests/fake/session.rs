//! A connection of the fake server.

use std::sync::Arc;

use cell_protocol::limits::SUBPROTOCOL;
use cell_protocol::{
    Answer, ClientMessage, Command, ErrorFrame, Hello, Limits, ServerFrame, Welcome, WhyFresh, parse_client,
    split_lines, write_server,
};
use cell_types::{Timestamp, Useq, UserId};
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{DecodingKey, Validation};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::state::Recipient;
use super::{KEY, Lie, Shared};

const EP: &str = "k1";

struct Session {
    shared: Arc<Shared>,
    user: UserId,
    device: String,
    /// Index of the next event to show.
    next: usize,
    told: watch::Receiver<usize>,
    commands: u64,
    out: String,
}

pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let cut = Arc::clone(&shared);
    tokio::select! {
        () = cut.cut() => {}
        _ = Box::pin(talk(stream, shared)) => {}
    }
}

/// Ends with `None` when the connection is to break.
async fn talk(stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let subprotocol = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, subprotocol).await.ok()?;
    let Message::Text(first) = socket.next().await?.ok()? else { return None };
    let ClientMessage::Hello(hello) = parse_client(first.as_str()).ok()?.message else { return None };
    let mut session = Session::open(shared, hello)?;
    session.flush(&mut socket).await?;
    loop {
        tokio::select! {
            message = socket.next() => match message?.ok()? {
                Message::Text(text) => {
                    for line in split_lines(text.as_str()) {
                        session.line(line)?;
                    }
                }
                Message::Close(_) => return None,
                _ => {}
            },
            changed = session.told.changed() => changed.ok()?,
        }
        session.events();
        session.flush(&mut socket).await?;
    }
}

impl Session {
    fn open(shared: Arc<Shared>, hello: Hello) -> Option<Self> {
        let user = check_token(&hello.token)?;
        let mut state = shared.state();
        let told = state.subscribe(&user);
        let head = state.head(&user);
        let lie = state.manners.lie;
        let resume = hello.resume.filter(|_| lie != Some(Lie::RefusesToResume));
        let fresh = if resume.is_some() { None } else { Some(WhyFresh::New) };
        let resumed_at = resume.map_or(head, |resume| resume.useq.get());
        let mut next = state.index_after(&user, resumed_at);
        let snapshot = fresh.map(|_| state.snapshot(&user));
        let end = state.index_after(&user, head);
        drop(state);
        let mut lost = false;
        if fresh.is_none() && end > 0 {
            match lie {
                Some(Lie::ResumesTooLate) if next < end => next += 1,
                Some(Lie::ResumesTooEarly) if next > 0 => next -= 1,
                Some(Lie::LosesOneAtReconnect) => lost = next < end,
                _ => {}
            }
        }
        let device = hello.device.to_string();
        let mut session = Self { shared, user, device, next, told, commands: 0, out: String::new() };
        let limits = Limits { frame: 131_072, body: 65_536, inflight: 64, window: 512 };
        session.write(&ServerFrame::Welcome(Welcome {
            user: session.user.clone(),
            session: "s".into(),
            resume_token: format!("rt:{}", session.user),
            ep: EP.into(),
            head: Useq::new(head),
            fresh,
            heartbeat_ms: 25_000,
            limits,
            now: Timestamp::from_millis(1),
        }));
        if let Some(snapshot) = snapshot {
            session.write(&ServerFrame::Snapshot(snapshot));
        }
        session.replay(end, lost);
        session.write(&ServerFrame::Live { head: Useq::new(head) });
        Some(session)
    }

    fn replay(&mut self, end: usize, lost: bool) {
        let (events, _) = self.shared.state().events_from(&self.user, self.next);
        let shown = end.saturating_sub(self.next);
        for (_, line) in events.iter().take(shown - usize::from(lost)) {
            self.line_out(line);
        }
        self.next = end.max(self.next);
    }

    /// Shows what is new.
    fn events(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let (mut events, next) = state.events_from(&self.user, self.next);
        self.next = next;
        let is_message = |(_, line): &(u64, Arc<str>)| line.contains("\"k\":\"msg\"");
        if events.len() >= 2 && events[..2].iter().all(is_message) && state.lies(Lie::SwapsTwoEvents) {
            events.swap(0, 1);
        }
        let skips = self.device == "d1" && !events.is_empty() && state.lies(Lie::SkipsADevice);
        for (_, line) in events.iter().skip(usize::from(skips)) {
            self.line_out(line);
        }
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let frame = parse_client(line).expect("the generator writes what the protocol says");
        if let Some(ack) = frame.ack {
            self.shared.state().acked(&self.user, ack.get());
        }
        let ClientMessage::Command { id, command } = frame.message else { return Some(()) };
        self.commands += 1;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        state.commands += 1;
        let breaks = state.manners.breaks_every.is_some_and(|every| state.commands.is_multiple_of(every));
        let answer = match command {
            Command::Send { to, mid, body, after } => {
                let to = match to {
                    cell_protocol::Target::User(user) => Recipient::User(user),
                    cell_protocol::Target::Conversation(conversation) => Recipient::Conversation(conversation.ok()?),
                };
                state.send(&self.user, to, mid, body, after)
            }
            Command::History { conversation, page, limit } => {
                Ok(state.page(conversation.ok()?, page, limit.unwrap_or(50) as usize))
            }
            Command::Ping => Ok(Answer::Pong { now: Timestamp::from_millis(1) }),
            other => panic!("the generator does not ask this: {other:?}"),
        };
        let leaves = state.manners.goaway_after == Some(self.commands);
        drop(state);
        if breaks {
            return None;
        }
        match answer {
            Ok(answer) => self.write(&ServerFrame::Answer { id, answer }),
            Err(error) => self.write(&ServerFrame::Error(ErrorFrame { id: Some(id), ..error })),
        }
        if leaves {
            self.write(&ServerFrame::GoAway { after_ms: 5, url: None, why: Some("drain".into()) });
        }
        Some(())
    }

    fn write(&mut self, frame: &ServerFrame) {
        let mut line = Vec::new();
        write_server(frame, &mut line);
        self.line_out(&String::from_utf8(line).unwrap());
    }

    fn line_out(&mut self, line: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(line);
    }

    async fn flush(&mut self, socket: &mut WebSocketStream<TcpStream>) -> Option<()> {
        if self.out.is_empty() {
            return Some(());
        }
        socket.send(Message::text(std::mem::take(&mut self.out))).await.ok()
    }
}

fn check_token(token: &str) -> Option<UserId> {
    #[derive(serde::Deserialize)]
    struct Claims {
        sub: String,
    }
    if let Some(user) = token.strip_prefix("rt:") {
        return user.parse().ok();
    }
    let key = DecodingKey::from_secret(KEY.as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &Validation::default()).ok()?.claims;
    claims.sub.parse().ok()
}
