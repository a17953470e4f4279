//! A run from its first connection to its report.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::config::{self, Config};
use super::device::Device;
use super::report::{HistoryFigures, Report, ServerUse};
use super::shared::{Phase, Shared, SharedPair, lock};
use super::stats::{Counters, Progress};
use super::verify::verify;
use crate::check::{DeviceIndex, Kind, Pair};
use crate::clock::{MILLI, Nanos, SECOND};
use crate::measure::{ProcessSample, own_cpu_ms};

/// How often progress is told, and the tail is looked at.
const TICK: Duration = Duration::from_millis(50);

/// For sessions to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration makes no sense")]
    Config(#[from] config::Error),
    #[error("{live} of {wanted} sessions became live within {} s; the last failure: {}", limit.as_secs(), last.as_deref().unwrap_or("none"))]
    NotConnected { live: u64, wanted: u64, limit: Duration, last: Option<String> },
}

/// Connects, chats, checks.
pub async fn run(config: Config) -> Result<Report, Error> {
    let run = Run::connect(config).await?;
    run.start();
    Ok(run.finish().await)
}

/// A run whose sessions are live, for tests that do something to the servers meanwhile.
#[derive(Debug)]
pub struct Run {
    shared: Arc<Shared>,
    pairs: Vec<Arc<SharedPair>>,
    devices: JoinSet<()>,
    progress: watch::Receiver<Progress>,
    stop: Arc<Notify>,
}

