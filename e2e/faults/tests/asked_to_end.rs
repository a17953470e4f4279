//! SIGTERM of the leader: it hands over, asks its clients to go, and ends; hardly anybody notices.

use std::time::Duration;

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};

/// What a replica may take to end when asked.
const END_MAX: Duration = Duration::from_secs(10);

/// Leadership goes to a replica that has everything, without an election time-out.
const HAND_OVER_MAX: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_asked_to_end_hands_over_and_sends_its_clients_elsewhere() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let leader = cluster.leader().await?.name;
    let pid = cluster.pid(&leader).await?;
    let (took, wait_status) = cluster.ask_to_end(&leader).await?;
    assert!(took < END_MAX, "it took {took:?}");
    assert_eq!(wait_status, 0, "it did not end well");
    assert!(chat.goaways() > 0, "no client was asked to go");

    cluster.wait_restarted(&leader, pid).await?;
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < HAND_OVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_taken_down_ends_in_time_and_comes_back() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let took = cluster.down().await?;
    assert!(took < END_MAX + Duration::from_secs(2), "it took {took:?}");
    cluster.up_again().await?;

    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
