//! The end of connections: close codes, back-off, goaway.

use super::*;
use crate::event::StopReason;
use crate::session::{BACKOFF_FIRST, BACKOFF_MAX};

/// How long the session waits after this close.
fn wait_after(rig: &mut Rig, code: Option<u16>) -> Duration {
    rig.take_all();
    rig.close(code);
    match &rig.take_all()[..] {
        [ClientEvent::Reconnecting { after, .. }] => *after,
        other => panic!("{code:?}: {other:?}"),
    }
}

#[test]
fn ends_of_no_class_and_4000_to_4099_reconnect_and_resume() {
    for code in [None, Some(1006), Some(4000), Some(4001), Some(4099), Some(4500), Some(3000)] {
        let mut rig = Rig::live(9);
        assert!(wait_after(&mut rig, code) <= BACKOFF_FIRST, "{code:?}");
        rig.connect();
        assert_eq!(rig.hello().resume, Some(cursor("k1", 9)), "{code:?}");
        assert_eq!(rig.hello().token, "rt");
    }
}

#[test]
fn class_41_reconnects_elsewhere_and_not_at_once() {
    let urls = |config: &mut Config| config.urls = vec!["ws://a".into(), "ws://b".into()];
    let mut rig = Rig::with(Saved::default(), urls);
    rig.connect();
    rig.go_live_from_snapshot(0);
    assert!(wait_after(&mut rig, Some(4100)) >= Duration::from_secs(1));
    rig.connect();
    assert_ne!(rig.connects[0], rig.connects[1]);
}

#[test]
fn code_4105_stops_the_session_and_says_so() {
    let mut rig = Rig::live(9);
    rig.close(4105);
    assert_eq!(rig.take_all(), [ClientEvent::Replaced]);
    rig.pass(DAY);
    assert_eq!(rig.connects.len(), 1);
}

#[test]
fn class_42_asks_the_provider_for_a_fresh_token_and_resumes() {
    let mut rig = Rig::live(9);
    rig.close(4201);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.token_fetches, 2);
    rig.input(Input::Token(Ok("jwt 2".into())));
    rig.input(Input::Connected);
    assert_eq!((rig.hello().token.as_str(), rig.hello().resume.clone()), ("jwt 2", Some(cursor("k1", 9))));
}

#[test]
fn class_43_drops_the_cursor_and_starts_from_a_snapshot() {
    let mut rig = Rig::live(9);
    rig.close(4301);
    rig.connect();
    assert_eq!(rig.hello().resume, None);
    rig.server([welcome("k1", Some(WhyFresh::New)), snapshot(2000), live(2000)]);
    let events = rig.take_all();
    assert!(
        events.iter().any(|event| matches!(event, ClientEvent::Reset { why: WhyFresh::Trimmed, .. })),
        "{events:?}"
    );
}

#[test]
fn class_44_is_terminal_and_answers_everybody() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.input(Input::Query { request: 2, command: Command::Ping });
    rig.close(4413);
    let why = StopReason::Refused { code: 4413 };
    assert_eq!(rig.take_all(), [ClientEvent::Stopped { why }]);
    assert!(matches!(rig.sent[..], [(1, Err(Error::Stopped(_)))]));
    assert!(matches!(rig.answers[..], [(2, Err(Error::Stopped(_)))]));
    assert!(!rig.records.iter().any(|record| matches!(record, Record::Done(_))), "the send stays in the outbox");
    rig.send(3, "bob");
    assert!(matches!(rig.sent[1..], [(3, Err(Error::Stopped(_)))]));
    rig.pass(DAY);
    assert_eq!(rig.connects.len(), 1);
}

fn refuse_token(rig: &mut Rig, code: u16) {
    let frame = ErrorFrame { id: None, code: ErrorCode::Token, retry_ms: None, message: "bad".into() };
    rig.server([ServerFrame::Error(frame)]);
    rig.close(code);
}

#[test]
fn a_refused_resume_token_is_replaced_by_a_fresh_jwt_and_a_refused_fresh_jwt_is_the_end() {
    let mut rig = Rig::live(9);
    rig.close(None);
    rig.connect();
    refuse_token(&mut rig, 4403);
    rig.connect();
    assert_eq!((rig.token_fetches, rig.hello().token.as_str()), (2, "jwt"));
    rig.take_all();
    refuse_token(&mut rig, 4403);
    let why = StopReason::TokenRefused { message: "bad".into() };
    assert_eq!(rig.take_all(), [ClientEvent::Stopped { why }]);
}

#[test]
fn a_refused_token_is_not_shown_again_whatever_ends_the_connection() {
    let mut rig = Rig::live(9);
    rig.close(None);
    rig.connect();
    let frame = ErrorFrame { id: None, code: ErrorCode::Token, retry_ms: None, message: "expired".into() };
    rig.server([ServerFrame::Error(frame)]);
    rig.close(None);
    rig.connect();
    assert_eq!(rig.token_fetches, 2);
}

#[test]
fn failures_in_a_row_double_the_bound_of_the_wait_up_to_30_s_and_live_resets_it() {
    let mut rig = Rig::live(9);
    let mut longest = Duration::ZERO;
    for failures in 0..30_u32 {
        let after = wait_after(&mut rig, None);
        assert!(after <= BACKOFF_MAX.min(BACKOFF_FIRST * (1 << failures.min(10))));
        longest = longest.max(after);
        rig.connect();
        rig.server([welcome("k1", None)]);
    }
    assert!(longest > Duration::from_secs(10), "a welcome alone resets nothing");
    rig.server([live(9)]);
    assert!(wait_after(&mut rig, None) <= BACKOFF_FIRST);
}

#[test]
fn a_goaway_moves_the_session_at_its_time_to_the_hint_which_is_used_once() {
    let mut rig = Rig::live(9);
    rig.server([ServerFrame::GoAway { after_ms: 700, url: Some("ws://hint".into()), why: Some("drain".into()) }]);
    rig.pass(Duration::from_millis(699));
    assert_eq!(rig.disconnects, 0);
    rig.pass(Duration::from_millis(1));
    assert_eq!((rig.disconnects, rig.connects.last().unwrap().as_str()), (1, "ws://hint"));
    rig.close(None);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.connects.last().unwrap(), "ws://a");
}

#[test]
fn servers_that_send_everybody_away_at_once_are_not_called_in_a_loop() {
    let mut rig = Rig::live(9);
    let away = || ServerFrame::GoAway { after_ms: 0, url: None, why: None };
    let start = rig.now.elapsed;
    for _ in 0..20 {
        rig.server([away()]);
        rig.pass(Duration::ZERO);
        rig.connect();
        rig.server([welcome("k1", None)]);
    }
    assert!(rig.now.elapsed - start > Duration::from_secs(30));
}

#[test]
fn a_store_that_fails_stops_the_session() {
    let mut rig = Rig::live(9);
    rig.session.handle(rig.now, Input::StoreFailed { message: "disk full".into() });
    rig.perform();
    let why = StopReason::Store { message: "disk full".into() };
    assert_eq!(rig.take_all(), [ClientEvent::Stopped { why }]);
    assert_eq!(rig.disconnects, 1);
}
