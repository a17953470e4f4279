//! Commands: to which home they go, what is answered here, and how many there may be.

use cell_protocol::limits::INFLIGHT_MAX;
use cell_types::{Body, Eseq, MessageId};

use super::*;
use crate::home::{HomePage, HomeTarget};
use crate::session::limits::PAGE_BACKLOG_MAX;

fn commands(rig: &mut Rig) -> Vec<(PlacementKey, HomeCommand)> {
    let commands = rig.home_messages().into_iter().map(|(to, message)| match message {
        ToHome::Command { session: ID, user: asker, command, .. } if asker == user("alice") => (to, command),
        other => panic!("{other:?}"),
    });
    commands.collect()
}

#[test]
fn a_send_goes_to_the_conversations_home_and_its_answer_comes_back_with_the_clients_id() {
    let mut rig = Rig::live_at(0);
    let (mid, after) = (MessageId::from_u128(1), MessageId::from_u128(2));
    let command = format!(
        "{{\"t\":\"send\",\"id\":7,\"to\":{{\"user\":\"bob\"}},\"mid\":\"{mid}\",\"after\":\"{after}\",\"body\":{{\"a\": 1}}}}"
    );
    rig.text(&command);
    let body = Body::from_checked("{\"a\": 1}".into());
    let sent = HomeCommand::Send { to: HomeTarget::User(user("bob")), mid, body, after: Some(after) };
    assert_eq!(commands(&mut rig), [(with_bob().home(), sent)]);

    let answer = Answer::Sent { conversation: with_bob(), cseq: Cseq::new(4), ts: START, again: false };
    rig.home(FromHome::Answered { session: ID, request: RequestId(1), result: Ok(answer) });
    assert_eq!(
        rig.raw_frames(),
        [json!({"t": "ok", "id": 7, "conv": with_bob().to_string(), "cseq": 4, "ts": START.as_millis()})]
    );
}

#[test]
fn pages_and_reads_go_to_their_homes_with_limits_clamped() {
    let conv = with_bob().to_string();
    let history = |page, limit| HomeCommand::History { conversation: with_bob(), page, limit };
    let at = (with_bob().home(), key("alice"));
    for (command, to, expected) in [
        (json!({"t": "hist", "conv": conv}), at.0, history(HomePage::Newest, 50)),
        (json!({"t": "hist", "conv": conv, "before": 9, "limit": 0}), at.0, history(HomePage::Before(Cseq::new(9)), 1)),
        (
            json!({"t": "hist", "conv": conv, "after": 9, "limit": 101}),
            at.0,
            history(HomePage::After(Cseq::new(9)), 100),
        ),
        (json!({"t": "hist", "conv": conv, "around": 9, "limit": 7}), at.0, history(HomePage::Around(Cseq::new(9)), 7)),
        (json!({"t": "hist", "conv": conv, "since": 0}), at.0, history(HomePage::Since(Eseq::ZERO), 50)),
        (json!({"t": "convs"}), at.1, HomeCommand::Conversations { after: None, limit: 20 }),
        (
            json!({"t": "convs", "cursor": "17", "limit": 1_000_000_000_000_u64}),
            at.1,
            HomeCommand::Conversations { after: Some(Useq::new(17)), limit: 100 },
        ),
        (
            json!({"t": "read", "conv": conv, "upto": 3}),
            at.0,
            HomeCommand::Read { conversation: with_bob(), upto: Cseq::new(3) },
        ),
    ] {
        let mut rig = Rig::live_at(0);
        let mut command = command;
        command["id"] = json!(1);
        rig.text(&command.to_string());
        assert_eq!(commands(&mut rig), [(to, expected)], "{command}");
    }
}

