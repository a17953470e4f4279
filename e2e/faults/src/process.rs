//! Processes by id: signals, and whether they live. Only ids that a cluster of this test reported come here.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid as RawPid, Signal, kill_process};
use serde::Deserialize;

use crate::wait::await_condition;

/// A process that gets SIGKILL or SIGSTOP is gone or stopped in microseconds; a loaded machine takes longer.
const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// A process of a cluster under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Pid(u32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Pid> for u32 {
    fn from(pid: Pid) -> Self {
        pid.0
    }
}

impl Pid {
    pub fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Errors if the process is gone.
    pub fn signal(self, signal: Signal) -> anyhow::Result<()> {
        let raw = i32::try_from(self.0).ok().and_then(RawPid::from_raw).context("not a process id")?;
        kill_process(raw, signal).with_context(|| format!("failed to send {signal:?} to {self}"))
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.wait_gone(SIGNAL_LIMIT).await
    }

    /// SIGSTOP; returns when no thread of the process runs any more.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        await_condition(&format!("{self} is stopped"), SIGNAL_LIMIT, async || match self.state() {
            Some('T') => Ok(()),
            other => Err(format!("its state is {other:?}")),
        })
        .await
    }

    /// SIGCONT.
    pub fn resume(self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Neither gone nor a zombie. The first thread may be a zombie while others still hold the files and ports.
    pub fn is_alive(self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{self}/task")) else { return false };
        let stats = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
        stats.into_iter().any(|stat| state_in(&stat).is_some_and(|state| !matches!(state, 'Z' | 'X')))
    }

    /// Whether this is a process that was started for the data in `folder`, and not another one with the same id.
    pub fn is_replica_of(self, folder: &Path) -> bool {
        let Ok(command) = std::fs::read(format!("/proc/{self}/cmdline")) else { return false };
        String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
    }

    pub async fn wait_gone(self, limit: Duration) -> anyhow::Result<()> {
        await_condition(&format!("{self} is gone"), limit, async || {
            if self.is_alive() { Err(format!("its state is {:?}", self.state())) } else { Ok(()) }
        })
        .await
    }

    /// How a process ended that its parent has not asked about yet, as wait(2) tells it: 0 after `exit(0)`.
    pub fn wait_status(self) -> anyhow::Result<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{self}/stat")).context("somebody else has asked already")?;
        anyhow::ensure!(!self.is_alive(), "{self} has not ended");
        stat.split_whitespace().last().and_then(|code| code.parse().ok()).context("/proc/PID/stat has another form")
    }

    /// The letter of proc_pid_stat(5): `T` stopped, `Z` zombie.
    fn state(self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{self}/stat")).ok()?;
        state_in(&stat)
    }
}

/// The name before it is in brackets and may hold anything.
fn state_in(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn a_process_is_stopped_resumed_and_killed() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = Pid::new(child.id());
        pid.stop().await.unwrap();
        assert!(pid.is_alive());
        pid.resume().unwrap();
        pid.kill().await.unwrap();
        assert!(!pid.is_alive(), "a zombie does not live");
        assert_eq!(pid.wait_status().unwrap(), 9);
        child.wait().unwrap();
        assert!(pid.signal(Signal::KILL).is_err());
    }
}
