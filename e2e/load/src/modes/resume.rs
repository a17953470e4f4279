//! How many devices come back per second: connect, hello, replay, live.

use std::fmt;
use std::time::Duration;

use cell_protocol::{Command, Resume, Target as SendTo};
use cell_types::{Body, MessageId, Useq};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::cast::{BODY_LEN_MIN, Cast, Side};
use crate::check::{Kind, Violations};
use crate::clock::{Clock, SECOND};
use crate::measure::{Histogram, ProcessSample, Quantiles, own_cpu_ms};
use crate::net::session::{self, Opening};
use crate::net::{Buffers, Session, Target};

/// Users prepared at a time.
const PREPARING_MAX: usize = 32;

/// A body like that of a chat.
const BODY_LEN: usize = 150;
const _: () = assert!(BODY_LEN >= BODY_LEN_MIN, "bodies say their number");

#[derive(Debug, Clone)]
pub struct Config {
    pub target: Target,
    pub run: String,
    /// Devices that come and go.
    pub users: u32,
    /// Events that each resume replays.
    pub events: u32,
    /// Openings at a time.
    pub at_a_time: u32,
    /// All together; as fast as it goes when `None`.
    pub rate_per_s: Option<f64>,
    pub seconds: f64,
    pub answer_limit_ms: u64,
    pub server_pids: Vec<u32>,
}

/// The users could not be prepared.
#[derive(Debug, thiserror::Error)]
#[error("failed to prepare {user}")]
pub struct Error {
    user: String,
    source: session::Error,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub users: u32,
    pub seconds: f64,
    pub resumes: u64,
    pub resumes_per_s: f64,
    pub events_per_resume: u32,
    pub failures: u64,
    pub last_failure: Option<String>,
    pub time_to_live: Quantiles,
    pub server_cpu_s: f64,
    pub resumes_per_server_core_s: Option<f64>,
    pub generator_cpu_s: f64,
    pub violations: Violations,
}

/// A user with a cursor that lies some events back.
#[derive(Debug)]
struct Sleeper {
    user: String,
    token: String,
    ep: String,
    cursor: u64,
    head: u64,
}

/// Prepares the users, then resumes them in turn.
pub async fn run(config: &Config) -> Result<Report, Error> {
    let cast = Cast::new(&config.run);
    let sleepers: Vec<Sleeper> = stream::iter(0..config.users)
        .map(|index| Box::pin(prepare(config, &cast, index)))
        .buffer_unordered(PREPARING_MAX)
        .try_collect()
        .await?;
    let clock = Clock::start();
    let (cpu_before, own_before) = (cpu_ms(&config.server_pids), own_cpu_ms());
    let at_a_time = config.at_a_time.min(config.users).max(1);
    let lanes = (0..at_a_time).map(|lane| Box::pin(resume_in_turn(config, &sleepers, lane, at_a_time, clock)));
    let tallies = futures_util::future::join_all(lanes).await;
    let seconds = clock.now() as f64 / SECOND as f64;
    let server_cpu_s = (cpu_ms(&config.server_pids).saturating_sub(cpu_before)) as f64 / 1000.0;
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.add(tally));
    Ok(Report {
        users: config.users,
        seconds,
        resumes: all.resumes,
        resumes_per_s: all.resumes as f64 / seconds,
        events_per_resume: config.events,
        failures: all.failures,
        last_failure: all.last_failure,
        time_to_live: all.times.quantiles(),
        server_cpu_s,
        resumes_per_server_core_s: (server_cpu_s > 0.0).then(|| all.resumes as f64 / server_cpu_s),
        generator_cpu_s: (own_cpu_ms() - own_before) as f64 / 1000.0,
        violations: all.violations,
    })
}

fn cpu_ms(pids: &[u32]) -> u64 {
    ProcessSample::take_all(pids).iter().map(|sample| sample.cpu_ms).sum()
}

#[derive(Debug, Default)]
struct Tally {
    resumes: u64,
    failures: u64,
    last_failure: Option<String>,
    times: Histogram,
    violations: Violations,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.resumes += other.resumes;
        self.failures += other.failures;
        self.last_failure = other.last_failure.or(self.last_failure.take());
        self.times.add(&other.times);
        self.violations.add(other.violations);
    }
}

/// Fills a mailbox: somebody sends, the device takes everything and goes.
async fn prepare(config: &Config, cast: &Cast, index: u32) -> Result<Sleeper, Error> {
    let user = cast.user(index, Side::B);
    fill_and_leave(config, cast, index, &user).await.map_err(|source| Error { user, source })
}

