//! A worker: one share of a run, told over stdin, reported over stdout.

use std::io::Write as _;

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::message::{FromWorker, Outcome, Task, ToWorker};
use crate::chat;
use crate::modes::idle;

/// The worker can no longer talk with its coordinator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to talk with the coordinator")]
    Pipe(#[from] std::io::Error),
    #[error("the coordinator said something else than expected: {0}")]
    Protocol(String),
}

/// Does what the coordinator says, until it is done or the coordinator is gone.
pub async fn work() -> Result<(), Error> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let ToWorker::Task(task) = next(&mut input).await? else { return Err(Error::Protocol("no task".into())) };
    let result = match task {
        Task::Chat(config) => {
            Box::pin(work_chat(*config, &mut input)).await?.map(|report| Outcome::Chat(Box::new(report)))
        }
        Task::Idle(config) => Box::pin(work_idle(*config, &mut input)).await?.map(Outcome::Idle),
    };
    say(&match result {
        Ok(outcome) => FromWorker::Done(outcome),
        Err(cause) => FromWorker::Failed(cause),
    })
}

async fn work_chat(
    config: chat::Config,
    input: &mut Lines<BufReader<Stdin>>,
) -> Result<Result<chat::Report, String>, Error> {
    let run = match Box::pin(chat::Run::connect(config)).await {
        Ok(run) => run,
        Err(error) => return Ok(Err(with_causes(&error))),
    };
    say(&FromWorker::Ready)?;
    let (mut progress, stopper) = (run.progress(), run.stopper());
    match next(input).await? {
        ToWorker::Go => {}
        ToWorker::Stop => return Ok(Err("stopped before it began".into())),
        other @ ToWorker::Task(_) => return Err(Error::Protocol(format!("{other:?}"))),
    }
    run.start();
    let mut finish = std::pin::pin!(run.finish());
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    second.tick().await;
    loop {
        tokio::select! {
            report = &mut finish => return Ok(Ok(report)),
            said = next(input) => match said? {
                ToWorker::Stop => stopper.stop(),
                other => return Err(Error::Protocol(format!("{other:?}"))),
            },
            _ = second.tick() => {
                let now = *progress.borrow_and_update();
                say(&FromWorker::Progress(now))?;
            }
        }
    }
}

async fn work_idle(
    config: idle::Config,
    input: &mut Lines<BufReader<Stdin>>,
) -> Result<Result<idle::Outcome, String>, Error> {
    let held = match Box::pin(idle::Held::open(config)).await {
        Ok(held) => held,
        Err(error) => return Ok(Err(with_causes(&error))),
    };
    say(&FromWorker::Ready)?;
    next(input).await?;
    Ok(Ok(held.finish()))
}

/// An error and what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn next(input: &mut Lines<BufReader<Stdin>>) -> Result<ToWorker, Error> {
    let gone = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the coordinator is gone");
    let line = input.next_line().await?.ok_or_else(gone)?;
    serde_json::from_str(&line).map_err(|error| Error::Protocol(error.to_string()))
}

fn say(message: &FromWorker) -> Result<(), Error> {
    let line = serde_json::to_string(message).map_err(std::io::Error::from)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
