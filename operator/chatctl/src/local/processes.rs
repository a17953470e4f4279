//! The replicas' processes: started, ended, and started again after a back-off.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use cell_types::ReplicaName;
use futures_util::future::join_all;
use operator_plan::Process;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// First wait before a process that ended is started again; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A process that ran this long was well: its next end counts as the first.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// A replica ends within 10 s when it is asked to.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(11);

/// Children die with `up`: the kernel sees to it on behalf of the thread that started them, so `start` must be called on the
/// main thread, whose end is the end of `up`.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    entries: BTreeMap<ReplicaName, Entry>,
}

#[derive(Debug)]
enum Entry {
    Running { child: Child, pid: u32, since: Instant, ends_before: u32 },
    BackingOff { until: Instant, ends_before: u32 },
}

/// A process that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) replica: ReplicaName,
    pub(crate) status: ExitStatus,
    pub(crate) again_in: Duration,
}

/// How a process that was asked to end did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    Gracefully,
    /// It did not end in time.
    Killed,
}

impl Processes {
    pub(crate) fn state(&self, replica: &ReplicaName) -> Process {
        match self.entries.get(replica) {
            Some(Entry::Running { .. }) => Process::Running,
            Some(Entry::BackingOff { until, .. }) if Instant::now() < *until => Process::BackingOff,
            Some(Entry::BackingOff { .. }) | None => Process::Absent,
        }
    }

    pub(crate) fn pids(&self) -> BTreeMap<ReplicaName, u32> {
        let pid = |entry: &Entry| if let Entry::Running { pid, .. } = entry { Some(*pid) } else { None };
        self.entries.iter().filter_map(|(replica, entry)| Some((replica.clone(), pid(entry)?))).collect()
    }

    /// Does nothing if the process runs.
    pub(crate) fn start(&mut self, replica: &ReplicaName, command: &mut Command) -> io::Result<()> {
        let ends_before = match self.entries.get(replica) {
            Some(Entry::Running { .. }) => return Ok(()),
            Some(Entry::BackingOff { ends_before, .. }) => *ends_before,
            None => 0,
        };
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().expect("a child that was not waited for has an id");
        self.entries.insert(replica.clone(), Entry::Running { child, pid, since: Instant::now(), ends_before });
        Ok(())
    }

    /// Takes note of the processes that have ended since the last call.
    pub(crate) fn reap(&mut self) -> io::Result<Vec<Ended>> {
        let mut ended = Vec::new();
        for (replica, entry) in &mut self.entries {
            let Entry::Running { child, since, ends_before, .. } = entry else { continue };
            if let Some(status) = child.try_wait()? {
                let ends_before = if since.elapsed() >= HEALTHY_AFTER { 0 } else { *ends_before };
                let again_in = backoff(ends_before);
                *entry = Entry::BackingOff { until: Instant::now() + again_in, ends_before: ends_before + 1 };
                ended.push(Ended { replica: replica.clone(), status, again_in });
            }
        }
        Ok(ended)
    }

    /// None if no process runs.
    pub(crate) async fn stop(&mut self, replica: &ReplicaName) -> io::Result<Option<Stopped>> {
        match self.entries.remove(replica) {
            Some(Entry::Running { child, .. }) => stop(child).await.map(Some),
            Some(Entry::BackingOff { .. }) | None => Ok(None),
        }
    }

    /// All at the same time. May be dropped half-way, and followed by [`Self::kill_all`].
    pub(crate) async fn stop_all(&mut self) -> Vec<(ReplicaName, io::Result<Stopped>)> {
        let children = self.entries.iter_mut().filter_map(|(replica, entry)| match entry {
            Entry::Running { child, .. } => Some((replica.clone(), child)),
            Entry::BackingOff { .. } => None,
        });
        let stopped = join_all(children.map(|(replica, child)| async { (replica, stop_in_place(child).await) })).await;
        self.entries.clear();
        stopped
    }

    /// Without asking.
    pub(crate) async fn kill_all(&mut self) {
        for entry in self.entries.values_mut() {
            if let Entry::Running { child, .. } = entry
                && let Err(error) = child.kill().await
            {
                eprintln!("chatctl: failed to end a replica: {error}");
            }
        }
        self.entries.clear();
    }
}

fn backoff(ends_before: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(ends_before)).min(BACKOFF_MAX)
}

async fn stop(mut child: Child) -> io::Result<Stopped> {
    stop_in_place(&mut child).await
}

async fn stop_in_place(child: &mut Child) -> io::Result<Stopped> {
    // No id: it has ended and was waited for.
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
        return Ok(Stopped::Gracefully);
    };
    kill_process(pid, Signal::TERM)?;
    match timeout(STOP_MAX, child.wait()).await {
        Ok(ended) => ended.map(|_| Stopped::Gracefully),
        Err(_) => child.kill().await.map(|()| Stopped::Killed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica() -> ReplicaName {
        "c0-0".parse().unwrap()
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    async fn ended(processes: &mut Processes) -> Ended {
        loop {
            if let Some(ended) = processes.reap().unwrap().pop() {
                return ended;
            }
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn the_back_off_doubles_from_a_fifth_of_a_second_to_five() {
        let waits: Vec<u128> = (0..7).chain([40]).map(|ends| backoff(ends).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }

    #[tokio::test]
    async fn a_process_that_ends_is_not_startable_until_its_back_off_is_over() {
        let mut processes = Processes::default();
        processes.start(&replica(), &mut shell("exit 3")).unwrap();
        let first = ended(&mut processes).await;
        assert_eq!((first.status.code(), first.again_in), (Some(3), BACKOFF_MIN));
        assert_eq!(processes.state(&replica()), Process::BackingOff);
        tokio::time::sleep(BACKOFF_MIN).await;
        assert_eq!(processes.state(&replica()), Process::Absent);
        processes.start(&replica(), &mut shell("exit 3")).unwrap();
        assert_eq!(ended(&mut processes).await.again_in, BACKOFF_MIN * 2);
    }

    #[tokio::test]
    async fn a_process_that_runs_is_not_started_again() {
        let mut processes = Processes::default();
        processes.start(&replica(), &mut shell("sleep 60")).unwrap();
        let pids = processes.pids();
        processes.start(&replica(), &mut shell("sleep 60")).unwrap();
        assert_eq!(processes.pids(), pids);
        assert_eq!(processes.stop(&replica()).await.unwrap(), Some(Stopped::Gracefully));
        assert_eq!(processes.stop(&replica()).await.unwrap(), None);
        assert!(processes.pids().is_empty());
    }
}
