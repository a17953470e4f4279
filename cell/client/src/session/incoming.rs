//! What a server says, frame by frame.

use cell_protocol::{
    Answer, ErrorCode, ErrorFrame, Event, EventKind, ServerFrame, Snapshot, Welcome, parse_server, split_lines,
};
use cell_types::{MessageId, Useq};

use super::feed::Mark;
use super::io::{Now, Output, RequestId, Sent};
use super::link::{Asked, Link, Phase};
use super::position::Arrival;
use super::sends::Entry;
use super::{Session, State};
use crate::error::{Error, SendFailure};
use crate::event::{ClientEvent, StopReason};
use crate::store::Record;

impl Session {
    pub(super) fn text(&mut self, now: Now, text: &str) {
        for line in split_lines(text) {
            // A frame may end the connection; what is behind it counts no more.
            let State::Open(link) = &mut self.state else { return };
            link.heard = now.elapsed;
            match parse_server(line) {
                Ok(frame) => self.frame(now, frame),
                Err(error) => {
                    tracing::warn!(%error, "the server sent something that is no frame");
                    self.leave(now, "the server sent something that is no frame");
                }
            }
        }
    }

    fn frame(&mut self, now: Now, frame: ServerFrame) {
        match frame {
            ServerFrame::KeepAlive | ServerFrame::Unknown => {}
            ServerFrame::Welcome(welcome) => self.welcome(now, welcome),
            ServerFrame::Snapshot(snapshot) => self.snapshot(now, snapshot),
            ServerFrame::Event(event) => self.event(now, event),
            ServerFrame::Live { head } => self.live(now, head),
            ServerFrame::Answer { id, answer } => self.answer(id, answer),
            ServerFrame::Error(error) => self.error(now, error),
            ServerFrame::GoAway { after_ms, url, why: _ } => {
                if let Some(link) = self.link() {
                    link.leave_at = Some(now.elapsed.saturating_add(std::time::Duration::from_millis(after_ms)));
                }
                if let Some(url) = url {
                    self.addresses.hint(url);
                }
            }
        }
    }

