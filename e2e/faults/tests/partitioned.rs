//! Cuts in the network between replicas; clients reach all of them. Needs root, for network namespaces.

use std::time::Duration;

use e2e_faults::notes::assert_not_stale;
use e2e_faults::{Chat, Notes, ScatteredCell, may_administer};

/// The next leader serves within 1.3 s; the rest is for a machine that also runs the chat.
const FAILOVER_MAX: Duration = Duration::from_secs(3);

/// Two of three go on without an election.
const NO_FAILOVER_MAX: Duration = Duration::from_millis(1_000);

const ELECTION_LIMIT: Duration = Duration::from_secs(20);

/// Notes that the old leader does not know of.
const MISSED: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_serves_nothing_stale_and_its_clients_miss_nothing() -> anyhow::Result<()> {
    if !may_administer("a network of namespaces") {
        return Ok(());
    }
    let mut cell = ScatteredCell::start().await?;
    let target = cell.target()?;
    let mut chat = Chat::start_on(target.clone(), &cell.pids()).await?;
    let old = cell.leader(ELECTION_LIMIT, None).await?;
    let (one, other) = ((old + 1) % 3, (old + 2) % 3);
    let mut writer = Notes::open(&target, cell.client(one), "writer").await?;
    assert_eq!(writer.write(1).await?, 1);
    let mut reader = Notes::open(&target, cell.client(old), "reader").await?.follow(&writer);
    assert_eq!(reader.newest().await?, 1);

    cell.network.cut(old, one)?;
    cell.network.cut(old, other)?;
    cell.leader(ELECTION_LIMIT, Some(old)).await?;
    for number in 2..=MISSED {
        assert_eq!(writer.write(number).await?, number);
    }
    assert_not_stale(reader.newest().await, MISSED);
    chat.goes_on().await?;

    cell.network.mend()?;
    cell.wait_role(old, "follower").await?;
    chat.goes_on().await?;
    let late = Notes::open(&target, cell.client(old), "late").await?.follow(&writer).newest().await?;
    assert_eq!(late, MISSED);
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cell.finish();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_hear_the_leader_does_not_depose_it() -> anyhow::Result<()> {
    if !may_administer("a network of namespaces") {
        return Ok(());
    }
    let mut cell = ScatteredCell::start().await?;
    let mut chat = Chat::start_on(cell.target()?, &cell.pids()).await?;
    let leader = cell.leader(ELECTION_LIMIT, None).await?;
    let term = cell.term(leader).await?;

    // The third one still hears both, and knows that there is a leader.
    cell.network.cut_one_way(leader, (leader + 1) % 3)?;
    chat.acks(4_000, Duration::from_secs(30)).await?;
    assert_eq!(cell.term(leader).await?, term, "there was an election");
    cell.network.mend()?;

    cell.wait_role((leader + 1) % 3, "follower").await?;
    chat.goes_on().await?;
    assert_eq!(cell.leader(ELECTION_LIMIT, None).await?, leader);
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert!(verdict.longest_gap() < NO_FAILOVER_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cell.finish();
    Ok(())
}
