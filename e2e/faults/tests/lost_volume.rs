//! A replica's folder is gone: of a follower, of the leader. It heals by itself, and holds everything again.

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_volume_is_lost_gets_everything_back() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let replica = cluster.follower().await?.name;
    cluster.wipe(&replica).await?;

    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    cluster.lead(&replica).await?;
    chat.goes_on().await?;
    // The stored histories are read from the replica that was rebuilt.
    chat.end().await.assert_clean();
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_volume_is_lost_gets_everything_back() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let old = cluster.leader().await?;
    cluster.wipe(&old.name).await?;

    let new = cluster.wait_new_leader(&old).await?;
    assert_ne!(new.name, old.name, "an empty replica must not lead");
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
