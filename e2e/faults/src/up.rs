//! The `chatctl up` process of a cluster.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::chatctl::Chatctl;
use crate::process::Pid;

/// Between looks whether the process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A child process; whoever holds it ends it.
#[derive(Debug)]
pub(crate) struct Up(Child);

impl Up {
    /// Starts it; what it prints is appended to `log`.
    pub(crate) fn start(
        chatctl: &Chatctl,
        data: &Path,
        replicas: u8,
        listen: IpAddr,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(chatctl.path());
        command.arg("up").arg("--data").arg(data);
        command.args(["--replicas", &replicas.to_string(), "--listen", &SocketAddr::new(listen, 0).to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn().with_context(|| format!("failed to start {}", chatctl.path().display()))?))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::new(self.0.id())
    }

    /// Errors if it has ended, which nobody asked for.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("`chatctl up` has ended with {status}"),
        }
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Waits for the end that it was asked for.
    pub(crate) fn wait(&mut self, limit: Duration) -> anyhow::Result<()> {
        match self.ended_within(limit)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("`chatctl up` ended with {status}"),
            None => bail!("`chatctl up` did not end within {} s", limit.as_secs()),
        }
    }

    /// SIGTERM, then SIGKILL: in every case it is gone afterwards, and so are its replicas.
    pub(crate) fn end(&mut self, limit: Duration) -> anyhow::Result<()> {
        if self.0.try_wait()?.is_some() {
            return Ok(());
        }
        self.pid().signal(Signal::TERM)?;
        if self.ended_within(limit)?.is_none() {
            self.kill()?;
            bail!("`chatctl up` did not end within {} s of SIGTERM", limit.as_secs());
        }
        Ok(())
    }

    fn ended_within(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() >= end {
                return Ok(status);
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "also called while a test unwinds, where nothing can be awaited"
            )]
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