    fn link(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Open(link) => Some(link),
            _ => None,
        }
    }

    fn welcome(&mut self, now: Now, welcome: Welcome) {
        let Some(link) = self.link() else { return };
        let is_resumed = welcome.fresh.is_none();
        let is_same = link.resume.as_ref().is_some_and(|resume| resume.ep == welcome.ep);
        if link.is_welcome() || (is_resumed && !is_same) {
            return self.leave(now, "the server's welcome does not fit the hello");
        }
        link.welcome(&welcome);
        let expected = self.config.user.as_ref().or(self.user.as_ref());
        if let Some(expected) = expected.filter(|expected| **expected != welcome.user).cloned() {
            return self.stop(StopReason::WrongUser { expected, got: welcome.user });
        }
        if self.user.is_none() {
            self.records.push(Record::User(welcome.user.clone()));
            self.user = Some(welcome.user.clone());
        }
        self.tokens.set_resume(welcome.resume_token);
        self.feed.push_news(ClientEvent::Connected { user: welcome.user });
    }

    fn snapshot(&mut self, now: Now, snapshot: Snapshot) {
        let Some(link) = self.link() else { return };
        let Phase::Resetting { ep, why } = std::mem::replace(&mut link.phase, Phase::Replaying) else {
            return self.leave(now, "the server sent a snapshot that nobody asked for");
        };
        (link.received, link.acked, link.ack_due) = (snapshot.at, snapshot.at, None);
        let (mark, why) = self.position.start_from(ep, snapshot.at, why);
        for message in snapshot.conversations.iter().flat_map(|conversation| &conversation.last) {
            self.note_own(message);
        }
        self.reset(ClientEvent::Reset { why, snapshot }, mark);
    }

    fn event(&mut self, now: Now, event: Event) {
        let Some(link) = self.link() else { return };
        if !matches!(link.phase, Phase::Replaying | Phase::Live) {
            return self.leave(now, "the server sent an event before the snapshot");
        }
        link.received = link.received.max(event.useq);
        match self.position.arrive(&event) {
            Arrival::Again => {}
            Arrival::Gap => self.leave(now, "an event is missing"),
            Arrival::Next(mark) => self.deliver(event.kind, mark),
        }
    }

    fn deliver(&mut self, kind: EventKind, mark: Mark) {
        let event = match kind {
            EventKind::Message(message) => {
                self.note_own(&message);
                Some(ClientEvent::Message(message))
            }
            EventKind::Read { conversation, user, upto } => Some(ClientEvent::Read { conversation, user, upto }),
            EventKind::Delivered { conversation, user, upto } => {
                Some(ClientEvent::Delivered { conversation, user, upto })
            }
            EventKind::Conversation(conversation) => Some(ClientEvent::Conversation(conversation)),
            EventKind::Unknown => None,
        };
        self.feed.push_mail(event, mark);
        self.note_taken();
    }

    /// One's own message in the mailbox answers its send, whatever became of the `ok`.
    fn note_own(&mut self, message: &cell_protocol::MessageView) {
        if self.user.as_ref() != Some(&message.from) {
            return;
        }
        if let Some(mid) = message.mid {
            self.sent(Sent { mid, conversation: message.conversation, cseq: message.cseq, ts: message.ts });
        }
    }

    fn live(&mut self, now: Now, head: Useq) {
        let seen = self.position.seen();
        let Some(link) = self.link() else { return };
        match link.phase {
            Phase::Replaying if seen >= head => {}
            Phase::Live => return,
            _ => return self.leave(now, "the server is live before it sent everything"),
        }
        link.phase = Phase::Live;
        self.backoff.reset();
        self.feed.push_news(ClientEvent::Live);
    }

    fn answer(&mut self, id: u32, answer: Answer) {
        match self.link().and_then(|link| link.answered(id)) {
            Some(Asked::Send(mid)) => match answer {
                Answer::Sent { conversation, cseq, ts, again: _ } => self.sent(Sent { mid, conversation, cseq, ts }),
                _ => tracing::warn!(%mid, "the server's answer to a send is none"),
            },
            Some(Asked::Query(request)) => self.answer_query(request, Ok(answer)),
            // Its query ran out of time.
            None => {}
        }
    }

    fn error(&mut self, now: Now, error: ErrorFrame) {
        let Some(id) = error.id else {
            if error.code == ErrorCode::Token
                && let Some(link) = self.link()
            {
                link.token_refused = Some(error.message);
            } else {
                tracing::warn!(code = error.code.name(), message = error.message, "the server refused a frame");
            }
            return;
        };
        match self.link().and_then(|link| link.answered(id)) {
            Some(Asked::Send(mid)) if error.code.is_temporary() => {
                self.sends.refused_for_now(mid, &error, now, &mut self.rng);
                self.give_up_old(now);
            }
            Some(Asked::Send(mid)) => self.refused(mid, error),
            Some(Asked::Query(request)) => self.answer_query(request, Err(Error::Refused(error))),
            None => {}
        }
    }

    fn answer_query(&mut self, request: RequestId, result: Result<Answer, Error>) {
        if self.queries.answered(request) {
            self.outputs.push(Output::Answer { request, result });
        }
    }

    /// A send is durable on a quorum.
    fn sent(&mut self, sent: Sent) {
        let Some(entry) = self.sends.accepted(sent.mid) else { return };
        self.records.push(Record::Done(sent.mid));
        if let Some(request) = entry.request {
            self.outputs.push(Output::Sent { request, result: Ok(sent) });
        }
    }

    fn refused(&mut self, mid: MessageId, error: ErrorFrame) {
        if let Some(entry) = self.sends.remove(mid) {
            self.fail(entry, SendFailure::Refused { code: error.code, message: error.message });
        }
    }

    /// A send that left the outbox unanswered or refused is reported, to whoever waits and as an event.
    pub(super) fn fail(&mut self, entry: Entry, why: SendFailure) {
        let Entry { send, request, .. } = entry;
        self.records.push(Record::Done(send.mid));
        if let Some(request) = request {
            self.outputs.push(Output::Sent { request, result: Err(Error::Send(why.clone())) });
        }
        self.feed.push_failure(ClientEvent::SendFailed { mid: send.mid, to: send.to, why });
    }
}
