//! `send`: who gets it, and what a repeat is answered.

use std::collections::BTreeMap;

use e2e_conformance::World;
use e2e_conformance::session::{mid, to_conversation, to_user};
use serde_json::{Value, json};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn refusal(answer: &Value) -> (u64, &str) {
    (answer["code"].as_u64().unwrap_or_default(), text(answer, "name"))
}

pub(crate) async fn every_device_gets_the_conversation_and_then_the_message(world: World) -> anyhow::Result<()> {
    let mut alice = world.open("amy", "phone", 0).await?;
    let mut devices = vec![
        (world.open("amy", "laptop", 1).await?, "abe"),
        (world.open("abe", "phone", 1).await?, "amy"),
        (world.open("abe", "laptop", 2).await?, "amy"),
    ];
    let upper = "ABCDEF01-2345-4789-ABCD-0123456789AB";
    let ok = alice.ask(to_user("abe", upper, json!({"x": 1}))).await?;
    assert_eq!(ok["cseq"], 1);
    devices.push((alice, "abe"));
    for (device, with) in &mut devices {
        let conversation = device.event().await?;
        let told = ["u", "k", "conv", "kind", "with"].map(|field| conversation[field].clone());
        assert_eq!(told, [1.into(), "conv".into(), ok["conv"].clone(), "direct".into(), json!(*with)]);
        let message = device.event().await?;
        let expected = json!({"t": "ev", "u": 2, "k": "msg", "conv": ok["conv"], "cseq": 1, "from": "amy",
            "mid": upper.to_lowercase(), "ts": ok["ts"], "body": {"x": 1}});
        assert_eq!(message, expected);
    }
    Ok(())
}

