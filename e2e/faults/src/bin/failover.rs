//! How long nobody is served when the leader dies: SIGKILL to the next acked send, many times.

use std::time::Duration;

use clap::Parser;
use e2e_faults::trickle::Trickle;
use e2e_faults::{HEAL_LIMIT, LocalCluster};
use tokio::time::Instant;

/// More than this is no failover but an outage.
const SERVED_LIMIT: Duration = Duration::from_secs(30);

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
        let survivors = status.replicas().filter(|replica| replica.name != leader.name).map(|replica| replica.client);
        let mut trickle = Trickle::start(&cluster.target().await?, survivors.collect(), kill).await?;
        // The first acks show that all is well before the kill.
        trickle.wait_acked_after(Instant::now(), SERVED_LIMIT).await?;
        let pid = cluster.pid(&leader.name).await?;
        let killed = Instant::now();
        pid.kill().await?;
        let gap = trickle.wait_acked_after(killed, SERVED_LIMIT).await?;
        println!("{kill:3}: {} killed, next ack after {} ms", leader.name, gap.as_millis());
        gaps.push(gap);
    }
    gaps.sort_unstable();
    println!("median {} ms, largest {} ms", gaps[gaps.len() / 2].as_millis(), gaps[gaps.len() - 1].as_millis());
    cluster.finish().await
}
