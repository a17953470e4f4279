//! `chatctl up`: a cluster in the foreground, until it is asked to stop.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use cell_types::{ReplicaCount, ReplicaName};
use crds::ChatCluster;
use crds::chat_cluster::{Limits, Spec};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::UpArgs;
use crate::local::data_dir::DataDir;
use crate::local::execute::Executor;
use crate::local::lock::Lock;
use crate::local::prepare::{self, Ask, Prepared};
use crate::local::processes::{Processes, Stopped};
use crate::local::reconcile::Reconciler;
use crate::local::report::Report;
use crate::local::run_file::RunFile;
use crate::local::{addresses, leftovers};

pub(crate) fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(up(args))
}

async fn up(args: UpArgs) -> anyhow::Result<ExitCode> {
    // Heard from the first moment, so that nothing is half done when they come.
    let mut asked = AskedToStop::new()?;
    let mut child_ended = signal(SignalKind::child())?;
    let file = args.file.as_deref().map(read_file).transpose()?;
    let dir = DataDir::create(&args.data.data)?;
    let lock = Lock::acquire(&dir).await?;
    let mut report = Report::to_stdout();
    for line in leftovers::wait_for_end(&dir).await {
        report.line(&line);
    }
    let limits = args.connections_max.map(|max| Limits { connections_max: Some(max) });
    let flags = Spec { cells: args.cells, replicas: args.replicas, tokens: None, limits };
    let ask = Ask { file, flags, listen: args.listen, log: args.log };
    let Prepared { executor, notes } = prepare::prepare(dir.clone(), ask, addresses::is_free)?;
    greet(&mut report, &executor, &args.data.data);
    notes.iter().for_each(|note| report.line(note));

    let mut reconciler = Reconciler::new(executor)?;
    let ended = loop {
        let step = tokio::select! {
            biased;
            name = asked.next() => break Ok(name),
            step = reconciler.step(&mut report) => step,
        };
        let step = match step {
            Ok(step) => step,
            Err(error) => break Err(error),
        };
        if step.became_ready {
            tell_how_to_chat(&mut report, &reconciler.executor, &args.data.data);
        }
        tokio::select! {
            name = asked.next() => break Ok(name),
            _ = child_ended.recv() => {}
            () = tokio::time::sleep(step.next_in) => {}
        }
    };
    if let Ok(name) = &ended {
        report.line(&format!("{name}: stopping; once more forces"));
    }
    let forced = stop(&mut reconciler.executor.processes, &mut asked, &mut report).await;
    RunFile::remove(&dir)?;
    drop(lock);
    ended?;
    report.line("stopped; the next `chatctl up` goes on from here");
    Ok(if forced { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read_file(path: &Path) -> anyhow::Result<ChatCluster> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    crds::from_yaml(&text).with_context(|| path.display().to_string())
}

/// True if somebody lost patience.
async fn stop<W: std::io::Write>(processes: &mut Processes, asked: &mut AskedToStop, report: &mut Report<W>) -> bool {
    let stopped = tokio::select! {
        stopped = processes.stop_all() => Some(stopped),
        _ = asked.next() => None,
    };
    let Some(stopped) = stopped else {
        report.line("forced: killing all replicas");
        processes.kill_all().await;
        return true;
    };
    for (replica, how) in stopped {
        match how {
            Ok(Stopped::Gracefully) => {}
            Ok(Stopped::Killed) => report.line(&format!("{replica} did not end in time and was killed")),
            Err(error) => report.line(&format!("failed to stop {replica}: {error}")),
        }
    }
    false
}

fn greet<W: std::io::Write>(report: &mut Report<W>, executor: &Executor, data: &Path) {
    let Executor { desired, .. } = executor;
    let (cells, replicas) = (desired.cells(), desired.replicas);
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    report.line(&format!(
        "cluster {}: {cells} cell{} of {replicas} replica{}, data in {}",
        desired.cluster,
        plural(cells),
        plural(replicas.get()),
        data.display()
    ));
    if replicas == ReplicaCount::One {
        report.line(
            "one replica: chat stops while it is down, and losing its files loses every message; 3 survive the loss of any one",
        );
    }
}

fn tell_how_to_chat<W: std::io::Write>(report: &mut Report<W>, executor: &Executor, data: &Path) {
    let program = std::env::args().next().unwrap_or_else(|| "chatctl".to_owned());
    let data = match data == Path::new("./.chatcells") {
        true => String::new(),
        false => format!(" --data {}", data.display()),
    };
    report.line("ready");
    // Slots that are about to leave are no place to connect to.
    let stays = |replica: &ReplicaName| replica.ordinal().is_some_and(|n| n < executor.desired.replicas.get());
    for (replica, url) in super::websocket_urls(&executor.cluster).into_iter().filter(|(replica, _)| stays(replica)) {
        report.line(&format!("  {replica}  {url}"));
    }
    report.line("chat in two other terminals:");
    report.line(&format!("  {program} chat alice --to bob{data}"));
    report.line(&format!("  {program} chat bob --to alice{data}"));
    report.line(&format!("stop with Ctrl-C or `{program} down{data}`"));
}

/// The ways in which a person or a supervisor asks a program to stop.
struct AskedToStop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl AskedToStop {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Cancel-safe.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
