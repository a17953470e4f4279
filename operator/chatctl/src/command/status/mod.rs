//! `chatctl status`: how the cluster of a folder is, asked from its replicas themselves.

mod json;
mod table;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use cell_admin::Token;
use cell_types::ReplicaName;
use operator_plan::{Health, Observed, Process, assess};

use super::EXIT_NOTHING_RUNS;
use crate::cli::{Output, StatusArgs};
use crate::local::ask::Asker;
use crate::local::cluster_file::ClusterFile;
use crate::local::data_dir::DataDir;
use crate::local::lock::{Holder, holder_of};
use crate::local::observe;
use crate::local::run_file::RunFile;
use crate::local::secrets;

/// Something runs, and is not ready.
const EXIT_NOT_READY: u8 = 3;

const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// Clears the terminal and goes to its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Everything that is shown.
struct View {
    cluster: ClusterFile,
    health: Health,
    observed: Observed,
    statuses: BTreeMap<ReplicaName, cell_admin::Status>,
    pids: BTreeMap<ReplicaName, u32>,
}

pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async { if args.watch { watch(args).await } else { once(args).await } })
}

async fn watch(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let clears = args.output == Output::Table && std::io::stdout().is_terminal();
    loop {
        if clears {
            print!("{CLEAR}");
        }
        once(args).await?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(ExitCode::SUCCESS);
            }
            () = tokio::time::sleep(WATCH_PERIOD) => {}
        }
    }
}

async fn once(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let existing = super::existing(&args.data)?;
    let name = existing.as_ref().map(|(_, cluster)| cluster.cluster.clone());
    let running = match existing {
        Some((dir, cluster)) if holder_of(&dir)? != Holder::Nobody => look(&dir, cluster).await?,
        _ => None,
    };
    let Some(view) = running else {
        match args.output {
            Output::Json => say(&serde_json::to_string(&json::Report::of_nothing(name.as_ref()))?)?,
            Output::Table => eprintln!("chatctl: nothing runs on {}", args.data.data.display()),
        }
        return Ok(ExitCode::from(EXIT_NOTHING_RUNS));
    };
    match args.output {
        Output::Json => say(&serde_json::to_string(&json::Report::of(&view))?)?,
        Output::Table => say(&table::of(&view))?,
    }
    Ok(if view.health.is_ready() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NOT_READY) })
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// None if the folder has no token yet: `up` has only just begun.
async fn look(dir: &DataDir, cluster: ClusterFile) -> anyhow::Result<Option<View>> {
    if !dir.peer_token().exists() {
        return Ok(None);
    }
    let token: Token = secrets::read(&dir.peer_token())?.parse()?;
    let desired = cluster.desired()?;
    let pids = RunFile::read(dir).unwrap_or_default().replicas;
    let statuses = Asker::new(&cluster, &token)?.statuses(|replica| pids.contains_key(replica)).await;
    let state = |replica: &ReplicaName| if pids.contains_key(replica) { Process::Running } else { Process::Absent };
    let processes = cluster.replicas.keys().map(|replica| (replica.clone(), state(replica))).collect();
    let observed = observe::observe(dir, &desired, &processes, &statuses)?;
    let health = assess(&desired, &observed);
    Ok(Some(View { cluster, health, observed, statuses, pids }))
}