#[test]
fn what_cannot_be_is_answered_here() {
    let conv = with_bob().to_string();
    for (command, name) in [
        (json!({"t": "hist", "conv": conv, "before": 1, "after": 1}), "bad_request"),
        (json!({"t": "hist", "conv": conv, "before": -1}), "bad_request"),
        (json!({"t": "hist", "conv": "no-such"}), "not_found"),
        (json!({"t": "read", "conv": "no-such", "upto": 1}), "not_found"),
        (
            json!({"t": "send", "to": {"conv": "no-such"}, "mid": MessageId::from_u128(1).to_string(), "body": 1}),
            "not_found",
        ),
        (
            json!({"t": "send", "to": {"user": "bob"}, "mid": MessageId::from_u128(1).to_string(), "body": "x".repeat(65_536)}),
            "too_large",
        ),
        (json!({"t": "convs", "cursor": "yesterday"}), "bad_request"),
        (json!({"t": "convs", "cursor": ""}), "bad_request"),
    ] {
        let mut rig = Rig::live_at(0);
        let mut command = command;
        command["id"] = json!(5);
        rig.text(&command.to_string());
        assert_eq!(rig.frames(), [format!("err 5 {name}")]);
        assert_eq!(rig.home_messages(), []);
        rig.assert_goes_on();
    }
}

#[test]
fn a_ping_is_answered_at_once_with_the_time() {
    let mut rig = Rig::live_at(0);
    rig.text("{\"t\":\"ping\",\"id\":16}");
    assert_eq!(rig.raw_frames(), [json!({"t": "pong", "id": 16, "now": START.as_millis()})]);
}

#[test]
fn a_homes_refusal_is_passed_on() {
    let mut rig = Rig::live_at(0);
    rig.text(&send(7, "bob"));
    rig.home(failed(1, ErrorCode::OutOfOrder, false));
    assert_eq!(
        rig.raw_frames(),
        [
            json!({"t": "err", "id": 7, "code": 503, "name": "out_of_order", "temp": true, "retry_ms": 40, "msg": "because"})
        ]
    );
}

#[test]
fn answers_come_in_any_order_and_each_once() {
    let mut rig = Rig::live_at(0);
    rig.text(&[send(7, "bob"), send(8, "carol"), send(9, "bob")].join("\n"));
    for request in [3, 1, 1, 2, 3] {
        rig.home(done(request));
    }
    assert_eq!(rig.frames(), ["ok 9", "ok 7", "ok 8"]);
}

#[test]
fn past_the_inflight_limit_commands_are_refused_for_now() {
    let mut rig = Rig::live_at(0);
    for id in 0..=64 {
        rig.text(&send(id, "bob"));
    }
    assert_eq!(rig.requests().len(), INFLIGHT_MAX);
    let frames = rig.raw_frames();
    assert_eq!((frames.len(), &frames[0]["id"], &frames[0]["code"]), (1, &json!(64), &json!(429)));
    assert!(frames[0]["retry_ms"].is_number());

    rig.text("{\"t\":\"ping\",\"id\":1}");
    assert_eq!(rig.frames(), ["pong 1"]);
    rig.home(done(1));
    rig.text(&send(65, "bob"));
    assert_eq!(rig.requests(), [65]);
}

#[test]
fn at_most_two_pages_are_asked_for_at_a_time_and_sends_do_not_wait_for_them() {
    let mut rig = Rig::live_at(0);
    rig.text(&[history(1), history(2), history(3), "{\"t\":\"convs\",\"id\":4}".into(), send(5, "bob")].join("\n"));
    assert_eq!(rig.requests(), [1, 2, 5]);
    rig.home(done(2));
    assert_eq!(rig.requests(), [3]);
    rig.home(done(1));
    assert_eq!(rig.requests(), [4]);
}

#[test]
fn no_page_is_asked_for_while_the_client_does_not_take_what_it_has() {
    let mut rig = Rig::live_at(0);
    rig.outputs.frames = vec![b'\n'; PAGE_BACKLOG_MAX + 1];
    rig.text(&history(1));
    assert_eq!(rig.requests(), [] as [u64; 0]);
    rig.outputs.frames.clear();
    rig.act(|session, turn| session.wrote(turn, 0));
    assert_eq!(rig.requests(), [1]);
}

#[test]
fn what_is_done_is_counted_by_kind_and_outcome() {
    let mut rig = Rig::live_at(0);
    rig.text(&[send(1, "bob"), send(2, "bob"), "{\"t\":\"ping\",\"id\":3}".into(), "x".into()].join("\n"));
    rig.home(done(1));
    rig.home(failed(2, ErrorCode::MidReuse, false));
    assert_eq!(
        rig.environment.counters.snapshot().commands,
        [("send", "ok", 1), ("send", "mid_reuse", 1), ("ping", "ok", 1), ("other", "bad_request", 1)]
    );
}
