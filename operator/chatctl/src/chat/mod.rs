//! A chat in lines of text: what the person types and what the client hears go into [`talk::Talk`], what it wants done is
//! done here.

mod editor;
mod input;
mod lines;
mod screen;
mod talk;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::bail;
use cell_client::{Client, ConversationId, Cseq, Error, Events, MessageId, Page, Sent, StopReason, UserId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use input::{Input, Typed};
use screen::Screen;
use talk::{Do, Talk};

/// When the input has ended: how long to wait for the answers to what was sent. What is unanswered stays in the outbox.
const FINISH_MAX: Duration = Duration::from_secs(30);

const HISTORY_LEN: u64 = 20;

/// Something that was asked of the cluster, answered.
enum Answered {
    Sent(MessageId, Result<Sent, Error>),
    Lines(Result<Vec<String>, Error>),
    Read(Result<(), Error>),
}

type Asked = Pin<Box<dyn Future<Output = Answered>>>;

/// Until the person leaves, the input ends, or the client stops for good.
pub(crate) async fn run(client: Client, mut events: Events, me: UserId, to: Option<UserId>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut screen = Screen::open()?;
    let mut input = Input::open(screen.is_terminal());
    let mut shell = Shell { client, talk: Talk::new(me, to), asked: FuturesUnordered::new(), reads: Reads::default() };
    let greeting = shell.talk.greeting();
    shell.perform(greeting, &mut screen).await;
    let mut finish: Option<Instant> = None;
    let ended = loop {
        screen.prompt(&shell.talk.prompt(), input.typed())?;
        if finish.is_some() && shell.asked.is_empty() {
            break Ok(());
        }
        let wants = tokio::select! {
            typed = input.next(), if finish.is_none() => match typed? {
                Typed::Editing => Vec::new(),
                Typed::Line(line) => shell.talk.typed(&line),
                Typed::Leave => vec![Do::Leave],
                Typed::End => {
                    finish = Some(Instant::now() + FINISH_MAX);
                    Vec::new()
                }
            },
            event = events.next() => match event {
                Some(event) => shell.talk.heard(event),
                None => break Ok(()),
            },
            Some(answered) = shell.asked.next(), if !shell.asked.is_empty() => shell.take(answered),
            _ = terminate.recv() => vec![Do::Leave],
            () = sleep_until(finish.unwrap_or_else(Instant::now)), if finish.is_some() => {
                screen.line("not everything was answered in time; it stays in the outbox and is sent next time")?;
                break Ok(());
            }
        };
        match shell.perform(wants, &mut screen).await {
            Next::GoOn => {}
            Next::Leave => break Ok(()),
            Next::Stopped(why) => break Err(why),
        }
    };
    screen.close()?;
    shell.client.close().await;
    if let Err(why) = ended {
        bail!("the chat has ended: {why}");
    }
    Ok(())
}

enum Next {
    GoOn,
    Leave,
    Stopped(StopReason),
}

struct Shell {
    client: Client,
    talk: Talk,
    asked: FuturesUnordered<Asked>,
    reads: Reads,
}

/// What the person has seen and the cluster was not told yet: one request at a time, each for the latest.
#[derive(Default)]
struct Reads {
    due: BTreeMap<ConversationId, Cseq>,
    asking: bool,
}

impl Shell {
    async fn perform(&mut self, wants: Vec<Do>, screen: &mut Screen) -> Next {
        for want in wants {
            match want {
                Do::Print(line) => {
                    if screen.line(&line).is_err() {
                        // Nobody reads any more.
                        return Next::Leave;
                    }
                }
                Do::Send { to, text } => self.send(to, text, screen).await,
                Do::MarkRead { conversation, upto } => {
                    self.reads.due.insert(conversation, upto);
                    self.ask_next_read();
                }
                Do::ShowHistory { conversation } => {
                    self.asked.push(Box::pin(history(self.client.clone(), conversation)))
                }
                Do::ShowList => self.asked.push(Box::pin(list(self.client.clone()))),
                Do::Leave => return Next::Leave,
                Do::Stop(why) => return Next::Stopped(why),
            }
        }
        Next::GoOn
    }

    async fn send(&mut self, to: UserId, text: String, screen: &mut Screen) {
        match self.client.send(to, text.as_str()).await {
            Ok(handle) => {
                let mid = handle.mid();
                self.talk.in_outbox(mid, text);
                self.asked.push(Box::pin(async move { Answered::Sent(mid, handle.await) }));
            }
            Err(error) => {
                // The line itself is lost to nobody: the person sees it, and why it was not sent.
                if let Err(error) = screen.line(&format!("! not sent: {text}: {error}")) {
                    eprintln!("chatctl: {error}");
                }
            }
        }
    }

    fn take(&mut self, answered: Answered) -> Vec<Do> {
        match answered {
            Answered::Sent(mid, Ok(sent)) => self.talk.sent(mid, sent),
            Answered::Sent(mid, Err(error)) => self.talk.not_sent(mid, &error.to_string()),
            Answered::Lines(Ok(lines)) => lines.into_iter().map(Do::Print).collect(),
            Answered::Lines(Err(error)) => vec![Do::Print(format!("! {error}"))],
            Answered::Read(result) => {
                self.reads.asking = false;
                self.ask_next_read();
                // A mark that failed is made up for by the next one.
                result.err().map(|error| Do::Print(format!("! not marked as read: {error}"))).into_iter().collect()
            }
        }
    }

    fn ask_next_read(&mut self) {
        if self.reads.asking {
            return;
        }
        if let Some((conversation, upto)) = self.reads.due.pop_first() {
            self.reads.asking = true;
            let client = self.client.clone();
            self.asked.push(Box::pin(async move { Answered::Read(client.mark_read(conversation, upto).await) }));
        }
    }
}

async fn history(client: Client, conversation: ConversationId) -> Answered {
    let page = client.history(conversation, Page::Newest, Some(HISTORY_LEN)).await;
    Answered::Lines(page.map(|page| lines::history_lines(&page.messages)))
}

async fn list(client: Client) -> Answered {
    let page = client.conversations(None, None).await;
    Answered::Lines(page.map(|page| lines::list_lines(&page.conversations)))
}
