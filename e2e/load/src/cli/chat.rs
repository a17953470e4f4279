//! `chat`, `failover` and `fill`: pairs that chat, shared out over processes.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use e2e_load::chat::{Config, Load, Progress, Report, Senders, Summary};
use e2e_load::modes::failover::{Outage, median_and_max, outages, parse_mark};
use e2e_load::processes::coordinator::News;
use e2e_load::processes::{Outcome, Task, Team, ToWorker};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use super::arguments::{ChatArguments, Common, FailoverArguments, FillArguments, Shape};
use super::cluster::Cluster;
use super::{Verdict, print};

/// Below the 20,000 descriptors that a process may hold, with room for reconnects.
const CONNECTIONS_PER_PROCESS: u64 = 15_000;

/// A rate over less than this says nothing.
const TELL_MS_MIN: u64 = 500;

/// After the last kill: an election, a restart, and some calm.
const AFTER_LAST_KILL: Duration = Duration::from_secs(8);

/// A fill ends when all is stored, not by time.
const FILL_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// `load chat`.
pub(super) async fn chat(arguments: &ChatArguments) -> anyhow::Result<Verdict> {
    let ChatArguments { common, shape, pairs, inflight, rate, seconds, warmup } = arguments;
    let mut config = config(common, shape, *pairs)?;
    config.seconds = *seconds;
    config.warmup_seconds = *warmup;
    config.load = match rate {
        None => Load::Closed { inflight: inflight.unwrap_or(8) },
        Some(rate) => {
            let per_sender_per_s = rate / config.senders_count().max(1) as f64;
            Load::Open { inflight: inflight.unwrap_or(32), per_sender_per_s }
        }
    };
    let report = Box::pin(run(&config, shape, std::future::pending())).await?;
    print(&report.summary(), common.json)?;
    Ok(Verdict::of(&report.violations))
}

/// `load failover`.
pub(super) async fn failover(arguments: &FailoverArguments) -> anyhow::Result<Verdict> {
    let FailoverArguments { common, shape, pairs, inflight, kills, seconds, mark_file } = arguments;
    ensure!(*kills > 0, "--kills must be above 0");
    let mut config = config(common, shape, *pairs)?;
    config.seconds = *seconds;
    config.load = Load::Closed { inflight: *inflight };
    let (sender, mut receiver) = mpsc::channel(*kills);
    let stop = async {
        if mark_file.is_some() {
            return std::future::pending().await;
        }
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        for _ in 0..*kills {
            loop {
                // Without more lines the run goes on to its end.
                let Ok(Some(line)) = lines.next_line().await else { return std::future::pending().await };
                if let Some(kill) = parse_mark(&line) {
                    eprintln!("kill at {kill}");
                    sender.try_send(kill).expect("the channel has room for all that are awaited, and outlives the run");
                    break;
                }
                eprintln!("not understood, `kill <unix milliseconds>` was expected: {line}");
            }
        }
        tokio::time::sleep(AFTER_LAST_KILL).await;
    };
    let report = Box::pin(run(&config, shape, stop)).await?;
    let mut marks = Vec::new();
    while let Ok(kill) = receiver.try_recv() {
        marks.push(kill);
    }
    if let Some(file) = mark_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
        marks.extend(text.lines().filter_map(parse_mark));
    }
    let outages = outages(&marks, &report.gaps);
    print(&Failover { chat: report.summary(), outages }, common.json)?;
    Ok(Verdict::of(&report.violations))
}

/// A chat's summary and the outages.
#[derive(Debug, Serialize)]
struct Failover {
    #[serde(flatten)]
    chat: Summary,
    outages: Vec<Outage>,
}

impl std::fmt::Display for Failover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.chat)?;
        for Outage { kill_unix_ms, until_ack_ms } in &self.outages {
            writeln!(f, "kill at {kill_unix_ms}: {until_ack_ms} ms to the next ack")?;
        }
        let Some((median, max)) = median_and_max(&self.outages) else { return writeln!(f, "no kill was marked") };
        writeln!(f, "{} kills, to the next ack: median {median} ms, largest {max} ms", self.outages.len())
    }
}

