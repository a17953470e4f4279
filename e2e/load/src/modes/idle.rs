//! Many sessions that say nothing: what one costs a server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::measure::ProcessSample;
use crate::mix::Dice;
use crate::net::session::{self, Opening};
use crate::net::{Backoff, Buffers, Session, Target};

/// Openings at a time in one process.
const OPENINGS_MAX: usize = 64;

/// Attempts for one session before the run fails.
const ATTEMPTS_MAX: u32 = 10;

/// One process' sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    pub target: Target,
    pub run: String,
    /// Users are `first..first + count`.
    pub first: u32,
    pub count: u32,
    pub answer_limit_ms: u64,
    pub seed: u64,
}

/// One session did not open after many attempts.
#[derive(Debug, thiserror::Error)]
#[error("session {user} did not open")]
pub struct Error {
    user: String,
    source: session::Error,
}

/// How it ended.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub opened: u64,
    /// Sessions that the server ended while they were held.
    pub lost: u64,
}

/// Open sessions, kept alive.
#[derive(Debug)]
pub struct Held {
    sessions: JoinSet<()>,
    outcome: Outcome,
    lost: Arc<AtomicU64>,
}

impl Held {
    pub async fn open(config: Config) -> Result<Self, Error> {
        let mut opening = stream::iter(config.first..config.first + config.count)
            .map(|index| Box::pin(open_one(&config, index)))
            .buffer_unordered(OPENINGS_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let mut held = Self { sessions: JoinSet::new(), outcome: Outcome::default(), lost };
        while let Some(result) = opening.next().await {
            let (mut session, heartbeat) = result?;
            held.outcome.opened += 1;
            let lost = Arc::clone(&held.lost);
            held.sessions.spawn(async move {
                session.hold(heartbeat).await;
                lost.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(held)
    }

    pub fn finish(mut self) -> Outcome {
        self.outcome.lost = self.lost.load(Ordering::Relaxed);
        self.sessions.abort_all();
        self.outcome
    }
}

async fn open_one(config: &Config, index: u32) -> Result<(Session, Duration), Error> {
    let user = format!("{}-idle{index}", config.run);
    let mut dice = Dice::new(config.seed ^ u64::from(index));
    let mut backoff = Backoff::new(2_000);
    let urls = &config.target.urls;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let opening = Opening {
            url: &urls[(index + attempt - 1) as usize % urls.len()],
            device: "idle",
            token: config.target.token(&user),
            resume: None,
            buffers: Buffers::Idle,
            limit: Duration::from_millis(config.answer_limit_ms),
        };
        match Session::open(opening).await {
            Ok((session, opened)) => return Ok((session, opened.heartbeat)),
            Err(error) if error.is_temporary() && attempt < ATTEMPTS_MAX => {
                tokio::time::sleep(backoff.next(&mut dice)).await;
            }
            Err(source) => return Err(Error { user, source }),
        }
    }
}

/// What the servers needed for the sessions.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub connections: u64,
    pub lost: u64,
    pub opened_per_s: f64,
    pub held_seconds: f64,
    pub servers: Vec<ServerCost>,
}

/// One server's memory and CPU time.
#[derive(Debug, Clone, Serialize)]
pub struct ServerCost {
    pub pid: u32,
    pub rss_before_kib: u64,
    pub rss_after_kib: u64,
    /// Of all connections, wherever they went: meaningful for the one server that has them all.
    pub kib_per_connection: f64,
    /// While the sessions were held.
    pub cpu_percent: f64,
}

/// Looks at the servers before, with all sessions open, and at the end.
pub fn costs(
    before: &[ProcessSample],
    open: &[ProcessSample],
    end: &[ProcessSample],
    connections: u64,
    held_seconds: f64,
) -> Vec<ServerCost> {
    let find = |samples: &[ProcessSample], pid: u32| samples.iter().copied().find(|sample| sample.pid == pid);
    let cost = |before: &ProcessSample| {
        let (open, end) = (find(open, before.pid)?, find(end, before.pid)?);
        Some(ServerCost {
            pid: before.pid,
            rss_before_kib: before.rss_kib,
            rss_after_kib: end.rss_kib,
            kib_per_connection: (end.rss_kib as f64 - before.rss_kib as f64) / connections as f64,
            cpu_percent: (end.cpu_ms - open.cpu_ms) as f64 / (held_seconds * 10.0),
        })
    };
    before.iter().filter_map(cost).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions, opened at {:.0}/s, held for {:.1} s, {} lost",
            self.connections, self.opened_per_s, self.held_seconds, self.lost
        )?;
        for ServerCost { pid, rss_before_kib, rss_after_kib, kib_per_connection, cpu_percent } in &self.servers {
            writeln!(
                f,
                "server {pid}: RSS {rss_before_kib} -> {rss_after_kib} KiB, {kib_per_connection:.2} KiB per connection, {cpu_percent:.1} % CPU while idle"
            )?;
        }
        Ok(())
    }
}
