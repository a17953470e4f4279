//! Kills replicas for as long as wanted, the leader and a follower in turn, under a chat with the checker on.

use std::time::Duration;

use clap::Parser;
use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};
use tokio::time::Instant;

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    /// Kills
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Nothing may go unacked for longer than this
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 3_000)]
    gap_max: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;
    for round in 1..=cli.rounds {
        let begin = Instant::now();
        let (what, victim) = match round % 2 {
            1 => ("leader", cluster.leader().await?),
            _ => ("follower", cluster.follower().await?),
        };
        cluster.pid(&victim.name).await?.kill().await?;
        chat.goes_on().await?;
        cluster.wait_whole(HEAL_LIMIT).await?;
        let seconds = begin.elapsed().as_secs_f32();
        println!("{round}: {what} {} killed, whole again after {seconds:.1} s, {} acked", victim.name, chat.acked());
    }
    let verdict = chat.end().await;
    verdict.assert_clean();
    let gap = verdict.longest_gap();
    anyhow::ensure!(gap <= Duration::from_millis(cli.gap_max), "nothing was acked for {gap:?}");
    cluster.finish().await
}
