//! Commands of sessions: writes go through the log, reads wait for a read index.

use std::sync::Arc;

use cell_core::record::{MarkRead, Recipient, SendMessage};
use cell_core::{Command, Reply, State};
use cell_gateway::home::{FromHome, HomeCommand, HomeError, HomeTarget, RequestId, SessionId, TraceId};
use cell_protocol::Answer;
use cell_protocol::limits::SERVER_FRAME_LEN_MAX;
use cell_raft::Unavailable;
use cell_raft::runtime::spawn;
use cell_types::UserId;

use super::convert;
use super::outlet::Outlet;
use super::refusal::{elsewhere, rejected, unavailable};
use super::service::Home;

/// Bytes of the messages of one page: the frame around them must stay below the server's largest.
const PAGE_BYTES_MAX: usize = SERVER_FRAME_LEN_MAX - (128 << 10);

/// Whose command it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) trace: TraceId,
    pub(super) session: SessionId,
    pub(super) request: RequestId,
}

/// What a replica that stopped answers: another one goes on.
const STOPPED: &str = "this replica has stopped";

impl Home {
    pub(super) fn execute(
        self: &Arc<Self>,
        outlet: &Arc<dyn Outlet>,
        Asked { trace, session, request }: Asked,
        user: UserId,
        command: HomeCommand,
    ) {
        tracing::debug!(%trace, "command taken");
        let outlet = outlet.clone();
        let answer = move |result: Result<Answer, HomeError>| {
            // A write is answered right after it was applied.
            tracing::debug!(%trace, is_ok = result.is_ok(), "command done");
            outlet.push(FromHome::Answered { session, request, result });
        };
        match command {
            HomeCommand::Send { to, mid, body, after } => {
                let to = match to {
                    HomeTarget::User(user) => Recipient::User(user),
                    HomeTarget::Conversation(id) => Recipient::Conversation(id),
                };
                self.write(Command::Send(SendMessage { sender: user, to, mid, body, after }), answer);
            }
            HomeCommand::Read { conversation, upto } => {
                self.write(Command::MarkRead(MarkRead { reader: user, conversation, upto }), answer);
            }
            HomeCommand::History { conversation, page, limit } => self.read(answer, move |state| {
                let history =
                    state.history(&user, conversation, convert::history_page(page), limit as usize, PAGE_BYTES_MAX);
                Ok(history?.map(|history| convert::history(conversation, page, history)).map_err(rejected))
            }),
            HomeCommand::Conversations { after, limit } => self.read(answer, move |state| {
                let page = state.conversations(&user, after, limit as usize, PAGE_BYTES_MAX)?;
                Ok(page
                    .map(|page| {
                        let (conversations, next) = convert::conversations(page);
                        Answer::Conversations { conversations, next }
                    })
                    .map_err(rejected))
            }),
        }
    }

    /// Hands a command to the log at once: one connection's sends keep their order.
    fn write(&self, command: Command, answer: impl FnOnce(Result<Answer, HomeError>) + Send + 'static) {
        let commit = self.meters.commit_begins();
        self.replica.submit(command, move |outcome| {
            commit.ends();
            answer(written(outcome));
        });
    }

    fn read(
        self: &Arc<Self>,
        answer: impl FnOnce(Result<Answer, HomeError>) + Send + 'static,
        query: impl FnOnce(&State) -> Result<Result<Answer, HomeError>, cell_core::Error> + Send + 'static,
    ) {
        let home = self.clone();
        spawn(async move {
            if let Err(error) = home.replica.read_index().await {
                answer(Err(unavailable(&error)));
                return;
            }
            answer(home.replica.query(query).unwrap_or_else(|| Err(elsewhere(STOPPED))));
        });
    }
}

fn written(outcome: Result<Reply, Unavailable>) -> Result<Answer, HomeError> {
    match outcome {
        Ok(Reply::Sent { conversation, cseq, ts, again }) => Ok(Answer::Sent { conversation, cseq, ts, again }),
        Ok(Reply::Rejected(rejection)) => Err(rejected(rejection)),
        Ok(Reply::Done | Reply::Registered { .. } | Reply::Swept { .. }) => Ok(Answer::Done),
        Err(error) => Err(unavailable(&error)),
    }
}
