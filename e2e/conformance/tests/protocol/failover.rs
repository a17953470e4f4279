//! The same promises while processes die.

use std::time::Duration;

use e2e_conformance::World;
use e2e_conformance::session::{Session, mid, useqs};
use e2e_faults::{HEAL_LIMIT, LocalCluster};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// From asking for the end to the last close.
const GOAWAY_LIMIT: Duration = Duration::from_secs(15);

/// Unanswered or refused for now: said again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The numbers of the gateways at the leader and at two others.
async fn seats(cluster: &mut LocalCluster, world: &World) -> anyhow::Result<(usize, usize, usize)> {
    cluster.wait_whole(HEAL_LIMIT).await?;
    let leader = world.at(&cluster.leader().await?.name)?;
    Ok((leader, (leader + 1) % 3, (leader + 2) % 3))
}

async fn kill(cluster: &mut LocalCluster, world: &World, gateway: usize) -> anyhow::Result<()> {
    cluster.pid(&world.gateways[gateway].replica).await?.kill().await
}

pub(crate) async fn the_client_of_a_killed_gateway_goes_on_at_another(
    cluster: &mut LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    let (leader, here, there) = seats(cluster, world).await?;
    let mut alice = world.open("gail", "phone", leader).await?;
    let mut bob = world.open("gabe", "phone", here).await?;
    alice.say_many("gabe", 5, &json!("before")).await?;
    let seen = useqs(&bob.events().await?);
    kill(cluster, world, here).await?;
    bob.closed().await?;
    alice.say("gabe", "meanwhile").await?;
    let bob = world.resume("gabe", "phone", there, &bob.ep(), seen[seen.len() - 1]).await?;
    assert_eq!((useqs(&bob.opening), bob.live), (vec![7], 7), "what it missed and nothing else");
    Ok(())
}

pub(crate) async fn clients_of_other_gateways_miss_nothing_when_the_leader_is_killed(
    cluster: &mut LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    let (leader, here, there) = seats(cluster, world).await?;
    let mut alice = world.open("liz", "phone", here).await?;
    let mut bob = world.open("leo", "phone", there).await?;
    alice.say_many("leo", 20, &json!("before")).await?;
    kill(cluster, world, leader).await?;

    // A pipeline into the gap, each message after the one before.
    let mids: Vec<String> = (0..30).map(|_| mid()).collect();
    let send = |number: usize| {
        let mut send =
            json!({"t": "send", "id": 1_000 + number, "to": {"user": "leo"}, "mid": mids[number], "body": number});
        if number > 0 {
            send["after"] = mids[number - 1].as_str().into();
        }
        send
    };
    alice.send_all(&(0..30).map(send).collect::<Vec<_>>()).await?;
    let mut answers = Vec::new();
    for number in 0..30 {
        answers.push(alice.answer(1_000 + u32::try_from(number)?).await?);
    }
    for (number, answer) in answers.iter_mut().enumerate() {
        while answer["temp"] == true {
            sleep(AGAIN_AFTER).await;
            alice.send(&send(number)).await?;
            *answer = alice.answer(1_000 + u32::try_from(number)?).await?;
        }
        assert_eq!(answer["cseq"], 21 + number, "{answer}");
    }
    let mut cseqs = Vec::new();
    while cseqs.len() < 50 {
        cseqs.push(bob.event_of("msg").await?["cseq"].as_u64().unwrap_or_default());
    }
    assert_eq!(cseqs, (1..=50).collect::<Vec<_>>(), "each once and in order, on the same connection");
    Ok(())
}

pub(crate) async fn a_replaced_connection_stays_replaced_after_a_failover(
    cluster: &mut LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    let (leader, here, there) = seats(cluster, world).await?;
    let mut first = world.open("nell", "phone", here).await?;
    let mut second = world.open("nell", "phone", there).await?;
    assert_eq!(first.closed().await?, 4105);
    kill(cluster, world, leader).await?;
    assert_eq!(second.ask(json!({"t": "convs"})).await?["t"], "convs", "the later hello is served by the next leader");
    Ok(())
}

pub(crate) async fn without_a_majority_nothing_is_acknowledged_and_status_says_so(
    cluster: &mut LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    let (leader, here, there) = seats(cluster, world).await?;
    let mut session = world.open("quin", "phone", leader).await?;
    for gateway in [here, there] {
        cluster.pid(&world.gateways[gateway].replica).await?.stop().await?;
    }
    let message = mid();
    let send = json!({"t": "send", "to": {"user": "qadir"}, "mid": message, "body": 1});
    let answer = session.ask(send.clone()).await?;
    assert_eq!((&answer["code"], &answer["temp"]), (&503.into(), &true.into()), "unknown, and never an ok: {answer}");
    assert_eq!(session.ask(json!({"t": "ping"})).await?["t"], "pong");
    cluster.wait_for("status is not ready", HEAL_LIMIT, |status| (!status.ready).then_some(())).await?;
    for gateway in [here, there] {
        cluster.pid(&world.gateways[gateway].replica).await?.resume()?;
    }
    cluster.wait_whole(HEAL_LIMIT).await?;
    let answer = until_taken(&mut session, &send).await?;
    assert_eq!(answer["cseq"], 1, "said again with the same mid, it is there once");
    Ok(())
}

pub(crate) async fn what_was_acknowledged_survives_the_death_of_all(
    cluster: &mut LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    cluster.wait_whole(HEAL_LIMIT).await?;
    let message = mid();
    let mut before = world.open("ada", "phone", 0).await?;
    let send = json!({"t": "send", "to": {"user": "art"}, "mid": message, "body": "kept"});
    let first = before.ask(send.clone()).await?;
    before.say_many("art", 50, &json!("more")).await?;
    for gateway in 0..3 {
        kill(cluster, world, gateway).await?;
    }
    cluster.wait_whole(HEAL_LIMIT).await?;
    let mut after = world.resume("ada", "phone", 1, &before.ep(), 1).await?;
    assert_eq!((&after.welcome["resumed"], after.live), (&true.into(), 52));
    let again = until_taken(&mut after, &send).await?;
    assert_eq!((&again["cseq"], &again["ts"], &again["dup"]), (&first["cseq"], &first["ts"], &true.into()));
    Ok(())
}

pub(crate) async fn before_a_planned_end_comes_a_goaway(
    mut cluster: LocalCluster,
    world: &World,
) -> anyhow::Result<()> {
    cluster.wait_whole(HEAL_LIMIT).await?;
    let mut sessions = Vec::new();
    for gateway in 0..3 {
        sessions.push(world.open("gus", &format!("d{gateway}"), gateway).await?);
    }
    let closing: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            tokio::spawn(timeout(GOAWAY_LIMIT, async move {
                let goaway = session.expect_that(|frame| frame["t"] == "goaway").await?;
                anyhow::Ok((goaway, session.closed().await?))
            }))
        })
        .collect();
    cluster.finish().await?;
    for closed in closing {
        let (goaway, code) = closed.await???;
        assert_eq!((&goaway["why"], code), (&"drain".into(), 4001));
        assert!(goaway["after_ms"].is_u64(), "{goaway}");
    }
    Ok(())
}

/// Sends until the answer is final, as a client's outbox does.
async fn until_taken(session: &mut Session, send: &Value) -> anyhow::Result<Value> {
    loop {
        let answer = session.ask(send.clone()).await?;
        if answer["temp"] != true {
            return Ok(answer);
        }
        sleep(AGAIN_AFTER).await;
    }
}
