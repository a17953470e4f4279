//! Assembles a replica's process and runs it until it is asked to end or cannot go on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cell_admin::{CellIdentity, Token};
use cell_gateway::token::{GRACE_DEFAULT, JwtKey, JwtRules, Keyring};
use cell_gateway::{Gateway, Verifier};
use cell_raft::runtime::spawn;
use cell_raft::seams::{Clock, Entropy};
use cell_raft::{Replica, Seams};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::admin::ReplicaAdmin;
use crate::directory::{self, Whereabouts};
use crate::health::ReplicaHealth;
use crate::home::{Home, HomeSlot, Keys};
use crate::ops::{Meters, Scrape, logs};
use crate::options::Options;
use crate::os::clock::SystemClock;
use crate::os::entropy::SystemEntropy;
use crate::os::volume::FolderVolume;
use crate::os::wire::TcpWire;
use crate::os::{clients, listen, process, signals};
use crate::peers::{Accepted, Belonging, Mesh, Purpose};
use crate::uplink::{Arrivals, SessionServer, Uplink};
use crate::{ops, stop, tokens};

/// An election times out after this many to twice this many heartbeats: one lost heartbeat starts none.
const HEARTBEATS_PER_ELECTION: u32 = 3;

/// Runs a replica until it is asked to end. Errors if it cannot start, or cannot go on.
pub fn run(options: Options) -> anyhow::Result<()> {
    if options.die_with_parent {
        process::die_with_parent().context("failed to tie this replica's life to its parent's")?;
    }
    logs::start(&options.log, options.log_format)?;
    process::raise_open_files().context("failed to raise the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
    let result = runtime.block_on(serve(options));
    // Connections that would not end must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

struct Ports {
    client: TcpListener,
    peer: TcpListener,
    admin: TcpListener,
    metrics: TcpListener,
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let ports = Ports {
        client: listen::listen("clients", options.client).await?,
        peer: listen::listen("peers", options.peer).await?,
        admin: listen::listen("planners", options.admin).await?,
        metrics: listen::listen("health and metrics", options.metrics).await?,
    };
    let peer_token = process::read_secret(&options.peer_token)?;
    let admin_token: Token = peer_token.parse().context("the cluster token is no good")?;
    let token_key = process::read_secret(&options.token_key)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

    let belonging = Belonging {
        cluster: options.cluster.clone(),
        cell: options.cell.clone(),
        incarnation: options.incarnation,
        replica: options.replica.clone(),
        token: peer_token,
    };
    let mesh = Mesh::new(Arc::new(TcpWire::new(ports.peer, &options.peers)), belonging);
    let seams = Seams {
        volume: Arc::new(FolderVolume::open(&options.data)?),
        peers: mesh.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    };
    let slot = Arc::new(HomeSlot::default());
    let replica = Replica::start(replica_options(&options), seams, slot.clone()).await?;
    let meters = Arc::new(Meters::default());
    let home = Home::new(replica.clone(), clock.clone(), meters.clone(), &slot);
    let sessions = SessionServer::new(home.clone(), replica.clone());
    spawn(take_peers(mesh.listen(), replica.clone(), sessions.clone()));

    let arrivals = Arrivals { meters: meters.clone(), clock: clock.clone() };
    let whereabouts = Arc::new(Whereabouts::default());
    let names = (options.cell.clone(), options.replica.clone());
    let uplink =
        Uplink::new(replica.clone(), names, whereabouts.clone(), mesh.clone(), home.clone(), sessions, arrivals);
    let keyring = Keyring::new();
    tokens::follow(replica.clone(), clock.clone(), keyring.clone(), home.keyring_changes());
    let rules = JwtRules::new(
        JwtKey::shared_secret(token_key.as_bytes()),
        options.token_issuer.as_deref(),
        options.token_audience.as_deref(),
    );
    let verifier = Verifier::new(rules, keyring, GRACE_DEFAULT);
    let gateway = gateway(&options, verifier, &clock, &entropy, uplink.clone());
    directory::follow(replica.clone(), options.cell.clone(), whereabouts, gateway.clone(), home.cell_changes());
    uplink.start(gateway.clone());
    home.start_chores(Keys::new(entropy));

    let health = ReplicaHealth::new(replica.clone());
    health.serves(&gateway);
    let scrape = Scrape::new(&meters, gateway.clone(), home, replica.clone());
    spawn(report("the operators' port", ops::serve(ports.metrics, health.clone(), scrape)));
    spawn(report("the planner's port", serve_admin(ports.admin, &options, admin_token, &replica, &health)));
    let accepting = spawn(clients::accept(ports.client, gateway.clone()));
    tracing::info!(replica = %options.replica, client = %options.client, "started");

    let mut status = replica.status();
    tokio::select! {
        asked = signals::asked_to_end() => {
            tracing::info!(signal = asked?, "asked to end");
            accepting.abort();
            stop::gracefully(&health, &gateway, &replica).await;
            tracing::info!("ended");
            Ok(())
        }
        failed = status.wait_for(|status| status.fatal.is_some()) => {
            let why = failed.ok().and_then(|status| status.fatal.clone()).unwrap_or_else(|| "it has stopped".into());
            // Never retried: whoever started this process starts it again, from what is durable.
            anyhow::bail!("this replica cannot go on: {why}")
        }
    }
}

fn gateway(
    options: &Options,
    verifier: Verifier,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    homes: Arc<Uplink>,
) -> Arc<Gateway> {
    let limits = cell_gateway::Options { connections_max: options.connections_max, ..Default::default() };
    let (clock, entropy) = (clock.clone(), entropy.clone());
    let seams = cell_gateway::Seams {
        clock: Arc::new(move || clock.now()),
        entropy: Arc::new(move || entropy.u64()),
        spawn: Arc::new(|task| drop(spawn(task))),
    };
    Arc::new(Gateway::new(limits, seams, verifier, homes))
}

fn replica_options(options: &Options) -> cell_raft::Options {
    let identity = (options.cluster.clone(), options.cell.clone(), options.incarnation);
    let slots = options.peers.iter().map(|peer| peer.replica.clone()).collect();
    let mut made = cell_raft::Options::new(identity, options.replica.clone(), slots);
    made.heartbeat = Duration::from_millis(options.heartbeat_ms);
    made.election = (made.heartbeat * HEARTBEATS_PER_ELECTION, made.heartbeat * HEARTBEATS_PER_ELECTION * 2);
    made
}

/// Hands every connection of a peer to whom it is for.
async fn take_peers(mut accepted: mpsc::Receiver<Accepted>, replica: Replica, sessions: Arc<SessionServer>) {
    while let Some(Accepted { from, purpose, connection }) = accepted.recv().await {
        match purpose {
            Purpose::Raft(channel) => replica.serve(from, channel, connection),
            Purpose::Sessions => sessions.serve(from, connection),
        }
    }
}

fn serve_admin(
    listener: TcpListener,
    options: &Options,
    token: Token,
    replica: &Replica,
    health: &Arc<ReplicaHealth>,
) -> impl Future<Output = Result<(), tonic::transport::Error>> + use<> {
    let identity =
        CellIdentity { cluster: options.cluster.clone(), cell: options.cell.clone(), incarnation: options.incarnation };
    let admin = ReplicaAdmin {
        identity,
        replica_name: options.replica.clone(),
        replica: replica.clone(),
        health: health.clone(),
    };
    let service = cell_admin::service(admin, token);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming)
}

/// A side port that fails is said, and does not end chat.
async fn report<E: std::fmt::Display>(what: &str, serving: impl Future<Output = Result<(), E>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "{what} failed");
    }
}