/// Ends a run's sending before its time.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Run {
    /// Opens all sessions.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        config.check()?;
        let shared = Arc::new(Shared::new(config));
        let (config, cast) = (&shared.config, &shared.cast);
        let indices = config.first_pair..config.first_pair + config.pairs;
        let pair = |index| Arc::new(SharedPair::new(Pair::new(cast, index, config.devices, config.body_len)));
        let pairs: Vec<_> = indices.map(pair).collect();
        let mut devices = JoinSet::new();
        for pair in &pairs {
            for index in 0..config.devices as usize * 2 {
                devices.spawn(Device::new(Arc::clone(&shared), Arc::clone(pair), DeviceIndex(index)).run());
            }
        }
        let (teller, progress) = watch::channel(Progress::default());
        devices.spawn(tell_progress(Arc::clone(&shared), teller));

        let limit = Duration::from_millis(config.connect_limit_ms);
        let wanted = config.connections();
        let all_live = async {
            while shared.stats().live < wanted {
                shared.moved.notified().await;
            }
        };
        if timeout(limit, all_live).await.is_err() {
            let stats = shared.stats();
            return Err(Error::NotConnected {
                live: stats.live,
                wanted,
                limit,
                last: stats.last_connect_error.clone(),
            });
        }
        Ok(Self { shared, pairs, devices, progress, stop: Arc::new(Notify::new()) })
    }

    /// From now on messages are sent.
    pub fn start(&self) {
        let now = self.shared.clock.now();
        self.shared.stats().gaps.start(now);
        self.shared.phase.send_replace(Phase::Send(now));
    }

    /// Changes every 50 ms until the run ends.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Until all is sent, has arrived and is checked.
    pub async fn finish(mut self) -> Report {
        let config = &self.shared.config;
        let warmup = Duration::from_secs_f64(config.warmup_seconds);
        let measured = Duration::from_secs_f64(config.seconds - config.warmup_seconds);
        self.send_for(warmup).await;
        let start = Sample::take(&self.shared);
        self.shared.stats().clear_latencies();
        self.send_for(measured).await;
        let end = Sample::take(&self.shared);

        self.shared.stats().gaps.stop(end.at);
        self.shared.phase.send_replace(Phase::Tail);
        self.wait_for_tail().await;
        self.shared.phase.send_replace(Phase::End);
        let goodbye = async { while self.devices.join_next().await.is_some() {} };
        if timeout(GOODBYE, goodbye).await.is_err() {
            self.devices.abort_all();
        }

        let unanswered = self.check_pairs();
        let verified = self.shared.config.verify;
        let history =
            if verified { Box::pin(verify(&self.shared, &self.pairs)).await } else { HistoryFigures::default() };
        self.report(&start, &end, unanswered, history)
    }

    /// Sends go on for this long, or until a stop or until all senders have sent all they have.
    async fn send_for(&self, time: Duration) {
        let senders = self.shared.config.senders_count();
        let per_sender = self.shared.config.messages_per_sender;
        let all_sent = async {
            while per_sender.is_none_or(|count| self.acked() < senders * u64::from(count)) {
                self.shared.moved.notified().await;
            }
        };
        tokio::select! {
            () = sleep(time) => {}
            () = all_sent => {}
            // A stop during the warm-up ends the measured time too.
            () = self.stop.notified() => self.stop.notify_one(),
        }
    }

    fn acked(&self) -> u64 {
        self.shared.stats().counters.acked
    }

    async fn wait_for_tail(&self) {
        let limit = Duration::from_millis(self.shared.config.tail_limit_ms);
        let mut tick = interval(TICK);
        let settled = async {
            while !self.pairs.iter().all(|pair| lock(pair).is_settled()) {
                tick.tick().await;
            }
        };
        if timeout(limit, settled).await.is_err() {
            let unsettled = self.pairs.iter().filter(|pair| !lock(pair).is_settled()).count();
            let detail = format!("{unsettled} pairs have messages on their way after {} s", limit.as_secs_f64());
            self.shared.stats().violations.push(Kind::TimedOut, &"the tail", detail);
        }
    }

    /// What the devices were shown. Returns the sends that were never answered.
    fn check_pairs(&self) -> u64 {
        let mut unanswered = 0;
        for pair in &self.pairs {
            let pair = lock(pair);
            pair.finish(&mut self.shared.stats().violations);
            for side in crate::cast::Side::BOTH {
                let ledger = pair.ledger(side);
                unanswered += u64::from(ledger.issued()) - ledger.acked_total();
            }
        }
        unanswered
    }

    fn report(&self, start: &Sample, end: &Sample, unanswered: u64, history: HistoryFigures) -> Report {
        let config = &self.shared.config;
        let stats = self.shared.stats();
        let servers = start.servers.iter().map(|first| {
            let last = end.servers.iter().find(|last| last.pid == first.pid);
            ServerUse {
                pid: first.pid,
                cpu_ms: last.map(|last| last.cpu_ms.saturating_sub(first.cpu_ms)),
                rss_start_kib: first.rss_kib,
                rss_end_kib: last.map_or(0, |last| last.rss_kib),
            }
        });
        Report {
            run: config.run.clone(),
            connections: config.connections(),
            seed: config.seed,
            measured_seconds: (end.at - start.at) as f64 / SECOND as f64,
            measured: end.counters.since(&start.counters),
            total: stats.counters,
            to_ack: stats.to_ack.clone(),
            to_deliver: stats.to_deliver.clone(),
            to_done: stats.to_done.clone(),
            gaps: stats.gaps.gaps().to_vec(),
            gap_ms: config.gap_ms,
            sender_gap_max_ms: stats.sender_gap_max_ns as f64 / MILLI as f64,
            unanswered,
            errors: stats.errors.clone(),
            closes: stats.closes.clone(),
            servers: servers.collect(),
            generator_cpu_ms: end.own_cpu_ms - start.own_cpu_ms,
            history,
            violations: stats.violations.clone(),
        }
    }
}

/// Counters and processes at one moment.
struct Sample {
    at: Nanos,
    counters: Counters,
    servers: Vec<ProcessSample>,
    own_cpu_ms: u64,
}

impl Sample {
    fn take(shared: &Shared) -> Self {
        Self {
            at: shared.clock.now(),
            counters: shared.stats().counters,
            servers: ProcessSample::take_all(&shared.config.server_pids),
            own_cpu_ms: own_cpu_ms(),
        }
    }
}

/// Until the run ends or nobody listens.
async fn tell_progress(shared: Arc<Shared>, teller: watch::Sender<Progress>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let phase = shared.phase.subscribe();
    let mut start = None;
    while *phase.borrow() != Phase::End {
        tick.tick().await;
        let now = shared.clock.now();
        if let Phase::Send(at) = *phase.borrow() {
            start = Some(at);
        }
        let progress = {
            let stats = shared.stats();
            Progress {
                elapsed_ms: start.map_or(0, |start| (now - start) / MILLI),
                live: stats.live,
                counters: stats.counters,
                violations: stats.violations.total(),
            }
        };
        teller.send_replace(progress);
    }
}
