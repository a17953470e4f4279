//! A local cluster of real processes: `chatctl up` in a folder of its own, on free loopback ports.
//!
//! Whatever happens in a test, the processes end with it; a test that fails prints the last status and the logs first.

mod harm;
mod look;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::chatctl::Chatctl;
use crate::logs;
use crate::process::Pid;
use crate::status::Status;
use crate::turn::{self, Turn};
use crate::up::Up;

/// From `up` to a leader: founding or recovery, with the checker and the compiler of the next test beside it.
const START_LIMIT: Duration = Duration::from_secs(40);

/// From a fault to three voters: back-off of the restart, 10 s without a sign of the old id, a snapshot, catching up.
pub const HEAL_LIMIT: Duration = Duration::from_secs(60);

/// Every replica ends within 10 s when asked, all at the same time.
pub const DOWN_LIMIT: Duration = Duration::from_secs(20);

/// How a cluster is started.
#[derive(Debug, Clone)]
pub struct Options {
    pub replicas: u8,
    /// An existing data folder, or one that is to stay; otherwise a temporary one.
    pub data: Option<PathBuf>,
    /// Where clients connect.
    pub listen: IpAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self { replicas: 3, data: None, listen: Ipv4Addr::LOCALHOST.into() }
    }
}

/// A running local cluster of one cell.
#[derive(Debug)]
pub struct LocalCluster {
    chatctl: Chatctl,
    options: Options,
    data: PathBuf,
    up: Option<Up>,
    /// Every replica's process that a status named.
    seen: BTreeSet<Pid>,
    last_status: Option<Status>,
    is_good: bool,
    /// Logs, and the data where the test named no folder.
    folder: TempDir,
    _turn: Turn,
}

impl LocalCluster {
    /// Three replicas in a temporary folder, ready.
    pub async fn of_three() -> anyhow::Result<Self> {
        Self::start(Options::default()).await
    }

    /// Starts and waits until the cluster is whole.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let chatctl = Chatctl::find()?;
        let turn = Turn::take().await;
        let folder = tempfile::Builder::new().prefix("chatcells-").tempdir()?;
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let mut cluster = Self {
            chatctl,
            options,
            data,
            up: None,
            seen: BTreeSet::new(),
            last_status: None,
            is_good: false,
            folder,
            _turn: turn,
        };
        cluster.up_again().await?;
        Ok(cluster)
    }

    /// `chatctl up` on the same data, after [`Self::down`] or [`Self::kill_up`]; waits until the cluster is whole.
    pub async fn up_again(&mut self) -> anyhow::Result<Status> {
        anyhow::ensure!(self.up.is_none(), "the cluster is up already");
        let log = self.folder.path().join("up.log");
        let _others_wait = turn::to_start().await;
        self.up = Some(Up::start(&self.chatctl, &self.data, self.options.replicas, self.options.listen, &log)?);
        self.wait_whole(START_LIMIT).await
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A replica's folder.
    pub fn folder_of(&self, replica: &str) -> PathBuf {
        self.data.join(replica)
    }

    /// `chatctl down`. How long it took.
    pub async fn down(&mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        self.chatctl.down(&self.data, DOWN_LIMIT).await?;
        let mut up = self.up.take().context("the cluster is not up")?;
        up.wait(DOWN_LIMIT)?;
        Ok(begin.elapsed())
    }

    /// The end of a cluster that is down already and did what it should.
    pub fn forget(mut self) {
        self.is_good = true;
    }

    /// The end of a test that went well: nothing to print.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.down().await?;
        self.is_good = true;
        Ok(())
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        if !self.is_good {
            eprintln!("{}", self.last_status.as_ref().map_or("no status".to_owned(), Status::to_string));
            eprintln!("{}", logs::tails(&[self.folder.path(), &self.data]));
        }
        // Stopped ones could not end; without `up`, nobody else ends them.
        for pid in self.seen.iter().filter(|pid| pid.is_replica_of(&self.data)) {
            let sent = pid
                .signal(Signal::CONT)
                .and_then(|()| if self.up.is_none() { pid.signal(Signal::KILL) } else { Ok(()) });
            if let Err(error) = sent {
                eprintln!("{error:#}");
            }
        }
        if let Some(mut up) = self.up.take()
            && let Err(error) = up.end(DOWN_LIMIT)
        {
            eprintln!("{error:#}");
        }
    }
}
