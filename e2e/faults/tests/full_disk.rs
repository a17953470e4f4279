//! A disk without space under one replica: of a follower, then of the leader. The cell goes on with the rest.

use std::time::Duration;

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster, Options, SmallDisk, may_administer};

/// Room for the stores of a short chat, small enough to be filled in a moment.
const DISK_MIB: u32 = 192;

/// The full replica ends or refuses; if it led, another one takes over.
const FAILOVER_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_disk_space_is_done_without_and_comes_back_with_it() -> anyhow::Result<()> {
    if !may_administer("a small disk") {
        return Ok(());
    }
    let data = tempfile::Builder::new().prefix("chatcells-disks-").tempdir()?;
    let names = ["c0-0", "c0-1", "c0-2"];
    let disks = names.iter().map(|name| SmallDisk::mount(&data.path().join(name), DISK_MIB));
    let disks = disks.collect::<anyhow::Result<Vec<_>>>()?;
    let disk_of = |replica: &str| &disks[names.iter().position(|name| *name == replica).expect("a slot of the cell")];
    let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
    let mut cluster = LocalCluster::start(options).await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let follower = cluster.follower().await?.name;
    disk_of(&follower).fill()?;
    chat.goes_on().await?;
    cluster.wait_logged("disk is full").await?;
    chat.goes_on().await?;
    disk_of(&follower).free()?;
    cluster.wait_whole(HEAL_LIMIT).await?;

    let leader = cluster.leader().await?;
    disk_of(&leader.name).fill()?;
    cluster.wait_new_leader(&leader).await?;
    chat.goes_on().await?;
    disk_of(&leader.name).free()?;
    cluster.wait_whole(HEAL_LIMIT).await?;

    chat.goes_on().await?;
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}
