//! What `up` tells people: one line for each step, then silence until something changes.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use cell_types::ReplicaName;
use operator_plan::{Action, ConditionKind, Health, Verb};
use tokio::time::Instant;

use super::processes::Ended;

/// What passes within this time is not worth a line: an election, a restart.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says each thing once.
pub(crate) struct Report<W> {
    out: W,
    /// Nobody reads any more; `up` goes on.
    mute: bool,
    started: BTreeSet<ReplicaName>,
    /// Said since the last time all was well.
    said: BTreeSet<String>,
    ready: Ready,
    unwell_since: Option<Instant>,
}

#[derive(PartialEq, Eq)]
enum Ready {
    NotYet,
    Yes,
    NoMore,
}

impl Report<io::Stdout> {
    pub(crate) fn to_stdout() -> Self {
        Self::new(io::stdout())
    }
}

impl<W: Write> Report<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            mute: false,
            started: BTreeSet::new(),
            said: BTreeSet::new(),
            ready: Ready::NotYet,
            unwell_since: None,
        }
    }

    pub(crate) fn line(&mut self, text: &str) {
        if !self.mute {
            self.mute = writeln!(self.out, "{text}").and_then(|()| self.out.flush()).is_err();
        }
    }

    /// A line that is not repeated until all was well in between.
    pub(crate) fn line_once(&mut self, text: &str) {
        if self.said.insert(text.to_owned()) {
            self.line(text);
        }
    }

    pub(crate) fn ended(&mut self, ended: &Ended, log: &Path) {
        let Ended { replica, status, again_in } = ended;
        let (seconds, log) = (again_in.as_secs_f64(), log.display());
        self.line(&format!("{replica} ended ({status}), see {log}; it is started again in {seconds:.1} s"));
    }

    /// Before an action is performed.
    pub(crate) fn action(&mut self, action: &Action) {
        match &action.verb {
            Verb::StartReplica { replica } => {
                let again = if self.started.insert(replica.clone()) { "" } else { " again" };
                self.line(&format!("starting {replica}{again}"));
            }
            Verb::RecordFounders(record) => {
                self.line(&format!("founding {} with {} replicas", record.cell, record.founders.len()));
            }
            Verb::StopReplica { .. } | Verb::SetVolumeAside { .. } | Verb::HandOver { .. } | Verb::SetVoters { .. } => {
                self.line_once(&action.to_string());
            }
            Verb::Found { .. } | Verb::ConfirmFounding { .. } | Verb::Wait { .. } | Verb::Blocked { .. } => {}
        }
    }

    /// After each look. True when the cluster is ready for the first time.
    pub(crate) fn health(&mut self, health: &Health, actions: &[Action]) -> bool {
        if health.is_ready() && actions.is_empty() {
            self.said.clear();
        }
        self.say_what_lasts(health, actions);
        if health.is_ready() {
            let before = std::mem::replace(&mut self.ready, Ready::Yes);
            if before == Ready::NoMore {
                self.line("ready again");
            }
            return before == Ready::NotYet;
        }
        false
    }

    fn say_what_lasts(&mut self, health: &Health, actions: &[Action]) {
        let blocked = actions.iter().find(|action| matches!(action.verb, Verb::Blocked { .. }));
        if health.is_ready() && blocked.is_none() {
            self.unwell_since = None;
            return;
        }
        let since = *self.unwell_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PATIENCE {
            return;
        }
        if let Some(action) = blocked {
            self.line_once(&format!("BLOCKED: {}", action.why));
            if let Verb::Blocked { clears, .. } = &action.verb {
                self.line_once(&format!("         {clears}."));
            }
        } else if self.ready == Ready::Yes {
            self.ready = Ready::NoMore;
            let why = health.conditions.iter().find(|condition| condition.kind == ConditionKind::Ready);
            self.line(&format!("not ready: {}", why.map_or("", |condition| condition.message.as_str())));
        } else if let Some(action) = actions.iter().find(|action| matches!(action.verb, Verb::Wait { .. })) {
            self.line_once(&format!("waiting: {}", action.why));
        }
    }
}

#[cfg(test)]
mod tests {
    use operator_plan::{Condition, action::Gate};

    use super::*;

    fn health(ready: bool) -> Health {
        let ready =
            Condition { kind: ConditionKind::Ready, holds: ready, reason: "X", message: "c0 has no leader".into() };
        Health { conditions: vec![ready] }
    }

    fn action(verb: Verb) -> Action {
        Action { verb, why: "because".into() }
    }

    fn said(report: &Report<Vec<u8>>) -> Vec<&str> {
        std::str::from_utf8(&report.out).unwrap().lines().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_quickly_is_not_said() {
        let mut report = Report::new(Vec::new());
        assert!(report.health(&health(true), &[]), "ready for the first time");
        assert!(!report.health(&health(false), &[]));
        tokio::time::advance(PATIENCE / 2).await;
        assert!(!report.health(&health(true), &[]));
        assert!(said(&report).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_said_once_and_so_is_its_end() {
        let mut report = Report::new(Vec::new());
        report.health(&health(true), &[]);
        for _ in 0..4 {
            report.health(&health(false), &[]);
            tokio::time::advance(PATIENCE).await;
        }
        report.health(&health(true), &[]);
        assert_eq!(said(&report), ["not ready: c0 has no leader", "ready again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_is_said_loudly_with_what_clears_it() {
        let mut report = Report::new(Vec::new());
        let verb = Verb::Blocked { gate: Gate::QuorumLost, object: "c0".into(), clears: "Put it back".into() };
        for _ in 0..3 {
            report.health(&health(false), &[action(verb.clone())]);
            tokio::time::advance(PATIENCE).await;
        }
        assert_eq!(said(&report), ["BLOCKED: because", "         Put it back."]);
    }

    #[test]
    fn a_replica_is_started_and_then_started_again() {
        let mut report = Report::new(Vec::new());
        let start = action(Verb::StartReplica { replica: "c0-0".parse().unwrap() });
        report.action(&start);
        report.action(&start);
        assert_eq!(said(&report), ["starting c0-0", "starting c0-0 again"]);
    }
}
