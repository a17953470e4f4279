//! `read`, and what acks make of it: `dlvd`.

use std::time::Duration;

use e2e_conformance::World;
use e2e_conformance::session::is_event;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What is promised.
const DELIVERED_WITHIN: Duration = Duration::from_secs(2);

/// Kind, user and number of receipts.
fn receipts(events: &[Value]) -> Vec<(Value, Value, Value)> {
    let receipts = events.iter().filter(|event| event["k"] == "read" || event["k"] == "dlvd");
    receipts.map(|event| (event["k"].clone(), event["user"].clone(), event["upto"].clone())).collect()
}

fn receipt(kind: &str, user: &str, upto: u64) -> (Value, Value, Value) {
    (kind.into(), user.into(), upto.into())
}

pub(crate) async fn reading_is_a_maximum_that_both_sides_hear_of(world: World) -> anyhow::Result<()> {
    let mut sender = world.open("ron", "phone", 0).await?;
    let mut reader = world.open("rio", "phone", 1).await?;
    let mut laptop = world.open("rio", "laptop", 2).await?;
    let conversation = sender.say_many("rio", 5, &json!("hi")).await?;
    let (events, ..) = tokio::try_join!(sender.events(), reader.events(), laptop.events())?;
    assert_eq!(receipts(&events), []);
    for (upto, heard) in [(3, Some(3)), (2, None), (3, None), (u64::MAX, Some(5)), (0, None)] {
        let ok = reader.ask(json!({"t": "read", "conv": conversation, "upto": upto})).await?;
        assert_eq!(ok["t"], "ok", "{ok}");
        let expected: Vec<_> = heard.map(|upto| receipt("read", "rio", upto)).into_iter().collect();
        let (phone, laptop, other) = tokio::try_join!(reader.events(), laptop.events(), sender.events())?;
        for events in [phone, laptop, other] {
            assert_eq!(receipts(&events), expected, "read up to {upto}");
        }
    }
    // Read implies delivered: the ack of these messages says nothing new.
    reader.ack(6).await?;
    assert_eq!(receipts(&sender.events().await?), []);
    let list = reader.ask(json!({"t": "convs"})).await?;
    assert_eq!((&list["convs"][0]["read"], &list["convs"][0]["unread"]), (&5.into(), &0.into()));
    Ok(())
}

pub(crate) async fn a_send_raises_ones_own_read_without_an_event(world: World) -> anyhow::Result<()> {
    let mut ruth = world.open("ruth", "phone", 0).await?;
    let mut remy = world.open("remy", "phone", 1).await?;
    ruth.say_many("remy", 3, &json!("hi")).await?;
    remy.say("ruth", "a reply").await?;
    assert_eq!(receipts(&remy.events().await?), []);
    for (session, read, unread) in [(&mut remy, 4, 0), (&mut ruth, 3, 1)] {
        let list = session.ask(json!({"t": "convs"})).await?;
        let told = ["head", "read", "unread"].map(|field| list["convs"][0][field].clone());
        assert_eq!(told, [json!(4), json!(read), json!(unread)]);
    }
    Ok(())
}

pub(crate) async fn what_a_device_acked_is_delivered(world: World) -> anyhow::Result<()> {
    let mut sender = world.open("dina", "phone", 0).await?;
    let mut phone = world.open("doug", "phone", 1).await?;
    let mut laptop = world.open("doug", "laptop", 2).await?;
    sender.say_many("doug", 3, &json!("hi")).await?;
    phone.events().await?;
    assert_eq!(receipts(&sender.events().await?), [], "sent is not delivered");

    let acked = Instant::now();
    phone.ack(3).await?;
    let event = sender.event_of("dlvd").await?;
    assert_eq!((&event["user"], &event["upto"]), (&"doug".into(), &2.into()));
    assert!(acked.elapsed() < DELIVERED_WITHIN, "{:?}", acked.elapsed());
    phone.ask(json!({"t": "ping", "a": 4})).await?;
    assert_eq!(sender.event_of("dlvd").await?["upto"], 3, "an ack on another frame counts too");
    laptop.events().await?;
    laptop.ack(4).await?;
    assert_eq!(receipts(&sender.events().await?), [], "one device is enough, and says it all");

    sender.say("doug", "one more").await?;
    let useq = phone.event_of("msg").await?["u"].as_u64().unwrap_or_default();
    world.resume("doug", "phone", 2, &phone.ep(), useq).await?;
    assert_eq!(sender.event_of("dlvd").await?["upto"], 4, "a resume acks");

    sender.say("dolf", "hi").await?;
    assert_eq!(receipts(&sender.events().await?), []);
    let mut fresh = world.open("dolf", "phone", 1).await?;
    assert_eq!(sender.event_of("dlvd").await?["user"], "dolf", "a snapshot acks");

    let head = world.open("dina", "laptop", 2).await?.live;
    sender.ack(head).await?;
    assert_eq!(fresh.rest().await?.into_iter().filter(is_event).count(), 0, "the ack of a receipt produces nothing");
    Ok(())
}
