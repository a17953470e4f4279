//! SIGSTOP of the leader for 5 s: it wakes up in a world that has another leader, and believes it still leads.

use std::time::Duration;

use e2e_faults::notes::assert_not_stale;
use e2e_faults::{Chat, HEAL_LIMIT, LocalCluster, Notes};
use tokio::time::{Instant, sleep_until};

/// Long after every lease and election time-out.
const STOPPED: Duration = Duration::from_secs(5);

/// Notes that the old leader does not know of.
const MISSED: u64 = 20;

/// The next leader serves within 1.3 s; the rest is for a machine that also runs the chat.
const FAILOVER_MAX: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_for_five_seconds_loses_nothing_and_serves_nothing_stale() -> anyhow::Result<()> {
    let mut cluster = LocalCluster::of_three().await?;
    let mut chat = Chat::start(&mut cluster).await?;
    let target = cluster.target().await?;
    let old = cluster.leader().await?;
    let mut writer = Notes::open(&target, cluster.follower().await?.client, "writer").await?;
    assert_eq!(writer.write(1).await?, 1);
    let mut reader = Notes::open(&target, old.client, "reader").await?.follow(&writer);
    assert_eq!(reader.newest().await?, 1);

    let sleeper = cluster.pid(&old.name).await?;
    sleeper.stop().await?;
    let wakes = Instant::now() + STOPPED;
    cluster.wait_new_leader(&old).await?;
    for number in 2..=MISSED {
        assert_eq!(writer.write(number).await?, number);
    }
    sleep_until(wakes).await;
    // The question lies in the old leader's socket when it wakes up, before any news of the others.
    let (told, resumed) = tokio::join!(reader.newest(), async { sleeper.resume() });
    resumed?;
    assert_not_stale(told, MISSED);
    let late = async { Notes::open(&target, old.client, "late").await?.follow(&writer).newest().await };
    assert_not_stale(late.await, MISSED);

    cluster.wait_whole(HEAL_LIMIT).await?;
    chat.goes_on().await?;
    assert_eq!(writer.newest().await?, MISSED);
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}
