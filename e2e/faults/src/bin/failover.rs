//! How long nobody is served when the leader dies: SIGKILL to the next acked send, many times.

use std::time::Duration;

use clap::Parser;
use e2e_faults::trickle::Trickle;
use e2e_faults::{HEAL_LIMIT, LocalCluster, Replica, metrics};
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

/// More than this is no failover but an outage.
const SERVED_LIMIT: Duration = Duration::from_secs(30);

/// The resolution of the election's time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    /// Times that the leader is killed
    #[arg(long, default_value_t = 20)]
    kills: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    anyhow::ensure!(cli.kills > 0, "nothing to measure");
    let mut cluster = LocalCluster::of_three().await?;
    let mut gaps = Vec::new();
    for kill in 1..=cli.kills {
        let status = cluster.wait_whole(HEAL_LIMIT).await?;
        let leader = cluster.leader().await?;
        let survivors: Vec<_> = status.replicas().filter(|replica| replica.name != leader.name).cloned().collect();
        let clients = survivors.iter().map(|replica| replica.client).collect();
        let mut trickle = Trickle::start(&cluster.target().await?, clients, kill).await?;
        // The first acks show that all is well before the kill.
        trickle.wait_acked_after(Instant::now(), SERVED_LIMIT).await?;
        let pid = cluster.pid(&leader.name).await?;
        let killed = Instant::now();
        pid.signal(Signal::KILL)?;
        let (gap, elected) = tokio::join!(
            trickle.wait_acked_after(killed, SERVED_LIMIT),
            timeout(SERVED_LIMIT, elected(&survivors, killed))
        );
        let (gap, elected) = (gap?, elected?);
        let (name, elected_ms, gap_ms) = (leader.name, elected.as_millis(), gap.as_millis());
        println!("{kill:3}: {name} killed, another one leads after {elected_ms} ms, next ack after {gap_ms} ms");
        gaps.push(gap);
    }
    gaps.sort_unstable();
    println!("median {} ms, largest {} ms", gaps[gaps.len() / 2].as_millis(), gaps[gaps.len() - 1].as_millis());
    cluster.finish().await
}

/// How long after the kill a survivor says that it leads. One that won and does not serve yet says so, too.
async fn elected(survivors: &[Replica], killed: Instant) -> Duration {
    loop {
        for replica in survivors {
            let leads = metrics::value(&replica.metrics, r#"chatcells_raft_role{role="leader"}"#).await;
            if leads.is_ok_and(|leads| leads == 1) {
                return killed.elapsed();
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
