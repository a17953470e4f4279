//! What is done to a cluster: to its processes, and to the folders of its replicas.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{DOWN_LIMIT, HEAL_LIMIT, LocalCluster};
use crate::folder;

/// A replica that is as good as the others wins every second of them.
const ELECTIONS_MAX: u32 = 12;

/// The kernel ends the replicas of an `up` that is gone.
const ORPHANS_LIMIT: Duration = Duration::from_secs(2);

impl LocalCluster {
    /// What happens to a replica's folder while no process uses it: the replica is stopped, then `change` is made, then
    /// the replica gets SIGKILL, so that the `up` process starts it on what is there now. Returns when it was started.
    pub async fn crash_with(
        &mut self,
        replica: &str,
        change: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let pid = self.pid(replica).await?;
        pid.stop().await?;
        let changed = change(&self.folder_of(replica));
        pid.kill().await?;
        changed?;
        self.wait_restarted(replica, pid).await?;
        Ok(())
    }

    /// The loss of a replica's volume.
    pub async fn wipe(&mut self, replica: &str) -> anyhow::Result<()> {
        self.crash_with(replica, |folder| std::fs::remove_dir_all(folder).context("failed to remove the folder")).await
    }

    /// A copy of a replica's folder as it is at one moment: what a crash then would leave.
    pub async fn save(&mut self, replica: &str, copy: &Path) -> anyhow::Result<()> {
        let pid = self.pid(replica).await?;
        pid.stop().await?;
        let copied = folder::copy(&self.folder_of(replica), copy);
        pid.resume()?;
        copied
    }

    /// Puts a copy where a replica's folder was.
    pub async fn restore(&mut self, replica: &str, copy: &Path) -> anyhow::Result<()> {
        self.crash_with(replica, |folder| {
            folder::empty(folder)?;
            folder::copy(copy, folder)
        })
        .await
    }

    /// SIGTERM. How long the replica took to end and its wait status; the `up` process looks away meanwhile.
    pub async fn ask_to_end(&mut self, replica: &str) -> anyhow::Result<(Duration, i32)> {
        let pid = self.pid(replica).await?;
        let up = self.up.as_ref().context("the cluster is not up")?.pid();
        up.stop().await?;
        let ended = async {
            let begin = Instant::now();
            pid.signal(Signal::TERM)?;
            pid.wait_gone(DOWN_LIMIT).await?;
            Ok((begin.elapsed(), pid.wait_status()?))
        };
        let ended = ended.await;
        up.resume()?;
        ended
    }

    /// SIGKILL of the `up` process itself. Replicas must end with it; returns when they are gone.
    pub async fn kill_up(&mut self) -> anyhow::Result<()> {
        let pids = self.pids().await?;
        let mut up = self.up.take().context("the cluster is not up")?;
        up.kill()?;
        for pid in pids {
            pid.wait_gone(ORPHANS_LIMIT).await.context("a replica outlived its `up`")?;
        }
        Ok(())
    }

    /// Makes a replica lead, by killing whoever leads until it does: everything is then read from it.
    pub async fn lead(&mut self, replica: &str) -> anyhow::Result<()> {
        for _ in 0..ELECTIONS_MAX {
            let leader = self.leader().await?;
            if leader.name == replica {
                return Ok(());
            }
            let pid = self.pid(&leader.name).await?;
            pid.kill().await?;
            self.wait_restarted(&leader.name, pid).await?;
            self.wait_whole(HEAL_LIMIT).await?;
        }
        anyhow::bail!("{replica} won none of {ELECTIONS_MAX} elections")
    }
}
