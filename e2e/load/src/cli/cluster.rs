//! Addresses, key and pids of the cluster: from the arguments, or from a local cluster's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use e2e_load::net::{Target, Url};
use serde::Deserialize;

use super::arguments::Common;

/// `chatctl status` exits so when nothing runs there.
const NOTHING_RUNS: i32 = 4;

/// What runs where.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) target: Target,
    pub(super) server_pids: Vec<u32>,
}

/// The part of `chatctl status -o json` that is of use here.
#[derive(Debug, Deserialize)]
struct Status {
    cells: Vec<Cell>,
}

#[derive(Debug, Deserialize)]
struct Cell {
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    pid: Option<u32>,
    client: String,
}

impl Cluster {
    /// What is given wins over what the folder says.
    pub(super) fn find(common: &Common) -> anyhow::Result<Self> {
        let key_file = match (&common.token_key, &common.data) {
            (Some(file), _) => file.clone(),
            (None, Some(data)) => data.join("token.key"),
            (None, None) => bail!("--token-key or --data is needed: sessions need tokens"),
        };
        let key = std::fs::read_to_string(&key_file)
            .with_context(|| format!("failed to read the token key {}", key_file.display()))?;
        let (mut urls, mut server_pids) = (common.urls.clone(), common.server_pids.clone());
        if let Some(data) = common.data.as_deref().filter(|_| urls.is_empty()) {
            let status = status(data, common.chatctl.as_deref())?;
            for replica in status.cells.iter().flat_map(|cell| &cell.replicas) {
                urls.push(replica.client.parse::<Url>()?);
                server_pids.extend(replica.pid.filter(|_| common.server_pids.is_empty()));
            }
        }
        for pid in &common.server_pids {
            ensure!(Path::new(&format!("/proc/{pid}")).exists(), "there is no process {pid}");
        }
        Ok(Self { target: Target::new(urls, &key)?, server_pids })
    }
}

fn status(data: &Path, chatctl: Option<&Path>) -> anyhow::Result<Status> {
    let program = chatctl.map_or_else(beside_us, Path::to_path_buf);
    let output = Command::new(&program)
        .args(["status", "-o", "json", "--data"])
        .arg(data)
        .output()
        .with_context(|| format!("failed to run {}", program.display()))?;
    ensure!(output.status.code() != Some(NOTHING_RUNS), "no cluster runs on {}", data.display());
    serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("`{} status` said nothing of use ({}): {said}", program.display(), output.status)
    })
}

fn beside_us() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|us| us.with_file_name("chatctl"));
    beside.filter(|path| path.exists()).unwrap_or_else(|| "chatctl".into())
}
