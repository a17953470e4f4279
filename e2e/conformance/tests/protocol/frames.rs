//! What a frame may hold, and what becomes of one that it may not.

use e2e_conformance::World;
use e2e_conformance::session::mid;
use serde_json::{Value, json};

/// JSON that a server which reads and writes it again would change.
const BODIES: [&str; 14] = [
    "null",
    "-0",
    "1.0e+0",
    "0.1000",
    "123456789012345678901234567890",
    "\"\\u00e9\\/\\ud83d\\ude00\"",
    "\"é😀\u{7f}\u{2028}\"",
    "\"\\u0000\"",
    "{ \"b\" : 1 , \"a\":[ 1 ,2 ] }",
    "{\"a\":1,\"a\":2}",
    "{\"t\":\"ok\",\"id\":1}",
    "\"\"",
    "[ ]",
    "{\"mid\":null}",
];

fn send(id: usize, to: &str, body: &str) -> String {
    format!(r#"{{"t":"send","id":{id},"to":{{"user":"{to}"}},"mid":"{}","body":{body}}}"#, mid())
}

pub(crate) async fn a_body_is_kept_byte_for_byte(world: World) -> anyhow::Result<()> {
    let mut sender = world.open("bea", "phone", 0).await?;
    let mut live = world.open("ben", "phone", 1).await?;
    let mut conversation = String::new();
    for (id, body) in BODIES.iter().enumerate() {
        sender.send_text(&send(id, "ben", body)).await?;
        let answer = sender.answer(u32::try_from(id)?).await?;
        conversation = answer["conv"].as_str().unwrap_or_default().to_owned();
        live.event_of("msg").await?;
        assert!(live.text.contains(&format!("\"body\":{body}")), "live: {}", live.text);
    }
    sender.ask(json!({"t": "hist", "conv": conversation})).await?;
    for body in BODIES {
        assert!(sender.text.contains(&format!("\"body\":{body}")), "history: {}", sender.text);
    }
    let mut replayed = world.connect(2).await?;
    let cursor = json!({"ep": live.ep(), "useq": 1});
    replayed.send(&json!({"t": "hello", "v": 1, "dev": "tv", "tok": world.token("ben")?, "resume": cursor})).await?;
    for body in BODIES {
        replayed.expect_that(|frame| frame["k"] == "msg").await?;
        assert!(replayed.text.contains(&format!("\"body\":{body}")), "replay: {}", replayed.text);
    }
    Ok(())
}

pub(crate) async fn what_a_body_may_not_be_is_refused(world: World) -> anyhow::Result<()> {
    let mut session = world.open("bob", "phone", 2).await?;
    let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let bodies = [
        (text(65_536), Value::Null),
        (text(65_537), json!(413)),
        (nested(32), Value::Null),
        (nested(33), json!(400)),
        ("[1,\r2]".to_owned(), json!(400)),
        ("\"\\r\\n\"".to_owned(), Value::Null),
        ("\"\\ud83d\"".to_owned(), json!(400)),
        ("{\"\\ude00\":1}".to_owned(), json!(400)),
    ];
    for (id, (body, code)) in bodies.iter().enumerate() {
        session.send_text(&send(id, "eve", body)).await?;
        let answer = session.answer(u32::try_from(id)?).await?;
        assert_eq!(answer["code"], *code, "{} bytes: {answer}", body.len());
    }
    Ok(())
}

pub(crate) async fn broken_frames_end_a_connection_with_their_code(world: World) -> anyhow::Result<()> {
    const FRAME: usize = 131_072;
    let mut session = world.open("fay", "d1", 0).await?;
    let start = r#"{"t":"ping","id":1,"padding":""#;
    let largest = format!("{start}{}\"}}", "x".repeat(FRAME - start.len() - 2));
    session.send_text(&largest).await?;
    assert_eq!(session.answer(1).await?["t"], "pong");
    session.send_part(&largest.as_bytes()[..100_000], true, false).await?;
    session.send_part(&largest.as_bytes()[100_000..], false, true).await?;
    assert_eq!(session.answer(1).await?["t"], "pong", "fragments count together");
    session.send_part(largest.as_bytes(), true, false).await?;
    session.send_part(b" ", false, true).await?;
    assert_eq!(session.closed().await?, 4413);

    let mut session = world.open("fay", "d2", 1).await?;
    session.send_text(&format!("{largest} ")).await?;
    assert_eq!(session.closed().await?, 4413);

    let mut session = world.open("fay", "d3", 2).await?;
    session.send_part(b"{\"t\":\"ping\",\"id\":1,\"x\":\"\xff\"}", true, true).await?;
    assert_eq!(session.closed().await?, 1007);

    let mut silent = world.connect(0).await?;
    assert_eq!(silent.closed().await?, 4401, "no hello in time");
    Ok(())
}

pub(crate) async fn malformed_frames_are_answered_and_the_tenth_in_a_row_closes(world: World) -> anyhow::Result<()> {
    let mut session = world.open("mia", "phone", 1).await?;
    let malformed = [
        "hello",
        "[]",
        "7",
        "null",
        "{\"t\":5}",
        "{\"t\":\"ping\",\"id\":\"1\"}",
        "{\"t\":\"ping\",\"id\":1,\"id\":1}",
    ];
    for text in malformed {
        session.send_text(text).await?;
        assert_eq!(session.expect().await?["name"], "bad_request", "{text}");
    }
    session.send_binary(b"{}").await?;
    assert_eq!(session.expect().await?["name"], "bad_request");
    let unknown = session.ask(json!({"t": "dance"})).await?;
    assert_eq!((&unknown["code"], &unknown["name"]), (&400.into(), &"unknown_command".into()));
    for _ in 0..9 {
        session.send_text("{").await?;
        assert_eq!(session.expect().await?["name"], "bad_request");
    }
    assert_eq!(session.ask(json!({"t": "ping"})).await?["t"], "pong", "the unknown command ended the row");
    session.send_text(&"{\n".repeat(10)).await?;
    assert_eq!(session.closed().await?, 4400);
    Ok(())
}
