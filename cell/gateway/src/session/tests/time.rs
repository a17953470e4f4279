//! What happens by itself.

use super::*;
use crate::session::limits::{HEARTBEAT_MS, IDLE_MS};

#[test]
fn a_client_that_says_nothing_is_closed_after_five_seconds() {
    let mut rig = Rig::connected();
    rig.pass(4_999);
    rig.assert_goes_on();
    rig.pass(1);
    assert_eq!(rig.closed(), Some(CloseCode::NoHello));
}

#[test]
fn an_idle_session_says_so_every_heartbeat() {
    let mut rig = Rig::live_at(0);
    rig.pass(HEARTBEAT_MS - 1);
    assert_eq!(rig.frames(), [""; 0]);
    rig.pass(1);
    assert_eq!(rig.frames(), ["{}"]);
    rig.text("{\"t\":\"ping\",\"id\":1}");
    rig.frames();
    rig.pass(HEARTBEAT_MS - 1);
    assert_eq!(rig.frames(), [""; 0]);
}

#[test]
fn a_client_that_does_not_read_gets_no_heartbeats_on_top() {
    let mut rig = Rig::live_at(0);
    rig.home(events([1]));
    rig.pass(HEARTBEAT_MS);
    assert_eq!(rig.frames(), ["ev 1"]);
}

#[test]
fn a_client_unheard_for_two_heartbeats_is_closed_and_anything_it_says_counts() {
    let mut rig = Rig::live_at(0);
    rig.pass(IDLE_MS - 1);
    rig.text("{}");
    rig.pass(IDLE_MS - 1);
    rig.assert_goes_on();
    rig.pass(1);
    assert_eq!(rig.closed(), Some(CloseCode::Idle));
}

#[test]
fn a_slow_client_is_alive_while_it_takes_what_it_asked_for() {
    let mut rig = Rig::live_at(0);
    let backlog = 2 << 20;
    assert!(!rig.session.wants_input(backlog));
    for _ in 0..5 {
        rig.pass(IDLE_MS - 1);
        rig.outputs.frames.clear();
        rig.act(|session, turn| session.wrote(turn, backlog));
    }
    rig.assert_goes_on();
    rig.act(|session, turn| session.wrote(turn, 0));
    rig.pass(IDLE_MS);
    assert_eq!(rig.closed(), Some(CloseCode::Idle), "what it takes is no traffic once it is read from again");
}

#[test]
fn a_command_without_an_answer_in_ten_seconds_is_given_up() {
    let mut rig = Rig::live_at(0);
    rig.text(&send(1, "bob"));
    rig.pass(5_000);
    rig.text(&send(2, "bob"));
    rig.pass(4_999);
    assert_eq!(rig.frames(), [""; 0]);
    rig.pass(1);
    let frames = rig.raw_frames();
    assert_eq!((&frames[0]["id"], &frames[0]["code"], &frames[0]["temp"]), (&json!(1), &json!(503), &json!(true)));
    assert!(frames[0]["retry_ms"].is_number());
    rig.home(done(1));
    rig.home(done(2));
    assert_eq!(rig.frames(), ["ok 2"], "a late answer is dropped");
}

#[test]
fn a_command_refused_elsewhere_until_its_time_is_over_is_given_up() {
    let mut rig = Rig::live_at(0);
    rig.text(&send(1, "bob"));
    for _ in 0..100 {
        rig.home(failed(1, ErrorCode::Unavailable, true));
        rig.pass(100);
    }
    assert_eq!(rig.frames(), ["err 1 unavailable"]);
    assert!(rig.requests().len() > 90);
}

#[test]
fn a_session_ends_with_its_token_and_the_grace() {
    let mut rig = Rig::live_at(0);
    let life = TOKEN_LIFE_MS + 24 * 3_600_000;
    while rig.now_ms + 20_000 < life {
        rig.pass(20_000);
        rig.text("{}");
    }
    rig.assert_goes_on();
    rig.pass(20_000);
    assert_eq!(rig.closed(), Some(CloseCode::TokenExpired));
}

#[test]
fn resuming_does_not_extend_a_sessions_life() {
    let mut token = good_token();
    let end = START.plus(Duration::from_millis(TOKEN_LIFE_MS)).plus(GRACE_DEFAULT);
    for hours in 0..3 {
        let mut rig = Rig::connected();
        rig.now_ms = hours * 3_600_000 / 2;
        rig.text(&hello(&token, None));
        rig.home(fresh(1, 0, 0));
        assert_eq!(rig.session.peer.as_ref().unwrap().bearer.ends_at, end);
        token = rig.raw_frames()[0]["rt"].as_str().unwrap().to_owned();
    }
}

#[test]
fn a_drain_announces_a_random_moment_and_closes_then() {
    let mut rig = Rig::live_at(0);
    rig.act(|session, turn| session.drain(turn, Duration::from_secs(5), "drain"));
    rig.act(|session, turn| session.drain(turn, Duration::from_secs(5), "drain"));
    assert_eq!(rig.raw_frames(), [json!({"t": "goaway", "after_ms": 7, "why": "drain"})]);
    rig.pass(6);
    rig.assert_goes_on();
    rig.pass(1);
    assert_eq!(rig.closed(), Some(CloseCode::GoAway));
    assert_eq!(rig.home_messages(), [(key("alice"), ToHome::Close { session: ID })]);
}

#[test]
fn a_drain_before_the_welcome_only_closes() {
    let mut rig = Rig::opening();
    rig.act(|session, turn| session.drain(turn, Duration::ZERO, "drain"));
    assert_eq!(rig.frames(), [""; 0]);
    rig.pass(1);
    assert_eq!(rig.closed(), Some(CloseCode::GoAway));
}
