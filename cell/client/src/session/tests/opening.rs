//! Connecting and the first frames.

use super::*;
use crate::event::StopReason;

#[test]
fn the_first_hello_carries_the_providers_token_and_no_cursor() {
    let mut rig = Rig::new();
    rig.input(Input::Tick);
    assert_eq!((rig.token_fetches, rig.connects.len()), (1, 0), "the token comes first");
    rig.input(Input::Token(Ok("jwt".into())));
    assert_eq!(rig.connects, ["ws://a"]);
    rig.input(Input::Connected);
    assert_eq!(rig.hello(), &Hello { version: 1, device: "phone".parse().unwrap(), token: "jwt".into(), resume: None });
}

#[test]
fn a_fresh_session_tells_the_application_to_start_over_and_then_that_it_is_live() {
    let mut rig = Rig::new();
    rig.connect();
    rig.go_live_from_snapshot(9);
    let snapshot = Snapshot { at: Useq::new(9), conversations: vec![], next: None };
    let expected = [
        ClientEvent::Connected { user: user("alice") },
        ClientEvent::Reset { why: WhyFresh::New, snapshot },
        ClientEvent::Live,
    ];
    assert_eq!(rig.take_all(), expected);
}

#[test]
fn a_reconnection_shows_the_resume_token_and_the_cursor_and_asks_no_provider() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11)]);
    rig.take_all();
    rig.close(4000);
    rig.forget();
    rig.connect();
    assert_eq!((rig.hello().token.as_str(), rig.hello().resume.clone()), ("rt", Some(cursor("k1", 11))));
    assert_eq!(rig.token_fetches, 1);
}

#[test]
fn a_restarted_client_resumes_from_the_stored_cursor() {
    let saved = Saved { cursor: Some(cursor("k1", 41)), user: Some(user("alice")), sends: [].into() };
    let mut rig = Rig::with(saved.clone(), |_| {});
    rig.connect();
    assert_eq!(rig.hello().resume, Some(cursor("k1", 41)));
    rig.server([welcome("k1", None), event(42), live(42)]);
    assert_eq!(messages(&rig.take_all()), [42]);

    let mut rig = Rig::with(saved, |config| config.keep_cursor = false);
    rig.connect();
    assert_eq!(rig.hello().resume, None, "the application keeps nothing, so it wants a snapshot");
}

#[test]
fn a_cursor_that_is_not_honoured_is_replaced_by_the_snapshot_and_never_mixed_with_it() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11)]);
    rig.close(None);
    rig.connect();
    rig.server([welcome("k2", Some(WhyFresh::Epoch)), snapshot(3), event(4), live(4)]);
    let events = rig.take_all();
    assert_eq!(messages(&events), [4], "what was not handed over before the reset is not shown after it");
    assert!(events.iter().any(|event| matches!(event, ClientEvent::Reset { why: WhyFresh::Epoch, .. })));
    rig.close(None);
    rig.connect();
    assert_eq!(rig.hello().resume, Some(cursor("k2", 4)));
}

#[test]
fn a_welcome_that_does_not_fit_the_hello_is_not_believed() {
    for (ep, has_cursor) in [("k2", true), ("k1", false)] {
        let mut rig = if has_cursor { Rig::live(9) } else { Rig::new() };
        if has_cursor {
            rig.close(None);
        }
        rig.connect();
        rig.server([welcome(ep, None), live(0)]);
        assert_eq!(rig.disconnects, 1, "{ep}");
    }
}

#[test]
fn an_attempt_that_hangs_at_any_step_is_given_up_for_the_next_server() {
    let urls = |config: &mut Config| config.urls = vec!["ws://a".into(), "ws://b".into()];
    let mut rig = Rig::with(Saved::default(), urls);
    rig.input(Input::Tick);
    rig.pass(Duration::from_secs(31));
    assert!(rig.token_fetches >= 2, "the provider hung");
    rig.input(Input::Token(Ok("jwt".into())));
    rig.pass(Duration::from_secs(11));
    assert_eq!((rig.connects.len(), rig.disconnects), (2, 1), "the connection hung");
    assert_ne!(rig.connects[0], rig.connects[1]);
    rig.input(Input::Connected);
    rig.pass(Duration::from_secs(12));
    assert_eq!((rig.connects.len(), rig.disconnects), (3, 2), "the welcome did not come");
}

#[test]
fn a_provider_that_fails_is_asked_again_after_a_while() {
    let mut rig = Rig::new();
    rig.input(Input::Tick);
    rig.input(Input::Token(Err("no network".into())));
    let events = rig.take_all();
    assert!(matches!(&events[..], [ClientEvent::Reconnecting { why, .. }] if why.contains("no network")));
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.token_fetches, 2);
}

#[test]
fn a_session_of_another_user_is_not_used() {
    let expected = StopReason::WrongUser { expected: user("bob"), got: user("alice") };
    let mut rig = Rig::with(Saved::default(), |config| config.user = Some(user("bob")));
    rig.connect();
    rig.server([welcome("k1", Some(WhyFresh::New))]);
    assert_eq!(rig.take_all(), [ClientEvent::Stopped { why: expected.clone() }]);

    let saved = Saved { user: Some(user("alice")), sends: [saved_send(1, None)].into(), cursor: None };
    let mut rig = Rig::with(saved, |config| config.user = Some(user("bob")));
    rig.pass(DAY);
    assert!(rig.connects.is_empty(), "somebody else's messages stay where they are");
    assert_eq!(rig.take_all(), [ClientEvent::Stopped { why: expected }]);
}
