//! What a leader does besides replicating: founding, membership, digests, activation, and handing over when its clock
//! is wrong. One loop, one thing at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_core::record::{Activate, CompareDigest, Found, ReportBoot, RetireNode};
use cell_core::{Command, Reply};
use cell_types::NodeId;
use openraft::ChangeMembers;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::membership::{Seen, Step, View, next_step};
use super::peers::VERSION;
use super::{Base, Running, clock};
use crate::options::CAUGHT_UP_ENTRIES_MAX;
use crate::replica::{FoundingRecord, Inner};
use crate::types::{Member, Metrics};

const PERIOD: Duration = Duration::from_millis(200);

/// A step that is not committed by then is looked at anew.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// A replica that went another way is found within this time, if there is traffic.
const DIGEST_PERIOD: Duration = Duration::from_secs(10);

/// A clock that is this long too far ahead is no hiccup.
const CLOCK_GRACE: Duration = Duration::from_secs(3);

struct Duties {
    inner: Arc<Inner>,
    base: Arc<Base>,
    running: Arc<Running>,
    leading_since: Instant,
    ahead_since: Option<Instant>,
    compared: Instant,
    /// Applied index after the last comparison.
    compared_at: u64,
}

/// Runs until it is dropped.
pub(super) async fn run(inner: Arc<Inner>, base: Arc<Base>, running: Arc<Running>) {
    let mut timer = interval(PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let now = Instant::now();
    let mut duties =
        Duties { inner, base, running, leading_since: now, ahead_since: None, compared: now, compared_at: 0 };
    let mut was_leader = false;
    loop {
        timer.tick().await;
        let is_leader = duties.running.is_leader();
        if is_leader && !was_leader {
            duties.leading_since = Instant::now();
            duties.ahead_since = None;
        }
        was_leader = is_leader;
        if is_leader && timeout(STEP_TIMEOUT, duties.round()).await.is_err() {
            tracing::warn!("a step of the cell's upkeep took too long; it is tried again");
        }
    }
}

impl Duties {
    async fn round(&mut self) {
        let is_founded = self.running.machine.read(|state| state.identity().is_some());
        if !is_founded {
            return self.found().await;
        }
        self.report_boots().await;
        self.step().await;
        self.compare_digest().await;
        self.activate().await;
        self.check_clock().await;
    }

    async fn propose(&self, what: &str, command: Command) {
        match self.inner.propose(command).await {
            Ok(Reply::Rejected(rejection)) => {
                tracing::warn!(what, %rejection, "a step of the cell's upkeep was rejected")
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(what, %error, "a step of the cell's upkeep is tried again"),
        }
    }

    async fn found(&self) {
        let Ok(Some(record)) = self.base.store.founding() else { return };
        self.propose("found", Command::Found(found(record))).await;
    }

    async fn report_boots(&self) {
        let registered = self.running.machine.read(|state| state.registry().to_vec());
        for known in registered.into_iter().filter(|known| !known.retired) {
            let boot = if known.node == self.running.node {
                Some(self.base.boot())
            } else {
                self.running.heard.of(known.node).map(|heard| heard.boot)
            };
            if let Some(boot) = boot.filter(|boot| *boot > known.boot) {
                self.propose("report a start", Command::ReportBoot(ReportBoot { node: known.node, boot })).await;
            }
        }
    }

    async fn step(&self) {
        let metrics = self.running.metrics();
        let view = self.view(&metrics);
        let Some(step) = next_step(&view) else { return };
        tracing::info!(?step, "changing the membership");
        let raft = &self.running.raft;
        let (change, retain) = match step {
            Step::Retire(node) => {
                return self.propose("retire", Command::RetireNode(RetireNode { node })).await;
            }
            Step::AddLearner(node) => {
                let Some(seen) = view.registered.get(&node) else { return };
                let member = Member { replica: seen.replica.clone() };
                (ChangeMembers::AddNodes([(node.get(), member)].into()), true)
            }
            // A joint change is left by any further change; this one changes nothing else.
            Step::LeaveJoint => (ChangeMembers::AddVoterIds(Default::default()), true),
            Step::ChangeVoters(voters) => {
                (ChangeMembers::ReplaceAllVoters(voters.iter().map(|node| node.get()).collect()), true)
            }
            Step::Remove(node) => (ChangeMembers::RemoveNodes([node.get()].into()), false),
        };
        if let Err(error) = raft.change_membership(change, retain).await {
            tracing::debug!(%error, "a change of the membership is tried again");
        }
    }

    fn view(&self, metrics: &Metrics) -> View {
        let membership = metrics.membership_config.membership();
        let last = metrics.last_log_index.unwrap_or(0);
        let matched: BTreeMap<u64, u64> = metrics
            .replication
            .iter()
            .flatten()
            .filter_map(|(id, matched)| Some((*id, matched.as_ref()?.index)))
            .collect();
        let (registry, wanted) = self.running.machine.read(|s| (s.registry().to_vec(), s.settings().voters));
        let seen = |known: cell_core::view::Registered| {
            let is_me = known.node == self.running.node;
            let silent = if is_me { Duration::ZERO } else { self.silent(metrics, known.node) };
            let is_caught_up =
                matched.get(&known.node.get()).is_some_and(|at| last - at.min(&last) <= CAUGHT_UP_ENTRIES_MAX);
            (known.node, Seen { replica: known.replica, retired: known.retired, silent, is_caught_up })
        };
        View {
            me: self.running.node,
            wanted: wanted as usize,
            is_joint: membership.get_joint_config().len() > 1,
            voters: membership.voter_ids().map(NodeId::new).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            registered: registry.into_iter().map(seen).collect(),
        }
    }

    /// Ticks and Raft's own answers both count as being heard.
    fn silent(&self, metrics: &Metrics, node: NodeId) -> Duration {
        let by_ticks = self.running.heard.silent(node, self.leading_since);
        let acked = metrics.heartbeat.as_ref().and_then(|acked| acked.get(&node.get()).copied().flatten());
        acked.map_or(by_ticks, |at| openraft::Instant::elapsed(&at.into_inner()).min(by_ticks))
    }

    async fn compare_digest(&mut self) {
        if self.compared.elapsed() < DIGEST_PERIOD {
            return;
        }
        let Some((index, digest)) =
            self.running.machine.read(|state| state.applied().0.map(|at| (at.index, state.digest())))
        else {
            return;
        };
        self.compared = Instant::now();
        // The comparison is itself an entry: alone it is no traffic.
        if index > self.compared_at + 1 {
            self.propose("compare digests", Command::CompareDigest(CompareDigest { index, digest })).await;
            self.compared_at = self.running.machine.read(|state| state.applied().0.map_or(index, |at| at.index));
        }
    }

    async fn activate(&self) {
        let active = self.running.machine.read(|state| state.settings().version);
        let others = self.running.voters().into_iter().filter(|node| *node != self.running.node);
        let versions = others.map(|node| self.running.heard.of(node).map_or(0, |heard| heard.version));
        let version = versions.chain([VERSION]).min().unwrap_or(VERSION);
        if version > active {
            self.propose("activate", Command::Activate(Activate { version })).await;
        }
    }

    async fn check_clock(&mut self) {
        if !clock::is_too_far_ahead(self.inner.seams.clock.now(), &self.running.voters_clocks()) {
            self.ahead_since = None;
            return;
        }
        let since = *self.ahead_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= CLOCK_GRACE {
            tracing::error!("this machine's clock is more than 5 s ahead of the other voters'; handing over");
            self.ahead_since = None;
            if let Err(error) = self.inner.hand_over(None).await {
                tracing::warn!(%error, "failed to hand over");
            }
        }
    }
}

fn found(record: FoundingRecord) -> Found {
    let FoundingRecord { cluster, cell, incarnation, ranges, founders, voters } = record;
    let founders = (1..).zip(founders).map(|(node, (replica, volume))| (replica, volume, NodeId::new(node))).collect();
    Found { cluster, cell, incarnation, ranges, founders, voters }
}
