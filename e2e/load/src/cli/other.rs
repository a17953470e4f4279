//! `idle`, `resume` and `history`.

use std::time::Duration;

use anyhow::{bail, ensure};
use e2e_load::chat::config::check_run_name;
use e2e_load::clock::{Clock, SECOND};
use e2e_load::measure::ProcessSample;
use e2e_load::modes::{history, idle, resume};
use e2e_load::processes::coordinator::News;
use e2e_load::processes::{Outcome, Task, Team, ToWorker};

use super::arguments::{HistoryArguments, IdleArguments, ResumeArguments};
use super::cluster::Cluster;
use super::{Verdict, print};

/// Below the 20,000 descriptors that a process may hold.
const SESSIONS_PER_PROCESS: u32 = 15_000;

/// `load idle`.
pub(super) async fn idle(arguments: &IdleArguments) -> anyhow::Result<Verdict> {
    let IdleArguments { common, connections, seconds } = arguments;
    ensure!(*connections > 0, "--connections must be above 0");
    let Cluster { target, server_pids } = Cluster::find(common)?;
    let run = common.run_name();
    check_run_name(&run)?;
    let before = ProcessSample::take_all(&server_pids);
    let clock = Clock::start();
    let processes = connections.div_ceil(SESSIONS_PER_PROCESS);
    let share = |i: u32| (u64::from(*connections) * u64::from(i) / u64::from(processes)) as u32;
    let tasks = (0..processes).map(|i| {
        Task::Idle(Box::new(idle::Config {
            target: target.clone(),
            run: run.clone(),
            first: share(i),
            count: share(i + 1) - share(i),
            answer_limit_ms: common.answer_limit_ms(),
            seed: common.seed,
        }))
    });
    let mut team = Team::start(tasks.collect()).await?;
    let opened_at = clock.now();
    let open = ProcessSample::take_all(&server_pids);
    eprintln!("{connections} sessions are open, holding them for {seconds} s");
    tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
    let end = ProcessSample::take_all(&server_pids);
    team.say(&ToWorker::Go).await?;
    let News::Done(outcomes) = team.news().await? else { bail!("idle workers tell no progress") };
    let lost = outcomes.iter().map(|outcome| if let Outcome::Idle(idle) = outcome { idle.lost } else { 0 }).sum();
    let connections = u64::from(*connections);
    let report = idle::Report {
        connections,
        lost,
        opened_per_s: connections as f64 * SECOND as f64 / opened_at as f64,
        held_seconds: *seconds,
        servers: idle::costs(&before, &open, &end, connections, *seconds),
    };
    print(&report, common.json)?;
    // A session that says what it must is not ended by a server that nobody stops.
    Ok(if lost == 0 { Verdict::Kept } else { Verdict::Broken })
}

/// `load resume`.
pub(super) async fn resume(arguments: &ResumeArguments) -> anyhow::Result<Verdict> {
    let ResumeArguments { common, connections, events, rate, at_a_time, seconds } = arguments;
    ensure!(*connections > 0 && *events > 0, "--connections and --events must be above 0");
    let Cluster { target, server_pids } = Cluster::find(common)?;
    let run = common.run_name();
    check_run_name(&run)?;
    eprintln!("preparing {connections} users with {events} events each");
    let config = resume::Config {
        target,
        run,
        users: *connections,
        events: *events,
        at_a_time: *at_a_time,
        rate_per_s: *rate,
        seconds: *seconds,
        answer_limit_ms: common.answer_limit_ms(),
        server_pids,
    };
    let report = Box::pin(resume::run(&config)).await?;
    print(&report, common.json)?;
    Ok(Verdict::of(&report.violations))
}

/// `load history`.
pub(super) async fn history(arguments: &HistoryArguments) -> anyhow::Result<Verdict> {
    let HistoryArguments { common, pages, limit, pairs, size, at_a_time } = arguments;
    let Cluster { target, server_pids } = Cluster::find(common)?;
    let config = history::Config {
        target,
        run: common.run_name(),
        pairs: *pairs,
        body_len: *size,
        pages: *pages,
        limit: *limit,
        at_a_time: *at_a_time,
        answer_limit_ms: common.answer_limit_ms(),
        seed: common.seed,
        server_pids,
    };
    let report = Box::pin(history::run(&config)).await?;
    print(&report, common.json)?;
    Ok(Verdict::of(&report.violations))
}