pub(crate) async fn a_repeat_is_answered_as_the_first_time(world: World) -> anyhow::Result<()> {
    let mut session = world.open("dan", "phone", 0).await?;
    let message = mid();
    let first = session.ask(to_user("dee", &message, "hello")).await?;
    let conversation = text(&first, "conv").to_owned();
    session.say("dee", "another").await?;
    let mut elsewhere = world.open("dan", "laptop", 1).await?;
    for repeat in [
        to_user("dee", &message, "hello"),
        to_user("dee", &message.to_uppercase(), "hello"),
        to_conversation(&conversation, &message, "hello"),
    ] {
        let again = elsewhere.ask(repeat).await?;
        let told = ["t", "conv", "cseq", "ts", "dup"].map(|field| again[field].clone());
        assert_eq!(told, ["ok".into(), json!(conversation), 1.into(), first["ts"].clone(), json!(true)]);
    }
    let reused = elsewhere.ask(to_user("dee", &message, "Hello")).await?;
    assert_eq!(refusal(&reused), (409, "mid_reuse"));
    let spaced =
        format!(r#"{{"t":"send","id":77,"to":{{"user":"dee"}},"mid":"{message}","body":"hello","after":"{}"}}"#, mid());
    elsewhere.send_text(&spaced).await?;
    assert_eq!(elsewhere.answer(77).await?["dup"], true, "a repeat is known before `after` is looked at");
    elsewhere.send_text(&spaced.replace("\"hello\"", "\"hell\\u006f\"")).await?;
    assert_eq!(refusal(&elsewhere.answer(77).await?), (409, "mid_reuse"), "bodies are compared byte for byte");
    Ok(())
}

pub(crate) async fn a_mid_is_the_senders_and_the_conversations(world: World) -> anyhow::Result<()> {
    let mut dora = world.open("dora", "phone", 0).await?;
    let mut dirk = world.open("dirk", "phone", 1).await?;
    let message = mid();
    assert_eq!(dora.ask(to_user("dirk", &message, 1)).await?["cseq"], 1);
    let of_another = dirk.ask(to_user("dora", &message, 2)).await?;
    assert_eq!((&of_another["cseq"], &of_another["dup"]), (&2.into(), &Value::Null));
    let in_another = dora.ask(to_user("dave", &message, 3)).await?;
    assert_eq!((&in_another["cseq"], &in_another["dup"]), (&1.into(), &Value::Null));
    Ok(())
}

pub(crate) async fn a_message_waits_for_the_one_it_comes_after(world: World) -> anyhow::Result<()> {
    let mut session = world.open("oda", "phone", 2).await?;
    let mids: Vec<String> = (0..4).map(|_| mid()).collect();
    let after = |mut send: Value, id: u32, after: Option<&str>| {
        send["id"] = id.into();
        if let Some(after) = after {
            send["after"] = after.into();
        }
        send
    };
    let too_large = "x".repeat(70_000);
    session
        .send_all(&[
            after(to_user("olaf", &mids[0], 0), 100, None),
            after(to_user("olaf", &mids[1], too_large), 101, Some(&mids[0])),
            after(to_user("olaf", &mids[2], 2), 102, Some(&mids[1])),
            after(to_user("olaf", &mids[3], 3), 103, None),
        ])
        .await?;
    let mut answers = BTreeMap::new();
    while answers.len() < 4 {
        let answer = session.expect_that(|frame| frame["id"].is_u64()).await?;
        answers.insert(answer["id"].as_u64(), answer);
    }
    let answers: Vec<&Value> = answers.values().collect();
    assert_eq!(
        (&answers[0]["cseq"], &answers[3]["cseq"]),
        (&1.into(), &2.into()),
        "one refusal holds nobody else back"
    );
    assert_eq!(refusal(answers[1]), (413, "too_large"));
    assert_eq!(refusal(answers[2]), (503, "out_of_order"));
    assert_eq!(answers[2]["temp"], true);
    for number in [1, 2] {
        let again = session.ask(after(to_user("olaf", &mids[number], "small"), 0, Some(&mids[number - 1]))).await?;
        assert_eq!(again["dup"], Value::Null, "a refused send leaves its mid free: {again}");
        assert_eq!(again["cseq"], 2 + number);
    }
    let first_ever = session.ask(after(to_user("otto", &mid(), 1), 0, Some(&mids[0]))).await?;
    assert_eq!(refusal(&first_ever), (503, "out_of_order"), "that one is in another conversation");
    Ok(())
}

pub(crate) async fn more_than_the_limit_in_flight_is_refused_and_the_rest_keeps_its_order(
    world: World,
) -> anyhow::Result<()> {
    const SENDS: u32 = 300;
    let mut session = world.open("ian", "phone", 1).await?;
    let sends: Vec<Value> =
        (0..SENDS).map(|id| json!({"t": "send", "id": id, "to": {"user": "ivy"}, "mid": mid(), "body": id})).collect();
    session.send_all(&sends).await?;
    let (mut taken, mut refused) = (Vec::new(), 0);
    while taken.len() + refused < SENDS as usize {
        let answer = session.expect_that(|frame| frame["id"].is_u64()).await?;
        if answer["t"] == "ok" {
            taken.push((answer["id"].as_u64(), answer["cseq"].as_u64()));
        } else {
            assert_eq!(refusal(&answer), (429, "slow_down"));
            assert!(answer["retry_ms"].as_u64() > Some(0) && answer["temp"] == true, "{answer}");
            refused += 1;
        }
    }
    assert!(refused > 0 && taken.len() >= 64, "{} taken", taken.len());
    assert!(taken.is_sorted(), "answered in the order sent: {taken:?}");
    let cseqs: Vec<_> = taken.iter().filter_map(|(_, cseq)| *cseq).collect();
    assert_eq!(cseqs, (1..=cseqs.len() as u64).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn a_chat_with_oneself_has_one_member(world: World) -> anyhow::Result<()> {
    let mut session = world.open("uma", "phone", 0).await?;
    let sent = session.say("uma", "a note").await?;
    let kinds: Vec<Value> = session.events().await?.into_iter().map(|event| event["k"].clone()).collect();
    assert_eq!(kinds, ["conv", "msg"], "once, and nothing is delivered or read by anybody else");
    session.ack(2).await?;
    assert_eq!(session.ask(json!({"t": "read", "conv": sent["conv"], "upto": 1})).await?["t"], "ok");
    assert_eq!(session.events().await?, [] as [Value; 0]);
    let list = session.ask(json!({"t": "convs"})).await?;
    let told = ["with", "head", "read", "unread"].map(|field| list["convs"][0][field].clone());
    assert_eq!(told, ["uma".into(), 1.into(), 1.into(), json!(0)]);
    Ok(())
}

pub(crate) async fn who_is_no_member_finds_nothing(world: World) -> anyhow::Result<()> {
    let theirs = world.open("kim", "phone", 0).await?.say("ken", "secret").await?;
    let mut stranger = world.open("kai", "phone", 1).await?;
    for conversation in [text(&theirs, "conv"), "nobody-made-this"] {
        for command in [
            json!({"t": "hist", "conv": conversation}),
            json!({"t": "hist", "conv": conversation, "since": 0}),
            json!({"t": "read", "conv": conversation, "upto": 1}),
            to_conversation(conversation, &mid(), "let me in"),
        ] {
            let answer = stranger.ask(command).await?;
            assert_eq!(refusal(&answer), (404, "not_found"), "{answer}");
        }
    }
    Ok(())
}
