//! One user's notes to oneself, from several devices on chosen servers: what one device is told, the others must be shown.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use cell_protocol::{Answer, Command, ConversationRef, Page, Target as To};
use cell_types::{Body, MessageId};
use e2e_load::net::session::Opening;
use e2e_load::net::{Buffers, Session, Target};
use tokio::time::Instant;

const USER: &str = "noted";

/// For each answer; a server that has lost its cell says so, or says nothing.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// For a note, from its first attempt to its ack: an election and more.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// A device of the user.
#[derive(Debug)]
pub struct Notes {
    session: Session,
    conversation: Option<ConversationRef>,
}

impl Notes {
    pub async fn open(target: &Target, server: SocketAddr, device: &str) -> anyhow::Result<Self> {
        let url = server.to_string().parse()?;
        let token = target.token(USER);
        let opening = Opening { url: &url, device, token, resume: None, buffers: Buffers::Chat, limit: ANSWER_LIMIT };
        let (session, _) = Session::open(opening).await.with_context(|| format!("{device} did not open"))?;
        Ok(Self { session, conversation: None })
    }

    /// Writes one, again and again until it is acked, as every client does. Its number in the conversation.
    pub async fn write(&mut self, number: u64) -> anyhow::Result<u64> {
        let mid: MessageId = format!("018f0000-0000-7000-8000-{number:012x}").parse()?;
        let end = Instant::now() + WRITE_LIMIT;
        loop {
            let to = To::User(USER.parse()?);
            let body = Body::from_checked(format!("\"note {number}\"").into());
            match self.session.ask(Command::Send { to, mid, body, after: None }).await {
                Ok(Answer::Sent { conversation, cseq, .. }) => {
                    self.conversation = Some(Ok(conversation));
                    return Ok(cseq.get());
                }
                Ok(other) => anyhow::bail!("a send was answered with {other:?}"),
                Err(error) if error.is_temporary() && Instant::now() < end => {}
                Err(error) => return Err(error).context("a note was refused"),
            }
        }
    }

    /// The conversation that `other` has written to.
    #[must_use]
    pub fn follow(mut self, other: &Self) -> Self {
        self.conversation = other.conversation;
        self
    }

    /// The number of the newest note that this device is shown.
    pub async fn newest(&mut self) -> anyhow::Result<u64> {
        let conversation = self.conversation.context("nothing was written yet")?;
        let command = Command::History { conversation, page: Page::Newest, limit: Some(1) };
        match self.session.ask(command).await? {
            Answer::Page { messages, .. } => Ok(messages.last().map_or(0, |message| message.cseq.get())),
            other => anyhow::bail!("a history was answered with {other:?}"),
        }
    }
}

/// No answer is better than an old one.
#[track_caller]
pub fn assert_not_stale(told: anyhow::Result<u64>, newest: u64) {
    match told {
        Ok(cseq) => assert_eq!(cseq, newest, "a history of before was shown"),
        Err(error) => println!("no answer: {error:#}"),
    }
}