async fn fill_and_leave(config: &Config, cast: &Cast, index: u32, user: &str) -> Result<Sleeper, session::Error> {
    let friend = cast.user(index, Side::A);
    let (mut sender, _) = Session::open(opening(config, index, config.target.token(&friend), None)).await?;
    let (mut device, opened) = Session::open(opening(config, index, config.target.token(user), None)).await?;
    let user_id: cell_types::UserId = user.parse().expect("names of a cast are user ids");
    for number in 0..config.events {
        let (mut mid, mut body) = (Vec::new(), Vec::new());
        cast.write_mid(index, Side::A, number, &mut mid);
        cast.write_body(index, Side::A, number, BODY_LEN, &mut body);
        let mid: MessageId = String::from_utf8_lossy(&mid).parse().expect("a cast makes UUIDs");
        let to = SendTo::User(user_id.clone());
        sender.ask(Command::Send { to, mid, body: Body::from_checked(body.into()), after: None }).await?;
    }
    // The conversation itself and the messages.
    let head = opened.useq + u64::from(config.events) + 1;
    device.wait_for(head).await?;
    device.close().await?;
    sender.close().await?;
    Ok(Sleeper {
        user: user.to_owned(),
        token: opened.resume_token,
        ep: opened.ep,
        cursor: head - u64::from(config.events),
        head,
    })
}

fn opening(config: &Config, index: u32, token: String, resume: Option<Resume>) -> Opening<'_> {
    Opening {
        url: &config.target.urls[index as usize % config.target.urls.len()],
        device: "d0",
        token,
        resume,
        buffers: Buffers::Idle,
        limit: Duration::from_millis(config.answer_limit_ms),
    }
}

/// One lane has every `step`-th user, so that no device is opened twice at a time.
async fn resume_in_turn(config: &Config, sleepers: &[Sleeper], lane: u32, step: u32, clock: Clock) -> Tally {
    let end = (config.seconds * SECOND as f64) as u64;
    let interval = config.rate_per_s.map(|rate| (SECOND as f64 * f64::from(step) / rate) as u64);
    let mut tally = Tally::default();
    for (turn, index) in (lane..config.users).step_by(step as usize).cycle().enumerate() {
        let now = clock.now();
        // With a rate, time counts from when the device was to come back.
        let due =
            interval.map_or(now, |interval| interval * turn as u64 + interval * u64::from(lane) / u64::from(step));
        if due.max(now) >= end {
            break;
        }
        tokio::time::sleep_until(clock.at(due)).await;
        let sleeper = &sleepers[index as usize];
        let resume = Resume { ep: sleeper.ep.clone(), useq: Useq::new(sleeper.cursor) };
        let turn_url = index.wrapping_add(turn as u32);
        match Session::open(opening(config, turn_url, sleeper.token.clone(), Some(resume))).await {
            Ok((session, opened)) => {
                tally.times.record_nanos(clock.now().saturating_sub(due));
                tally.resumes += 1;
                if let Some(why) = opened.fresh {
                    tally.violations.push(Kind::ResumeRefused, &sleeper.user, format_args!("{why:?}"));
                } else if opened.useq < sleeper.head || opened.events < u64::from(config.events) {
                    let detail = format_args!("{} events up to {}, not {}", opened.events, opened.useq, sleeper.head);
                    tally.violations.push(Kind::HeadTooLow, &sleeper.user, detail);
                }
                // Whether the goodbye arrives changes nothing.
                drop(session.close().await);
            }
            Err(session::Error::Gap { last, useq }) => {
                let detail = format_args!("event {useq} came after {last}, at a resume from {}", sleeper.cursor);
                tally.violations.push(Kind::UseqGap, &sleeper.user, detail);
            }
            Err(error) => {
                tally.failures += 1;
                tally.last_failure = Some(crate::processes::worker::with_causes(&error));
            }
        }
    }
    tally
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, seconds, resumes, resumes_per_s, events_per_resume, failures, .. } = self;
        writeln!(
            f,
            "{resumes} resumes of {users} devices in {seconds:.1} s: {resumes_per_s:.0}/s, {events_per_resume} events each, {failures} failures"
        )?;
        if let Some(failure) = &self.last_failure {
            writeln!(f, "the last failure: {failure}")?;
        }
        let Quantiles { p50_ms, p99_ms, max_ms, .. } = self.time_to_live;
        writeln!(f, "connect to live, ms: p50 {p50_ms:.2}  p99 {p99_ms:.2}  max {max_ms:.2}")?;
        if let Some(per_core) = self.resumes_per_server_core_s {
            writeln!(f, "servers: {:.2} CPU-seconds, {per_core:.0} resumes per core and second", self.server_cpu_s)?;
        }
        writeln!(f, "generator: {:.2} CPU-seconds", self.generator_cpu_s)?;
        writeln!(f, "violations: {}", self.violations.total())?;
        self.violations.examples.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}
