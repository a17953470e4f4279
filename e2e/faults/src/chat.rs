//! The chat that goes on while something breaks, with the checker on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use e2e_load::chat::{Config, Load, Progress, Report, Run, Senders};
use e2e_load::net::Target;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::LocalCluster;
use crate::process::Pid;

/// Pairs of users, both of which send; each user has two devices.
const PAIRS: u32 = 40;

/// 800 messages a second in all: a load that one slow core carries beside the test, so that what fails is not the machine.
const PER_SENDER_PER_S: f64 = 10.0;

/// Sends of one user on their way: an outage leaves some pipelined ones behind, which is where order is lost.
const INFLIGHT: usize = 8;

/// Longer than any test; the chat is stopped by its test.
const SECONDS_MAX: f64 = 600.0;

/// A second's worth, and then some: what a cluster that serves again acks while a person blinks.
const PROOF: u64 = 1_000;

/// For [`PROOF`]: an election, a restart with its longest back-off, and the messages themselves.
const PROOF_LIMIT: Duration = Duration::from_secs(30);

/// A chat on a cluster.
#[derive(Debug)]
pub struct Chat {
    run: Run,
    progress: watch::Receiver<Progress>,
}

/// What the checker found.
#[derive(Debug)]
pub struct Verdict {
    pub report: Report,
}

impl Chat {
    /// Connects everybody, and returns when messages flow.
    pub async fn start(cluster: &mut LocalCluster) -> anyhow::Result<Self> {
        Self::start_on(cluster.target().await?, &cluster.pids().await?).await
    }

    /// On the servers of these addresses, which are these processes.
    pub async fn start_on(target: Target, servers: &[Pid]) -> anyhow::Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = format!("faults-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let mut config = Config::new(target, &run, PAIRS);
        config.devices = 2;
        config.senders = Senders::Both;
        config.load = Load::Open { inflight: INFLIGHT, per_sender_per_s: PER_SENDER_PER_S };
        config.seconds = SECONDS_MAX;
        config.server_pids = servers.iter().copied().map(u32::from).collect();
        let run = Run::connect(config).await.context("the chat did not start")?;
        run.start();
        let mut chat = Self { progress: run.progress(), run };
        chat.goes_on().await.context("before anything was broken")?;
        Ok(chat)
    }

    /// Messages acked so far.
    pub fn acked(&self) -> u64 {
        self.progress.borrow().counters.acked
    }

    /// Clients asked to go so far.
    pub fn goaways(&self) -> u64 {
        self.progress.borrow().counters.goaways
    }

    /// Many more messages are acked from now on. Broken promises come in the verdict, with their examples.
    pub async fn goes_on(&mut self) -> anyhow::Result<()> {
        self.acks(PROOF, PROOF_LIMIT).await
    }

    /// At least `count` more messages are acked from now on.
    pub async fn acks(&mut self, count: u64, limit: Duration) -> anyhow::Result<()> {
        let goal = self.acked() + count;
        let reached = self.progress.wait_for(|now| now.counters.acked >= goal);
        let reached = timeout(limit, reached).await.map(|now| now.map(|now| *now));
        let Ok(reached) = reached else {
            anyhow::bail!("{} of {goal} messages are acked after {} s", self.acked(), limit.as_secs());
        };
        reached.context("the chat has ended")?;
        Ok(())
    }

    /// Stops sending, waits until everything arrived, reads the stored histories, and says what was wrong.
    pub async fn end(self) -> Verdict {
        self.run.stopper().stop();
        Verdict { report: self.run.finish().await }
    }
}

impl Verdict {
    /// Nothing lost, doubled or reordered, and every message that was sent was acked at last.
    #[track_caller]
    pub fn assert_clean(&self) {
        let Report { total, closes, errors, .. } = &self.report;
        println!("{} acked, {} sent again, {} reconnects", total.acked, total.retries, total.reconnects);
        println!("longest gap {:?}; closes {closes:?}; temporary errors {errors:?}", self.longest_gap());
        self.report.assert_clean();
        assert_eq!(self.report.unanswered, 0, "sends were never answered");
        assert!(self.report.history.messages >= self.report.total.acked, "the histories hold fewer than were acked");
    }

    /// The longest time in which nobody's send was acked.
    pub fn longest_gap(&self) -> Duration {
        Duration::from_millis(self.report.gaps.iter().map(|gap| gap.length_ms).max().unwrap_or(0))
    }
}
