//! The window: how much is sent that was not acked.

use e2e_conformance::session::{is_event, mid, useqs};
use e2e_conformance::{Session, World};
use serde_json::{Value, json};

const WINDOW: u64 = 512;

/// Sends so many messages to a user, whose mailbox then holds one entry more.
async fn flood(world: &World, from: &str, to: &str, count: usize, body: &Value) -> anyhow::Result<String> {
    world.open(from, "phone", 0).await?.say_many(to, count, body).await
}

pub(crate) async fn a_window_is_512_events_and_acks_open_it(world: World) -> anyhow::Result<()> {
    let mut slow = world.open("walt", "phone", 1).await?;
    let conversation = flood(&world, "wendy", "walt", 1_199, &json!("hi")).await?;
    assert_eq!(useqs(&slow.events().await?), (1..=WINDOW).collect::<Vec<_>>(), "and not one more");
    slow.ack(1).await?;
    assert_eq!(useqs(&slow.events().await?), [513]);
    slow.ack(0).await?;
    slow.ack(1).await?;
    assert_eq!(useqs(&slow.events().await?), [0; 0], "acks are cumulative");

    slow.ack(514).await?;
    let refused = slow.expect().await?;
    assert_eq!((&refused["t"], &refused["code"]), (&"err".into(), &400.into()), "514 was not sent yet");
    let send = json!({"t": "send", "to": {"conv": conversation}, "mid": mid(), "body": "no", "a": 9_999});
    assert_eq!(slow.ask(send).await?["code"], 400);
    let newest = slow.ask(json!({"t": "hist", "conv": conversation, "limit": 1})).await?;
    assert_eq!(newest["msgs"][0]["cseq"], 1_199, "the command that carried the bad ack was ignored");

    slow.ask(json!({"t": "ping", "a": 513})).await?;
    assert_eq!(useqs(&slow.events().await?), (514..=1_025).collect::<Vec<_>>());
    slow.send(&json!({"a": 1_025})).await?;
    assert_eq!(useqs(&slow.events().await?), (1_026..=1_200).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn a_window_is_a_mebibyte(world: World) -> anyhow::Result<()> {
    let mut slow = world.open("wolf", "phone", 2).await?;
    flood(&world, "wilma", "wolf", 40, &"y".repeat(60_000).into()).await?;
    let first = useqs(&slow.events().await?);
    assert!((16..=20).contains(&first.len()), "{} events of 60 kB", first.len());
    let mut seen = first;
    while seen.len() < 41 {
        slow.ack(seen[seen.len() - 1]).await?;
        seen.push(slow.event().await?["u"].as_u64().unwrap_or_default());
        seen.extend(useqs(&slow.events().await?));
    }
    assert_eq!(seen, (1..=41).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn the_window_holds_during_replay(world: World) -> anyhow::Result<()> {
    let before = world.open("xena", "phone", 1).await?;
    let conversation = flood(&world, "xavi", "xena", 1_199, &json!("hi")).await?;
    let cursor = json!({"ep": before.ep(), "useq": 0});
    let mut session = Session::welcomed(world.connect(2).await?, &world.token("xena")?, "laptop", Some(cursor)).await?;
    let replayed = session.rest().await?;
    assert!(replayed.iter().all(is_event), "not live yet");
    assert_eq!(useqs(&replayed), (1..=WINDOW).collect::<Vec<_>>());
    for command in [json!({"t": "ping"}), json!({"t": "hist", "conv": conversation}), json!({"t": "convs"})] {
        let answer = session.ask(command).await?;
        assert_ne!(answer["t"], "err", "commands may be sent before live");
    }
    session.ack(WINDOW).await?;
    let replayed = session.rest().await?;
    assert_eq!((replayed.len(), replayed.iter().all(is_event)), (512, true));
    session.ack(2 * WINDOW).await?;
    let rest = session.rest().await?;
    let live = json!({"t": "live", "u": 1_200});
    assert_eq!(rest.last(), Some(&live), "live is said where the replay has reached the present");
    assert_eq!(useqs(&rest[..rest.len() - 1]), (1_025..=1_200).collect::<Vec<_>>());
    Ok(())
}
