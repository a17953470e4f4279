//! `chatctl down`: asks the `up` of a folder to stop everything, and waits until it has.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::EXIT_NOTHING_RUNS;
use crate::cli::Data;
use crate::local::data_dir::DataDir;
use crate::local::lock::{Holder, holder_of};
use crate::local::processes::STOP_MAX;

/// `up` may be in the middle of stopping one replica when it is asked to stop all.
const WAIT_MAX: Duration = Duration::from_secs(2 * STOP_MAX.as_secs() + 3);

/// The pid is written a moment after the lock is taken.
const APPEAR_MAX: Duration = Duration::from_secs(2);

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &Data) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(down(args))
}

async fn down(args: &Data) -> anyhow::Result<ExitCode> {
    let nothing = || {
        eprintln!("chatctl: nothing runs on {}", args.data.display());
        Ok(ExitCode::from(EXIT_NOTHING_RUNS))
    };
    let Some(dir) = DataDir::open(&args.data)? else { return nothing() };
    let Some(up) = find(&dir).await? else { return nothing() };
    let pid = i32::try_from(up).ok().and_then(Pid::from_raw).context("the lock names a process id that cannot be")?;
    kill_process(pid, Signal::TERM).with_context(|| format!("failed to ask process {up} to stop"))?;
    let deadline = Instant::now() + WAIT_MAX;
    while holder_of(&dir)? == Holder::Process(up) {
        if Instant::now() > deadline {
            bail!("process {up} has not stopped in {} s", WAIT_MAX.as_secs());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// None if nothing runs there.
async fn find(dir: &DataDir) -> anyhow::Result<Option<u32>> {
    let deadline = Instant::now() + APPEAR_MAX;
    loop {
        match holder_of(dir)? {
            Holder::Nobody => return Ok(None),
            Holder::Process(pid) => return Ok(Some(pid)),
            Holder::Unknown if Instant::now() > deadline => {
                bail!("{} is in use by a process that cannot be seen from here", dir.root().display())
            }
            Holder::Unknown => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
}