/// `load fill`.
pub(super) async fn fill(arguments: &FillArguments) -> anyhow::Result<Verdict> {
    let FillArguments { common, shape, messages, pairs, inflight } = arguments;
    ensure!(*messages > 0, "--messages must be above 0");
    let mut config = config(common, shape, *pairs)?;
    config.seconds = FILL_SECONDS;
    config.load = Load::Closed { inflight: *inflight };
    let per_sender = messages.div_ceil(config.senders_count().max(1));
    config.messages_per_sender = Some(u32::try_from(per_sender).context("too many messages for so few pairs")?);
    config.verify = false;
    let report = Box::pin(run(&config, shape, std::future::pending())).await?;
    print(&report.summary(), common.json)?;
    eprintln!(
        "read pages with: load history --run {} --pairs {pairs} --size {} --pages 10000",
        config.run, config.body_len
    );
    Ok(Verdict::of(&report.violations))
}

fn config(common: &Common, shape: &Shape, pairs: u32) -> anyhow::Result<Config> {
    let Cluster { target, server_pids } = Cluster::find(common)?;
    Ok(Config {
        devices: shape.devices,
        senders: if shape.both { Senders::Both } else { Senders::One },
        body_len: shape.size,
        answer_limit_ms: common.answer_limit_ms(),
        tail_limit_ms: (shape.tail * 1000.0) as u64,
        gap_ms: shape.gap_ms.max(1),
        ack_after_ms: shape.ack_after_ms,
        ack_every: shape.ack_every,
        server_pids,
        verify: !shape.no_verify,
        seed: common.seed,
        ..Config::new(target, &common.run_name(), pairs)
    })
}

/// Shares a chat out, tells progress, and adds up. `stop` and Ctrl-C end the sending early.
async fn run(config: &Config, shape: &Shape, stop: impl Future<Output = ()>) -> anyhow::Result<Report> {
    config.check()?;
    let enough = config.connections().div_ceil(CONNECTIONS_PER_PROCESS);
    let processes = shape.processes.unwrap_or(u32::try_from(enough).context("too many connections")?);
    eprintln!("run {}: {} connections, {processes} processes", config.run, config.connections());
    let tasks = config.split(processes).into_iter().map(|part| Task::Chat(Box::new(part))).collect();
    let mut team = Team::start(tasks).await?;
    team.say(&ToWorker::Go).await?;
    let mut stop = std::pin::pin!(async {
        tokio::select! {
            () = stop => {}
            _ = tokio::signal::ctrl_c() => eprintln!("stopping; once everything has arrived, the report follows"),
        }
    });
    let (mut is_stopped, mut last) = (false, Progress::default());
    let outcomes = loop {
        tokio::select! {
            news = team.news() => match news? {
                News::Progress(now) => {
                    tell(&last, &now);
                    last = now;
                }
                News::Done(outcomes) => break outcomes,
            },
            () = &mut stop, if !is_stopped => {
                is_stopped = true;
                team.say(&ToWorker::Stop).await?;
            }
        }
    };
    let mut reports = outcomes.into_iter().filter_map(|outcome| match outcome {
        Outcome::Chat(report) => Some(*report),
        Outcome::Idle(_) => None,
    });
    let Some(mut sum) = reports.next() else { bail!("no worker reported") };
    reports.for_each(|report| sum.add(report));
    Ok(sum)
}

/// A line a second.
fn tell(last: &Progress, now: &Progress) {
    let elapsed_ms = now.elapsed_ms.saturating_sub(last.elapsed_ms);
    // While histories are read, nothing moves.
    if elapsed_ms < TELL_MS_MIN {
        return;
    }
    let seconds = elapsed_ms as f64 / 1000.0;
    let new = now.counters.since(&last.counters);
    let per_second = |count: u64| (count as f64 / seconds).round();
    eprintln!(
        "{:>5.0} s  sent {:>7}/s  acked {:>7}/s  delivered {:>7}/s  done {:>7}/s  live {}  reconnects {}  refusals {}  violations {}",
        now.elapsed_ms as f64 / 1000.0,
        per_second(new.sent),
        per_second(new.acked),
        per_second(new.delivered),
        per_second(new.done),
        now.live,
        now.counters.reconnects,
        now.counters.refusals,
        now.violations,
    );
}
