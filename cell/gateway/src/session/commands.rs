//! Commands: what the gateway answers itself, and what goes to a home.

use cell_protocol::limits::{
    CONVERSATIONS_LIMIT_DEFAULT, CONVERSATIONS_LIMIT_MAX, HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX, INFLIGHT_MAX,
};
use cell_protocol::{Answer, Command, ConversationRef, ErrorCode, ErrorFrame, Page, ServerFrame, Target};
use cell_types::ConversationId;

use super::limits::{ANSWER_MS, HOME_RETRY_MS, INFLIGHT_RETRY_MS, PAGE_BACKLOG_MAX, UNAVAILABLE_RETRY_MS};
use super::{Session, Turn};
use crate::counters::CommandKind;
use crate::home::{
    HomeCommand, HomeError, HomePage, HomeTarget, RequestId, ToHome, TraceId, parse_conversations_cursor,
};

impl Session {
    pub(super) fn command(&mut self, turn: &mut Turn<'_>, id: u32, command: Command) {
        let kind = kind(&command);
        if kind == CommandKind::Ping {
            turn.counters().command(kind, None);
            let answer = Answer::Pong { now: turn.now.wall };
            return self.say(turn, &ServerFrame::Answer { id, answer });
        }
        if self.pending.len() >= INFLIGHT_MAX {
            let message = format!("more than {INFLIGHT_MAX} commands wait for their answers");
            return self.refuse(turn, id, kind, ErrorCode::SlowDown, Some(INFLIGHT_RETRY_MS), message);
        }
        let Some(peer) = &self.peer else { return };
        match for_home(command) {
            Err((code, message)) => self.refuse(turn, id, kind, code, None, message.to_owned()),
            Ok(command) => {
                let key = command.placement(peer.user());
                self.pending.push(id, key, command, turn.ms() + ANSWER_MS);
                self.dispatch(turn);
            }
        }
    }

    /// Sends to homes what may be sent now.
    pub(super) fn dispatch(&mut self, turn: &mut Turn<'_>) {
        let Some(peer) = &self.peer else { return };
        let may_page = turn.out.frames.len() <= PAGE_BACKLOG_MAX;
        self.pending.dispatch(turn.ms(), may_page, |pending| {
            let trace = TraceId(peer.hello_nonce, pending.request);
            tracing::debug!(%trace, session = self.id.0, id = pending.id, kind = ?pending.kind(), "command sent to its home");
            let message = ToHome::Command {
                session: self.id,
                trace,
                request: pending.request,
                user: peer.user().clone(),
                command: pending.command.clone(),
            };
            turn.home(pending.key, message);
        });
    }

    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, request: RequestId, result: Result<Answer, HomeError>) {
        if result.as_ref().is_err_and(|error| error.elsewhere) {
            return self.pending.refuse(request, turn.ms() + HOME_RETRY_MS);
        }
        if let Some(peer) = &self.peer {
            let trace = TraceId(peer.hello_nonce, request);
            tracing::debug!(%trace, session = self.id.0, is_ok = result.is_ok(), "command answered");
        }
        // Without its command it is late: the client was told that there is no answer.
        let Some(done) = self.pending.take(request) else { return };
        turn.counters().command(done.kind(), result.as_ref().err().map(|error| error.code));
        if result.is_ok() {
            for overtaken in self.pending.take_overtaken(&done) {
                let message = "its home could not take it, and has taken a later one: send it again".to_owned();
                let retry_ms = Some(UNAVAILABLE_RETRY_MS);
                self.refuse(turn, overtaken.id, overtaken.kind(), ErrorCode::Unavailable, retry_ms, message);
            }
        }
        let id = done.id;
        match result {
            Ok(answer) => self.say(turn, &ServerFrame::Answer { id, answer }),
            Err(HomeError { code, retry_ms, message, .. }) => {
                self.say(turn, &ServerFrame::Error(ErrorFrame { id: Some(id), code, retry_ms, message }));
            }
        }
        self.dispatch(turn);
    }

    /// Tells the client of commands that were not answered in time.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>) {
        while let Some(pending) = self.pending.expired(turn.ms()) {
            let message = "no answer in time: whether it was done is unknown".to_owned();
            let retry_ms = Some(UNAVAILABLE_RETRY_MS);
            self.refuse(turn, pending.id, pending.kind(), ErrorCode::Unavailable, retry_ms, message);
        }
    }

    fn refuse(
        &mut self,
        turn: &mut Turn<'_>,
        id: u32,
        kind: CommandKind,
        code: ErrorCode,
        retry_ms: Option<u64>,
        message: String,
    ) {
        turn.counters().command(kind, Some(code));
        self.say(turn, &ServerFrame::Error(ErrorFrame { id: Some(id), code, retry_ms, message }));
    }
}

fn kind(command: &Command) -> CommandKind {
    match command {
        Command::Send { .. } => CommandKind::Send,
        Command::History { .. } => CommandKind::History,
        Command::Conversations { .. } => CommandKind::Conversations,
        Command::Read { .. } => CommandKind::Read,
        Command::Ping => CommandKind::Ping,
    }
}

/// The command as a home takes it, or the error that answers it.
fn for_home(command: Command) -> Result<HomeCommand, (ErrorCode, &'static str)> {
    match command {
        Command::Send { to: Target::User(user), mid, body, after } => {
            Ok(HomeCommand::Send { to: HomeTarget::User(user), mid, body, after })
        }
        Command::Send { to: Target::Conversation(conversation), mid, body, after } => {
            Ok(HomeCommand::Send { to: HomeTarget::Conversation(known(conversation)?), mid, body, after })
        }
        Command::History { conversation, page, limit } => Ok(HomeCommand::History {
            conversation: known(conversation)?,
            page: home_page(page),
            limit: clamp(limit, HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX),
        }),
        Command::Conversations { cursor, limit } => Ok(HomeCommand::Conversations {
            after: match cursor {
                None => None,
                Some(text) => Some(
                    parse_conversations_cursor(&text)
                        .ok_or((ErrorCode::BadRequest, "the cursor is not one that a server made"))?,
                ),
            },
            limit: clamp(limit, CONVERSATIONS_LIMIT_DEFAULT, CONVERSATIONS_LIMIT_MAX),
        }),
        Command::Read { conversation, upto } => Ok(HomeCommand::Read { conversation: known(conversation)?, upto }),
        Command::Ping => Err((ErrorCode::BadRequest, "ping is answered by the gateway")),
    }
}

fn known(conversation: ConversationRef) -> Result<ConversationId, (ErrorCode, &'static str)> {
    conversation.map_err(|_| (ErrorCode::NotFound, "no such conversation"))
}

fn home_page(page: Page) -> HomePage {
    match page {
        Page::Newest => HomePage::Newest,
        Page::Before(cseq) => HomePage::Before(cseq),
        Page::After(cseq) => HomePage::After(cseq),
        Page::Around(cseq) => HomePage::Around(cseq),
        Page::Since(eseq) => HomePage::Since(eseq),
    }
}

fn clamp(limit: Option<u64>, default: u64, max: u64) -> u32 {
    u32::try_from(limit.unwrap_or(default).clamp(1, max)).expect("limits of pages are small")
}
