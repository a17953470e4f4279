//! Damaged files on a replica's volume: said, set aside, rebuilt, never served.

use e2e_faults::folder::{Store, cut_in_half, flip_bytes};
use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_log_has_flipped_bits_is_rebuilt() -> anyhow::Result<()> {
    heals_from(|folder| flip_bytes(&Store::Log.path(folder))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_state_has_flipped_bits_is_rebuilt() -> anyhow::Result<()> {
    heals_from(|folder| flip_bytes(&Store::State.path(folder))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_log_is_cut_short_is_rebuilt() -> anyhow::Result<()> {
    heals_from(|folder| cut_in_half(&Store::Log.path(folder))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_state_is_missing_is_rebuilt() -> anyhow::Result<()> {
    heals_from(|folder| Ok(std::fs::remove_file(Store::State.path(folder))?)).await
}

async fn heals_from(damage: impl FnOnce(&std::path::Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let replica = cluster.follower().await?.name;
    cluster.crash_with(&replica, damage).await?;

    cluster.wait_logged("set aside").await?;
    chat.goes_on().await?;
    cluster.wait_whole(HEAL_LIMIT).await?;
    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
