//! What a cluster says of itself, and waiting for it to say something else.

use std::time::Duration;

use anyhow::Context;
use e2e_load::net::{Target, Url};

use super::{HEAL_LIMIT, LocalCluster};
use crate::logs;
use crate::process::Pid;
use crate::status::{Replica, Status};
use crate::wait::await_condition;

/// An election takes a second; a status that asks a stopped process takes longer.
const ELECTION_LIMIT: Duration = Duration::from_secs(20);

impl LocalCluster {
    /// What `status` says now.
    pub async fn status(&mut self) -> anyhow::Result<Status> {
        let status = self.chatctl.status(&self.data).await?.context("nothing runs here")?;
        self.seen.extend(status.replicas().filter_map(|replica| replica.pid));
        self.last_status = Some(status.clone());
        Ok(status)
    }

    /// Waits for a status that `accept` takes.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut accept: impl FnMut(&Status) -> Option<T>,
    ) -> anyhow::Result<T> {
        await_condition(what, limit, async || {
            if let Some(up) = &mut self.up {
                up.check().map_err(|error| format!("{error:#}"))?;
            }
            let status = self.status().await.map_err(|error| format!("{error:#}"))?;
            accept(&status).ok_or_else(|| status.to_string())
        })
        .await
    }

    /// Ready, and every replica a voter.
    pub async fn wait_whole(&mut self, limit: Duration) -> anyhow::Result<Status> {
        self.wait_for("all replicas are voters", limit, |status| status.is_whole().then(|| status.clone())).await
    }

    /// Ready: a leader serves, whoever is missing.
    pub async fn wait_ready(&mut self) -> anyhow::Result<Status> {
        self.wait_for("a leader serves", ELECTION_LIMIT, |status| status.ready.then(|| status.clone())).await
    }

    pub async fn leader(&mut self) -> anyhow::Result<Replica> {
        self.wait_for("a leader", ELECTION_LIMIT, |status| status.leader().cloned()).await
    }

    /// Any one of them.
    pub async fn follower(&mut self) -> anyhow::Result<Replica> {
        self.wait_for("a follower", ELECTION_LIMIT, |status| status.leader().and(status.followers().next()).cloned())
            .await
    }

    /// The process of a replica; waits for one.
    pub async fn pid(&mut self, replica: &str) -> anyhow::Result<Pid> {
        let what = format!("{replica} has a process");
        self.wait_for(&what, ELECTION_LIMIT, |status| status.replica(replica).and_then(|replica| replica.pid)).await
    }

    /// Another process than `old` leads: maybe the same replica, which may win the election that its death made necessary.
    pub async fn wait_new_leader(&mut self, old: &Replica) -> anyhow::Result<Replica> {
        let another = |status: &Status| status.leader().filter(|leader| leader.pid != old.pid).cloned();
        self.wait_for("a new leader", ELECTION_LIMIT, another).await
    }

    /// Another process of a replica than `old`.
    pub async fn wait_restarted(&mut self, replica: &str, old: Pid) -> anyhow::Result<Pid> {
        let another = |status: &Status| status.replica(replica)?.pid.filter(|pid| *pid != old);
        self.wait_for(&format!("{replica} was started again"), HEAL_LIMIT, another).await
    }

    /// All processes of replicas that live.
    pub async fn pids(&mut self) -> anyhow::Result<Vec<Pid>> {
        Ok(self.status().await?.replicas().filter_map(|replica| replica.pid).collect())
    }

    /// Where clients connect, and the key of their tokens.
    pub async fn target(&mut self) -> anyhow::Result<Target> {
        let status = self.status().await?;
        let urls = status.replicas().map(url).collect::<anyhow::Result<_>>()?;
        let key = std::fs::read_to_string(self.data.join("token.key")).context("failed to read the tokens' key")?;
        Ok(Target::new(urls, &key)?)
    }

    /// Waits until some process logged this.
    pub async fn wait_logged(&self, text: &str) -> anyhow::Result<()> {
        await_condition(&format!("somebody says {text:?}"), HEAL_LIMIT, async || {
            let said = logs::read_all(&[self.folder.path(), &self.data]).map_err(|error| format!("{error:#}"))?;
            if said.contains(text) { Ok(()) } else { Err("nobody does".to_owned()) }
        })
        .await
    }
}

fn url(replica: &Replica) -> anyhow::Result<Url> {
    Ok(replica.client.to_string().parse()?)
}
