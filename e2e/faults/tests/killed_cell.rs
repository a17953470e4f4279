//! SIGKILL of everything: of all three replicas at once, and of the `up` process that they belong to.

use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster};
use rustix::process::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_whose_three_replicas_died_at_once_comes_back_with_everything_acked() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let before = cluster.pids().await?;
    for pid in &before {
        pid.signal(Signal::KILL)?;
    }
    let whole = |pids: Vec<_>| pids.len() == 3 && pids.iter().all(|pid| !before.contains(pid));
    cluster
        .wait_for("three new processes are voters", HEAL_LIMIT, |status| {
            let pids = status.replicas().filter_map(|replica| replica.pid).collect();
            (status.is_whole() && whole(pids)).then_some(())
        })
        .await?;

    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_end_with_their_up_process_and_the_next_one_recovers_everything_acked() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let before = cluster.status().await?;
    cluster.kill_up().await?;
    let after = cluster.up_again().await?;

    for replica in before.replicas() {
        let again = after.replica(&replica.name).map(|replica| replica.client);
        assert_eq!(again, Some(replica.client), "the addresses are those of before");
    }
    chat.goes_on().await?;
    chat.end().await.assert_clean();
    cluster.finish().await
}
