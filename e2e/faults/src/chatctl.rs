//! The binary under test: where it lies, and its short commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;
use tokio::time::timeout;

use crate::status::Status;

/// Names the binary where it does not lie beside the tests.
pub const VARIABLE: &str = "CHATCTL";

/// `status` asks processes that may be stopped; it must say so within its own time-outs.
const STATUS_LIMIT: Duration = Duration::from_secs(20);

/// Exit codes of `status`: ready, not ready, nothing runs there.
const NOTHING_RUNS: i32 = 4;

/// The `chatctl` under test.
#[derive(Debug, Clone)]
pub struct Chatctl(PathBuf);

impl Chatctl {
    /// `$CHATCTL`, or the binary in the profile's folder above this test's.
    pub fn find() -> anyhow::Result<Self> {
        if let Some(path) = std::env::var_os(VARIABLE) {
            let path = PathBuf::from(path);
            anyhow::ensure!(path.is_file(), "{VARIABLE} names {}, which is no file", path.display());
            return Ok(Self(path));
        }
        let this = std::env::current_exe().context("failed to find this test's own folder")?;
        let mut candidates = this.ancestors().skip(1).take(2).map(|folder| folder.join("chatctl"));
        match candidates.find(|path| path.is_file()) {
            Some(path) => Ok(Self(path)),
            None => bail!(
                "there is no chatctl beside {}: run `cargo build --release` first, or set {VARIABLE}",
                this.display()
            ),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `chatctl status`, or nothing when nothing runs there.
    pub async fn status(&self, data: &Path) -> anyhow::Result<Option<Status>> {
        let mut command = Command::new(&self.0);
        command.args(["status", "-o", "json", "--data"]).arg(data).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(STATUS_LIMIT, command.output()).await.context("chatctl status did not end")??;
        match output.status.code() {
            Some(NOTHING_RUNS) => Ok(None),
            Some(0 | 3) => Status::parse(&String::from_utf8_lossy(&output.stdout)).map(Some),
            _ => bail!("chatctl status ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// `chatctl down`: asks the `up` process to stop everything and waits for it.
    pub async fn down(&self, data: &Path, limit: Duration) -> anyhow::Result<()> {
        let mut command = Command::new(&self.0);
        command.args(["down", "--data"]).arg(data).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(limit, command.output()).await.context("chatctl down did not end")??;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "chatctl down ended with {}: {said}", output.status);
        Ok(())
    }
}
