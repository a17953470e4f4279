//! `convs`: a user's conversations.

use e2e_conformance::{Session, World};
use serde_json::{Value, json};

const PEERS: usize = 45;

async fn list(session: &mut Session, cursor: &Value, limit: usize) -> anyhow::Result<(Vec<String>, Value)> {
    let answer = session.ask(json!({"t": "convs", "cursor": cursor, "limit": limit})).await?;
    Ok((peers(&answer), answer["next"].clone()))
}

fn peers(list: &Value) -> Vec<String> {
    let conversations = list["convs"].as_array().map(Vec::as_slice).unwrap_or_default();
    conversations.iter().filter_map(|conversation| Some(conversation["with"].as_str()?.to_owned())).collect()
}

pub(crate) async fn conversations_are_listed_by_activity(world: World) -> anyhow::Result<()> {
    let mut session = world.open("cleo", "phone", 0).await?;
    for peer in 0..PEERS {
        session.say(&format!("cleo-{peer}"), "hi").await?;
    }
    session.say("cleo-3", "again").await?;
    let mut order: Vec<String> =
        (0..PEERS).rev().filter(|peer| *peer != 3).map(|peer| format!("cleo-{peer}")).collect();
    order.insert(0, "cleo-3".to_owned());

    let default = session.ask(json!({"t": "convs"})).await?;
    assert_eq!(peers(&default), order[..20]);
    let (mut seen, mut next) = list(&mut session, &Value::Null, 7).await?;
    assert_eq!(seen.len(), 7);
    while !next.is_null() {
        let (page, after) = list(&mut session, &next, 7).await?;
        seen.extend(page);
        next = after;
    }
    assert_eq!(seen, order, "every conversation once");
    assert_eq!(list(&mut session, &Value::Null, 0).await?.0.len(), 1, "limits are clamped");
    assert_eq!(list(&mut session, &Value::Null, 5_000).await?, (order.clone(), Value::Null));
    assert_eq!(session.ask(json!({"t": "convs", "cursor": "made up"})).await?["code"], 400);

    let mut other = world.open("cleo", "laptop", 1).await?;
    let snapshot = other.snapshot();
    assert_eq!(peers(&snapshot), order[..20]);
    assert_eq!(list(&mut other, &snapshot["next"], 100).await?, (order[20..].to_vec(), Value::Null));
    Ok(())
}
