//! Replicas of an `up` that was killed. They end by themselves; one that does not is ended before its successor starts.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::data_dir::DataDir;
use super::run_file::RunFile;

/// The kernel ends them with their parent; this is for a machine that is slow to.
const WAIT_MAX: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Waits until no replica of an earlier `up` runs on this folder. Call with the folder's lock held.
pub(crate) async fn wait_for_end(dir: &DataDir) -> Vec<String> {
    let Some(run) = RunFile::read(dir) else { return Vec::new() };
    let mut lines = Vec::new();
    for (replica, pid) in run.replicas {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        while is_replica_of(pid, dir, replica.as_str()) {
            if tokio::time::Instant::now() > deadline {
                lines.push(format!("{replica} of an earlier start still ran as process {pid}; it was ended"));
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
                    && let Err(error) = kill_process(pid, Signal::KILL)
                {
                    lines.push(format!("failed to end it: {error}"));
                }
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
    lines
}

/// A process id may belong to a stranger by now: only a process with the command line of this replica is meant.
fn is_replica_of(pid: u32, dir: &DataDir, replica: &str) -> bool {
    let Ok(command_line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let data = dir.root().join(replica);
    let has = |wanted: &[u8]| command_line.split(|byte| *byte == 0).any(|argument| argument == wanted);
    has(b"cell") && has(data.as_os_str().as_bytes())
}
