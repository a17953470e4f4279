//! `hello` and what answers it.

use e2e_conformance::session::{Session, is_event, useqs};
use e2e_conformance::{World, token};
use jsonwebtoken::Algorithm::{HS256, HS512};
use serde_json::{Value, json};

const EXPIRED: Option<u16> = Some(4201);
const REFUSED: Option<u16> = Some(4403);
const TAKEN: Option<u16> = None;

pub(crate) async fn tokens_are_judged(world: World) -> anyhow::Result<()> {
    let now = token::now_s();
    let signed = |claims: Value| token::sign(HS256, &world.key, &claims);
    let forged = |claims: Value| token::sign(HS256, "another key", &claims);
    let good = world.token("tim")?;
    for (what, token, verdict) in [
        ("a good token", good.clone(), TAKEN),
        ("a clock that is 3 s off", signed(json!({"sub": "tim", "exp": now - 3}))?, TAKEN),
        ("an expired token", signed(json!({"sub": "tim", "exp": now - 60}))?, EXPIRED),
        ("a forged token", forged(json!({"sub": "tim", "exp": now + 60}))?, REFUSED),
        ("a forged token that has expired", forged(json!({"sub": "tim", "exp": now - 60}))?, REFUSED),
        ("no exp", signed(json!({"sub": "tim"}))?, REFUSED),
        ("not valid yet", signed(json!({"sub": "tim", "exp": now + 60, "nbf": now + 30}))?, REFUSED),
        ("an empty sub", signed(json!({"sub": "", "exp": now + 60}))?, REFUSED),
        ("a sub of 129 bytes", signed(json!({"sub": "x".repeat(129), "exp": now + 60}))?, REFUSED),
        ("a sub that is a number", signed(json!({"sub": 7, "exp": now + 60}))?, REFUSED),
        ("another algorithm", token::sign(HS512, &world.key, &token::claims("tim"))?, REFUSED),
        ("RS256 over an HMAC", token::with_header(&good, &json!({"alg": "RS256", "typ": "JWT"}))?, REFUSED),
        ("no algorithm", token::unsigned(&token::with_header(&good, &json!({"alg": "none"}))?)?, REFUSED),
        ("no token", String::new(), REFUSED),
    ] {
        let (answer, code) = world.verdict(&token, "phone").await?;
        assert_eq!(code, verdict, "{what}: {answer}");
        if verdict.is_some() {
            assert_eq!((&answer["code"], &answer["name"]), (&401.into(), &"token".into()), "{what}");
        }
    }
    Ok(())
}

pub(crate) async fn a_resume_token_is_good_at_every_gateway_and_for_its_device_only(
    world: World,
) -> anyhow::Result<()> {
    let first = world.open("rita", "phone", 0).await?;
    let rt = first.welcome["rt"].as_str().unwrap_or_default();
    for gateway in 0..3 {
        let session = Session::open(world.connect(gateway).await?, rt, "phone", None).await?;
        assert_eq!(session.welcome["user"], "rita");
    }
    assert_eq!(world.verdict(rt, "laptop").await?.1, REFUSED);
    let (signed, _) = rt.rsplit_once('.').unwrap_or_default();
    assert_eq!(world.verdict(&format!("{signed}.{}", "A".repeat(86)), "phone").await?.1, REFUSED);
    Ok(())
}

pub(crate) async fn a_cursor_is_honoured_or_told_why_not(world: World) -> anyhow::Result<()> {
    world.open("sam", "phone", 0).await?.say_many("sue", 10, &json!("hi")).await?;
    let ep = world.open("sue", "phone", 1).await?.ep();
    for (useq, expected) in [(0, (1..=11).collect()), (5, (6..=11).collect()), (11, Vec::new())] {
        let session = world.resume("sue", "never-seen-before", 2, &ep, useq).await?;
        assert_eq!((&session.welcome["resumed"], &session.welcome["why"]), (&true.into(), &Value::Null));
        assert_eq!((useqs(&session.opening), session.live), (expected, 11));
        assert!(session.opening.iter().all(is_event), "no snapshot");
    }
    for (ep, useq, why) in [(&*ep, 12, "ahead"), ("k999", 5, "epoch"), ("elsewhere", 5, "epoch"), ("", 0, "epoch")] {
        let session = world.resume("sue", "laptop", 0, ep, useq).await?;
        assert_eq!((&session.welcome["resumed"], &session.welcome["why"]), (&false.into(), &why.into()));
        assert_eq!(session.snapshot()["at"], 11);
    }
    Ok(())
}

pub(crate) async fn a_first_session_is_told_everything_in_a_snapshot(world: World) -> anyhow::Result<()> {
    let nobody = world.open("zoe", "phone", 0).await?;
    assert_eq!(nobody.snapshot(), json!({"t": "snap", "at": 0, "convs": [], "next": null}));
    let welcome = &nobody.welcome;
    assert_eq!((&welcome["v"], &welcome["user"], &welcome["why"]), (&1.into(), &"zoe".into(), &"new".into()));
    assert_eq!(welcome["limits"], json!({"frame": 131_072, "body": 65_536, "inflight": 64, "window": 512}));
    assert_eq!((&welcome["head"], &welcome["hb_ms"]), (&0.into(), &25_000.into()));

    let mut yan = world.open("yan", "phone", 1).await?;
    yan.say_many("zoe", 20, &json!("hi")).await?;
    let zoe = world.open("zoe", "laptop", 2).await?;
    let snapshot = zoe.snapshot();
    let conversation = &snapshot["convs"][0];
    assert_eq!(snapshot["at"], 21);
    assert!(zoe.live >= zoe.welcome["head"].as_u64().unwrap_or(u64::MAX));
    let told = ["kind", "with", "head", "read", "unread"].map(|field| conversation[field].clone());
    assert_eq!(told, ["direct".into(), "yan".into(), 20.into(), 0.into(), json!(20)]);
    let last = conversation["last"].as_array().map(Vec::as_slice).unwrap_or_default();
    let numbers: Vec<_> = last.iter().filter_map(|message| message["cseq"].as_u64()).collect();
    assert_eq!(numbers, (6..=20).collect::<Vec<_>>(), "the newest 15, oldest first");
    Ok(())
}

pub(crate) async fn other_ways_in_are_not_found(world: World) -> anyhow::Result<()> {
    for request in ["POST /v1/poll", "GET /v1/sse?dev=phone", "POST /v1/cmd?dev=phone", "GET /", "GET /metrics"] {
        assert_eq!(world.http(request).await?, "HTTP/1.1 404 Not Found", "{request}");
    }
    assert_eq!(world.http("GET /v1/ws").await?, "HTTP/1.1 426 Upgrade Required");
    Ok(())
}
