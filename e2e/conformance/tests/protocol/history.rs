//! `hist`: pages of one conversation.

use anyhow::Context;
use e2e_conformance::{Session, World};
use serde_json::{Value, json};

/// First and last number and their count; and what else the page says.
type Page = (u64, u64, usize, Value);

async fn page(session: &mut Session, conversation: &str, mut asked: Value) -> anyhow::Result<Page> {
    asked["t"] = "hist".into();
    asked["conv"] = conversation.into();
    let mut page = session.ask(asked).await?;
    let messages = page["msgs"].as_array().with_context(|| format!("no page: {page}"))?;
    let numbers: Vec<u64> = messages.iter().filter_map(|message| message["cseq"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "ascending without gaps: {numbers:?}");
    let ends = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0), numbers.len());
    let rest = page.as_object_mut().context("a frame is an object")?;
    rest.retain(|field, _| field.starts_with("more") || field == "eseq");
    Ok((ends.0, ends.1, ends.2, page))
}

pub(crate) async fn pages_go_in_every_direction(world: World) -> anyhow::Result<()> {
    let mut session = world.open("hal", "phone", 0).await?;
    let conversation = session.say_many("hue", 240, &json!("hi")).await?;
    let more = |more: bool| json!({"more": more});
    let around = |before: bool, after: bool| json!({"more_before": before, "more_after": after});
    for (asked, expected) in [
        (json!({}), (191, 240, 50, more(true))),
        (json!({"limit": 0}), (240, 240, 1, more(true))),
        (json!({"limit": 1000}), (141, 240, 100, more(true))),
        (json!({"before": 52}), (2, 51, 50, more(true))),
        (json!({"before": 51}), (1, 50, 50, more(false))),
        (json!({"before": 1}), (0, 0, 0, more(false))),
        (json!({"before": u64::MAX}), (191, 240, 50, more(true))),
        (json!({"after": 0, "limit": 10}), (1, 10, 10, more(true))),
        (json!({"after": 190}), (191, 240, 50, more(false))),
        (json!({"after": 240}), (0, 0, 0, more(false))),
        (json!({"around": 1, "limit": 10}), (1, 10, 10, around(false, true))),
        (json!({"around": 240, "limit": 10}), (231, 240, 10, around(true, false))),
        (json!({"around": 120, "limit": 1}), (120, 120, 1, around(true, true))),
        (json!({"since": 0, "limit": 100}), (1, 100, 100, json!({"more": true, "eseq": 100}))),
        (json!({"since": 200, "limit": 100}), (201, 240, 40, json!({"more": false, "eseq": 240}))),
        (json!({"since": 240}), (0, 0, 0, json!({"more": false, "eseq": 240}))),
    ] {
        assert_eq!(page(&mut session, &conversation, asked.clone()).await?, expected, "{asked}");
    }
    let (first, last, count, _) = page(&mut session, &conversation, json!({"around": 100, "limit": 10})).await?;
    assert!((first..=last).contains(&100) && count == 10, "{first}..={last}");
    for asked in [json!({"before": 1, "after": 1}), json!({"since": 0, "around": 1}), json!({"before": -1})] {
        let mut command = asked.clone();
        (command["t"], command["conv"]) = ("hist".into(), conversation.as_str().into());
        assert_eq!(session.ask(command).await?["code"], 400, "{asked}");
    }
    Ok(())
}

pub(crate) async fn a_page_of_large_messages_ends_early(world: World) -> anyhow::Result<()> {
    let mut session = world.open("hugo", "phone", 1).await?;
    let conversation = session.say_many("helga", 30, &"z".repeat(60_000).into()).await?;
    // The client refuses frames of 1 MiB.
    let (first, last, count, rest) = page(&mut session, &conversation, json!({"limit": 100})).await?;
    assert!(first > 1 && last == 30 && count >= 10 && rest["more"] == true, "{first}..={last} {rest}");
    let (first, last, count, rest) = page(&mut session, &conversation, json!({"after": 0, "limit": 100})).await?;
    assert!(first == 1 && last < 30 && count >= 10 && rest["more"] == true, "{first}..={last} {rest}");
    let snapshot = world.open("helga", "phone", 2).await?.snapshot();
    let last = snapshot["convs"][0]["last"].as_array().map_or(0, Vec::len);
    assert!((5..=15).contains(&last), "a snapshot's frame is bounded too: {last}");
    assert_eq!(snapshot["convs"][0]["last"][last - 1]["cseq"], 30, "the oldest are left out first");
    Ok(())
}
