//! Starts workers, lets them begin together, adds up what they say.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::message::{FromWorker, Outcome, Task, ToWorker};
use crate::chat::Progress;

/// Lines of workers that wait for the coordinator: a few seconds of progress.
const LINES_MAX: usize = 256;

/// The work could not be shared out, or a worker failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to start a worker")]
    Spawn(#[source] std::io::Error),
    #[error("failed to talk with worker {worker}")]
    Pipe { worker: usize, source: std::io::Error },
    #[error("worker {worker} ended without a report")]
    Gone { worker: usize },
    #[error("worker {worker}: {cause}")]
    Failed { worker: usize, cause: String },
    #[error("worker {worker} said something else than expected: {line}")]
    Protocol { worker: usize, line: String },
}

/// Workers that are ready.
#[derive(Debug)]
pub struct Team {
    workers: Vec<Worker>,
    lines: mpsc::Receiver<(usize, Option<String>)>,
    _readers: JoinSet<()>,
}

#[derive(Debug)]
struct Worker {
    stdin: ChildStdin,
    last: Progress,
    outcome: Option<Outcome>,
    /// Ended when dropped.
    _child: Child,
}

/// What a team tells while it works.
#[derive(Debug)]
pub enum News {
    Progress(Progress),
    Done(Vec<Outcome>),
}

impl Team {
    /// Starts one worker for each task and waits until all are ready.
    pub async fn start(tasks: Vec<Task>) -> Result<Self, Error> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let mut readers = JoinSet::new();
        let mut workers = Vec::new();
        for (index, task) in tasks.into_iter().enumerate() {
            let program = std::env::current_exe().map_err(Error::Spawn)?;
            let mut command = Command::new(program);
            // A process group of its own: Ctrl-C reaches the coordinator, which stops the workers in order.
            command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
            let mut child = command.spawn().map_err(Error::Spawn)?;
            let stdin = child.stdin.take().expect("stdin is piped");
            let mut output = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
            let sender = sender.clone();
            readers.spawn(async move {
                loop {
                    let line = output.next_line().await.unwrap_or(None);
                    let is_last = line.is_none();
                    if sender.send((index, line)).await.is_err() || is_last {
                        return;
                    }
                }
            });
            let mut worker = Worker { stdin, last: Progress::default(), outcome: None, _child: child };
            worker.say(index, &ToWorker::Task(task)).await?;
            workers.push(worker);
        }
        let mut team = Self { workers, lines, _readers: readers };
        for _ in 0..team.workers.len() {
            let (worker, message) = team.next().await?;
            let FromWorker::Ready = message else {
                return Err(Error::Protocol { worker, line: format!("{message:?}") });
            };
        }
        Ok(team)
    }

    pub async fn say(&mut self, message: &ToWorker) -> Result<(), Error> {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            worker.say(index, message).await?;
        }
        Ok(())
    }

    /// The next news: about once a second, and at the end. Safe to cancel.
    pub async fn news(&mut self) -> Result<News, Error> {
        loop {
            match self.next().await? {
                (worker, FromWorker::Progress(progress)) => {
                    self.workers[worker].last = progress;
                    // The first one's clock is everybody's.
                    if worker == 0 {
                        let mut sum = Progress::default();
                        self.workers.iter().for_each(|worker| sum.add(&worker.last));
                        return Ok(News::Progress(sum));
                    }
                }
                (worker, FromWorker::Done(outcome)) => {
                    self.workers[worker].outcome = Some(outcome);
                    if self.workers.iter().all(|worker| worker.outcome.is_some()) {
                        return Ok(News::Done(
                            self.workers.iter_mut().filter_map(|worker| worker.outcome.take()).collect(),
                        ));
                    }
                }
                (worker, message) => return Err(Error::Protocol { worker, line: format!("{message:?}") }),
            }
        }
    }

    async fn next(&mut self) -> Result<(usize, FromWorker), Error> {
        loop {
            let (worker, line) = self.lines.recv().await.ok_or(Error::Gone { worker: 0 })?;
            let Some(line) = line else {
                if self.workers[worker].outcome.is_some() {
                    continue;
                }
                return Err(Error::Gone { worker });
            };
            return match serde_json::from_str(&line) {
                Ok(FromWorker::Failed(cause)) => Err(Error::Failed { worker, cause }),
                Ok(message) => Ok((worker, message)),
                Err(_) => Err(Error::Protocol { worker, line }),
            };
        }
    }
}

impl Worker {
    async fn say(&mut self, worker: usize, message: &ToWorker) -> Result<(), Error> {
        let mut line = serde_json::to_string(message).expect("messages to workers are plain data");
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).await.map_err(|source| Error::Pipe { worker, source })
    }
}
