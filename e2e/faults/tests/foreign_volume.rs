//! Another cluster's volume lies where a replica's own should be.

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster, folder};

#[tokio::test(flavor = "multi_thread")]
async fn another_clusters_volume_is_not_served_and_makes_way_for_the_own() -> anyhow::Result<()> {
    let copies = tempfile::tempdir()?;
    let replica = "c0-1";
    let mut other = LocalCluster::of_three().await?;
    Chat::start(&mut other).await?.end().await.assert_clean();
    other.down().await?;
    folder::copy(&other.folder_of(replica), copies.path())?;
    other.forget();

    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;
    cluster.restore(replica, copies.path()).await?;

    cluster.wait_logged("set aside").await?;
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    cluster.lead(replica).await?;
    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
