//! A local cluster for a test: started with the real binary, and taken down however the test ends.
#![allow(dead_code, reason = "each test binary uses some of these")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// Elections and founding on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A folder that may hold a cluster.
pub(crate) struct Folder {
    temp: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    pub(crate) fn chatctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatctl"));
        command.args(arguments).arg("--data").arg(self.path()).kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        timeout(PATIENCE, self.chatctl(arguments).stdin(Stdio::null()).output()).await.unwrap().unwrap()
    }

    /// The exit code and what was printed.
    pub(crate) async fn status(&self) -> (i32, Value) {
        let output = self.run(&["status", "-o", "json"]).await;
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until the status is as wanted, and returns it.
    pub(crate) async fn status_until(&self, what: &str, wanted: impl Fn(i32, &Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, status) = self.status().await;
            if wanted(code, &status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "never: {what}; the last status, exit code {code}: {status:#}\n{}",
                self.logs()
            );
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Starts a cluster and waits until it is ready.
    pub(crate) async fn up(&self, arguments: &[&str]) -> Up {
        let mut up = self.start(arguments);
        up.line_with("ready").await;
        up
    }

    /// Starts a cluster and does not wait.
    pub(crate) fn start(&self, arguments: &[&str]) -> Up {
        let mut all = vec!["up"];
        all.extend(arguments);
        let mut child = self.chatctl(&all).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Up { child, lines, said: Vec::new(), folder: self.path() }
    }

    /// The ends of the replicas' logs, for the message of a test that fails.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.path().join("logs")).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(15)..];
            text.push_str(&format!("--- {}\n{}\n", entry.path().display(), last.join("\n")));
        }
        text
    }
}

/// A running `chatctl up`.
pub(crate) struct Up {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
    folder: PathBuf,
}

impl Up {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Waits for a line that has this in it.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push(line.clone());
                if line.contains(part) {
                    return Some(line);
                }
            }
            None
        };
        match timeout(PATIENCE, wait).await {
            Ok(Some(line)) => line,
            ended => panic!("`up` never said `{part}` (ended: {}), but:\n{}", ended.is_ok(), self.said.join("\n")),
        }
    }

    /// Waits for the end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // The replicas that this `up` started; they end with it, unless that is what is broken.
        for pid in replica_pids(&self.folder) {
            signal(pid, Signal::KILL);
        }
    }
}

fn replica_pids(folder: &Path) -> Vec<u32> {
    let run: Option<Value> =
        std::fs::read(folder.join("run.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(replicas) = run.as_ref().and_then(|run| run["replicas"].as_object()) else { return Vec::new() };
    replicas.values().filter_map(|pid| u32::try_from(pid.as_u64()?).ok()).collect()
}

/// Sends a signal; a process that is gone already is as well.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).unwrap_or_default();
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

pub(crate) fn replicas(status: &Value) -> Vec<Value> {
    status["cells"][0]["replicas"].as_array().cloned().unwrap_or_default()
}

pub(crate) fn pid_of(replica: &Value) -> u32 {
    u32::try_from(replica["pid"].as_u64().unwrap()).unwrap()
}

/// A person at `chatctl chat`, through pipes.
pub(crate) struct Person {
    _child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    name: String,
    heard: Vec<String>,
}

impl Person {
    pub(crate) async fn joins(folder: &Folder, name: &str, to: &str) -> Self {
        let mut command = folder.chatctl(&["chat", name, "--to", to]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        let mut person = Self { _child: child, input, lines, name: name.to_owned(), heard: Vec::new() };
        person.hears("connected").await;
        person
    }

    pub(crate) async fn types(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Waits for exactly this line; returns those before it.
    pub(crate) async fn hears(&mut self, wanted: &str) -> Vec<String> {
        let from = self.heard.len();
        let wait = async {
            loop {
                let line = self.lines.next_line().await.unwrap()?;
                self.heard.push(line.clone());
                if line.trim() == wanted {
                    return Some(());
                }
            }
        };
        let ended = timeout(PATIENCE, wait).await;
        assert!(matches!(ended, Ok(Some(()))), "{} never heard `{wanted}`, but:\n{}", self.name, self.heard.join("\n"));
        self.heard[from..].to_vec()
    }
}
