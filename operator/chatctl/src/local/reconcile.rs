//! The loop of `up`: look, plan, perform, say; quickly while something changes, slowly when nothing does.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use cell_types::ReplicaName;
use futures_util::future::join_all;
use operator_plan::{Action, Process, Verb, assess, plan};

use super::execute::{self, Executor};
use super::logs::{self, Shown};
use super::report::Report;
use super::run_file::RunFile;
use super::{file, observe};

/// While actions are performed or waited for.
const PACE_BUSY: Duration = Duration::from_millis(200);

/// When there is nothing to do. A process that ends is noticed at once, by its signal.
const PACE_CALM: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error(transparent)]
    Observe(#[from] observe::Error),
    #[error("failed to look after a replica's process: {0}")]
    Process(#[from] io::Error),
}

pub(crate) struct Reconciler {
    pub(crate) executor: Executor,
    /// What `run.json` says.
    written: RunFile,
    /// With `--log`: what of the replicas' logs was shown.
    shown: Option<Shown>,
}

/// What a step found.
pub(crate) struct Step {
    pub(crate) next_in: Duration,
    /// The cluster is ready for the first time since `up` started.
    pub(crate) became_ready: bool,
}

impl Reconciler {
    pub(crate) fn new(executor: Executor) -> Result<Self, file::Error> {
        let written = RunFile { up: std::process::id(), replicas: BTreeMap::new() };
        written.write(&executor.dir)?;
        let shown = executor.log.is_some().then(|| Shown::from_now(&executor.dir, executor.cluster.replicas.keys()));
        Ok(Self { executor, written, shown })
    }

    /// May be dropped at any await: the next step looks anew.
    pub(crate) async fn step<W: io::Write>(&mut self, report: &mut Report<W>) -> Result<Step, Error> {
        for ended in self.executor.processes.reap()? {
            report.ended(&ended, &self.executor.dir.log(&ended.replica));
        }
        let processes = self.processes();
        let runs = |replica: &ReplicaName| processes.get(replica) == Some(&Process::Running);
        let statuses = self.executor.asker.statuses(runs).await;
        let Executor { dir, desired, .. } = &self.executor;
        let observed = observe::observe(dir, desired, &processes, &statuses)?;
        let (actions, health) = (plan(desired, &observed), assess(desired, &observed));
        let became_ready = report.health(&health, &actions);
        self.perform(&actions, report).await;
        self.write_run_file()?;
        self.look_after_logs()?;
        Ok(Step { next_in: if actions.is_empty() { PACE_CALM } else { PACE_BUSY }, became_ready })
    }

    async fn perform<W: io::Write>(&mut self, actions: &[Action], report: &mut Report<W>) {
        // Founders wait for each other; all others of a plan are quick, or best done one after the other.
        let founds = actions.iter().filter(|action| matches!(action.verb, Verb::Found { .. }));
        let executor = &self.executor;
        let told = join_all(founds.map(|action| async move { (action, executor.tell_founder(action).await) })).await;
        for (action, told) in told {
            say_outcome(action, told.map(|()| None), report);
        }
        for action in actions.iter().filter(|action| !matches!(action.verb, Verb::Found { .. })) {
            report.action(action);
            let outcome = self.executor.perform(action).await;
            say_outcome(action, outcome, report);
        }
    }

    fn processes(&self) -> BTreeMap<ReplicaName, Process> {
        let Executor { cluster, processes, .. } = &self.executor;
        cluster.replicas.keys().map(|replica| (replica.clone(), processes.state(replica))).collect()
    }

    fn write_run_file(&mut self) -> Result<(), file::Error> {
        let run = RunFile { up: std::process::id(), replicas: self.executor.processes.pids() };
        if run != self.written {
            run.write(&self.executor.dir)?;
            self.written = run;
        }
        Ok(())
    }

    fn look_after_logs(&mut self) -> Result<(), file::Error> {
        let Executor { dir, cluster, .. } = &self.executor;
        if let Some(shown) = &mut self.shown {
            for line in shown.added(dir)? {
                eprintln!("{line}");
            }
        }
        logs::rotate(dir, cluster.replicas.keys())
    }
}

/// What failed is tried again if the next look says that it is still to be done.
fn say_outcome<W: io::Write>(action: &Action, outcome: Result<Option<String>, execute::Error>, report: &mut Report<W>) {
    match outcome {
        Ok(None) => {}
        Ok(Some(line)) => report.line(&line),
        Err(error) => report.line_once(&format!("failed to {}: {error}", action.verb)),
    }
}
