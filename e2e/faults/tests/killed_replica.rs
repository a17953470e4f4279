//! SIGKILL of one replica: of the leader, of a follower.

use std::time::Duration;

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};

/// The next leader serves within 1.3 s; the rest is for a machine that also runs the chat.
const FAILOVER_MAX: Duration = Duration::from_secs(3);

/// Nobody waits for an election: only the clients of the dead gateway have to reconnect.
const NO_FAILOVER_MAX: Duration = Duration::from_millis(1_000);

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_survives_the_death_of_the_leader() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let old = cluster.leader().await?;
    cluster.pid(&old.name).await?.kill().await?;

    cluster.wait_new_leader(&old).await?;
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_when_a_follower_dies() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let leader = cluster.leader().await?;
    let follower = cluster.follower().await?;
    cluster.pid(&follower.name).await?.kill().await?;

    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    assert_eq!(cluster.leader().await?.name, leader.name, "there was no reason for an election");
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < NO_FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}
