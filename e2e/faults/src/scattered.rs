//! A cell whose replicas live in networks of their own, so that they can be cut off from each other and still be reached by
//! their clients. Founded as a [`LocalCluster`], then started anew at other addresses.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e_load::net::Target;
use tempfile::TempDir;

use crate::chatctl::Chatctl;
use crate::cluster::LocalCluster;
use crate::network::{Network, Site};
use crate::process::Pid;
use crate::turn::Turn;
use crate::wait::await_condition;
use crate::{logs, metrics};

/// Every site has an address of its own, so the ports are the same everywhere.
const CLIENT: u16 = 8080;
const PEER: u16 = 7000;
const ADMIN: u16 = 7001;
const METRICS: u16 = 7002;

/// One for each site.
const REPLICAS: [&str; 3] = ["c0-0", "c0-1", "c0-2"];

const START_LIMIT: Duration = Duration::from_secs(20);

/// An election takes a second; a site that lost its leader looks longer.
const ROLE_LIMIT: Duration = Duration::from_secs(20);

/// Three replicas in three networks.
#[derive(Debug)]
pub struct ScatteredCell {
    pub network: Network,
    replicas: Vec<Child>,
    data: PathBuf,
    is_good: bool,
    folder: TempDir,
    _turn: Turn,
}

impl ScatteredCell {
    /// Needs root.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chatcells-scattered-").tempdir()?;
        let data = folder.path().join("data");
        let options = crate::Options { data: Some(data.clone()), ..crate::Options::default() };
        let mut founders = LocalCluster::start(options).await?;
        founders.down().await?;
        founders.forget();

        let turn = Turn::take_all().await;
        let network = Network::make(REPLICAS.len() as Site)?;
        let mut cell = Self { network, replicas: Vec::new(), data, is_good: false, folder, _turn: turn };
        let chatctl = Chatctl::find()?;
        for site in 0..REPLICAS.len() as Site {
            let child = cell.start_replica(&chatctl, site)?;
            cell.replicas.push(child);
        }
        cell.leader(START_LIMIT, None).await?;
        Ok(cell)
    }

    fn start_replica(&self, chatctl: &Chatctl, site: Site) -> anyhow::Result<Child> {
        let name = REPLICAS[usize::from(site)];
        let at = |port| SocketAddr::from((self.network.address(site), port)).to_string();
        let peer = |site: Site| format!("{}={}:{PEER}", REPLICAS[usize::from(site)], self.network.address(site));
        let peers: Vec<_> = (0..REPLICAS.len() as Site).map(peer).collect();
        let log = File::options().create(true).append(true).open(self.folder.path().join(format!("{name}.log")))?;
        let mut command = self.network.at(site, chatctl.path());
        command.args(["cell", "--die-with-parent", "--cluster", "local", "--cell", "c0", "--replica", name]);
        command.arg("--data").arg(self.data.join(name));
        command.args(["--client", &at(CLIENT), "--peer", &at(PEER), "--admin", &at(ADMIN), "--metrics", &at(METRICS)]);
        command.args(["--peers", &peers.join(",")]);
        command.arg("--peer-token").arg(self.data.join("peer.token"));
        command.arg("--token-key").arg(self.data.join("token.key"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().with_context(|| format!("failed to start {name}"))
    }

    pub fn client(&self, site: Site) -> SocketAddr {
        (self.network.address(site), CLIENT).into()
    }

    pub fn target(&self) -> anyhow::Result<Target> {
        let key = std::fs::read_to_string(self.data.join("token.key"))?;
        let url = |site| Ok(self.client(site).to_string().parse()?);
        let urls = (0..REPLICAS.len() as Site).map(url).collect::<anyhow::Result<_>>()?;
        Ok(Target::new(urls, &key)?)
    }

    pub fn pids(&self) -> Vec<Pid> {
        self.replicas.iter().map(|child| Pid::new(child.id())).collect()
    }

    /// The site that leads, and is not `other_than`.
    pub async fn leader(&self, limit: Duration, other_than: Option<Site>) -> anyhow::Result<Site> {
        await_condition("a site leads", limit, async || {
            for site in (0..REPLICAS.len() as Site).filter(|site| Some(*site) != other_than) {
                if self.has_role(site, "leader").await.unwrap_or(false) {
                    return Ok(site);
                }
            }
            Err("none does".to_owned())
        })
        .await
    }

    /// Waits until a site says that it has this role.
    pub async fn wait_role(&self, site: Site, role: &str) -> anyhow::Result<()> {
        await_condition(&format!("site {site} is a {role}"), ROLE_LIMIT, async || {
            match self.has_role(site, role).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("it is something else".to_owned()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    async fn has_role(&self, site: Site, role: &str) -> anyhow::Result<bool> {
        let url = format!("http://{}:{METRICS}/metrics", self.network.address(site));
        Ok(metrics::value(&url, &format!(r#"chatcells_raft_role{{role="{role}"}}"#)).await? == 1)
    }

    /// The Raft term that a site knows.
    pub async fn term(&self, site: Site) -> anyhow::Result<u64> {
        metrics::value(&format!("http://{}:{METRICS}/metrics", self.network.address(site)), "chatcells_raft_term").await
    }

    /// The end of a test that went well: nothing to print.
    pub fn finish(mut self) {
        self.is_good = true;
    }
}

impl Drop for ScatteredCell {
    fn drop(&mut self) {
        if !self.is_good {
            let folders: [&Path; 1] = [self.folder.path()];
            eprintln!("{}", logs::tails(&folders));
        }
        for child in &mut self.replicas {
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                eprintln!("failed to end a replica: {error}");
            }
        }
    }
}
