//! Clients whose network vanishes: no packet says so. Their sessions are closed in time, and nobody else feels it.

use std::net::SocketAddr;
use std::time::Duration;

use e2e_faults::{Chat, Link, LocalCluster, Options, await_condition, may_administer, metrics};
use e2e_load::net::session::Opening;
use e2e_load::net::{Buffers, Session, Target, Url};

/// Clients behind the link.
const CLIENTS: u64 = 50;

/// Two heartbeats of 25 s, and the time to notice.
const CLOSED_WITHIN: Duration = Duration::from_secs(60);

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Nobody else waits for anything.
const GAP_MAX: Duration = Duration::from_millis(1_000);

#[tokio::test(flavor = "multi_thread")]
async fn sessions_whose_network_vanished_are_closed_and_others_do_not_feel_it() -> anyhow::Result<()> {
    if !may_administer("a network namespace") {
        return Ok(());
    }
    let mut link = Link::make()?;
    let options = Options { listen: link.near().into(), ..Options::default() };
    let mut cluster = LocalCluster::start(options).await?;
    let mut chat = Chat::start(&mut cluster).await?;

    let leader = cluster.leader().await?;
    let relay = link.relay(leader.client).await?;
    let mut sessions = Vec::new();
    let target = cluster.target().await?;
    for number in 0..CLIENTS {
        sessions.push(open(&target, relay, number).await?);
    }
    let closed = metrics::value(&leader.metrics, IDLE_CLOSES).await?;
    link.cut()?;

    chat.goes_on().await?;
    await_condition("the silent sessions are closed", CLOSED_WITHIN, async || {
        let now = metrics::value(&leader.metrics, IDLE_CLOSES).await.map_err(|error| format!("{error:#}"))?;
        if now - closed >= CLIENTS { Ok(()) } else { Err(format!("{} of {CLIENTS} are", now - closed)) }
    })
    .await?;
    chat.goes_on().await?;
    let verdict = chat.end().await;
    verdict.assert_clean();
    assert_eq!(verdict.report.total.reconnects, 0, "other clients lost their connections");
    assert!(verdict.longest_gap() < GAP_MAX, "nothing was acked for {:?}", verdict.longest_gap());
    cluster.finish().await
}

/// Closes with the verdict that two heartbeats went by in silence.
const IDLE_CLOSES: &str = r#"chatcells_connections_closed_total{code="4000"}"#;

async fn open(target: &Target, relay: SocketAddr, number: u64) -> anyhow::Result<Session> {
    let url: Url = relay.to_string().parse()?;
    let token = target.token(&format!("vanishing-{number}"));
    let opening =
        Opening { url: &url, device: "phone", token, resume: None, buffers: Buffers::Chat, limit: ANSWER_LIMIT };
    Ok(Session::open(opening).await?.0)
}
