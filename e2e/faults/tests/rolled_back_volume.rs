//! A replica's folder is put back from an earlier copy: it forgot what it had voted for and acked.

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_put_back_from_a_copy_is_found_out_and_rebuilt() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;
    let copies = tempfile::tempdir()?;

    let replica = cluster.follower().await?.name;
    cluster.save(&replica, copies.path()).await?;
    // A start later, the copy is of an earlier life of the replica.
    let pid = cluster.pid(&replica).await?;
    pid.kill().await?;
    cluster.wait_restarted(&replica, pid).await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    chat.goes_on().await?;
    cluster.restore(&replica, copies.path()).await?;

    cluster.wait_logged("rolled back").await?;
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    cluster.lead(&replica).await?;
    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
