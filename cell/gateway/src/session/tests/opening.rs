//! From the first frame to `live`.

use super::*;

fn open_of(rig: &mut Rig) -> Open {
    match &rig.home_messages()[..] {
        [(to, ToHome::Open(open))] if *to == key("alice") => open.clone(),
        other => panic!("expected one Open at alice's home, got {other:?}"),
    }
}

#[test]
fn a_hello_asks_the_home_of_the_tokens_user() {
    let mut rig = Rig::connected();
    rig.text(&hello(&good_token(), None));
    let open = Open {
        session: ID,
        user: user("alice"),
        device: "phone".parse().unwrap(),
        hello_at: START,
        hello_nonce: 7,
        attempt: 1,
        from: OpenFrom::Nothing,
    };
    assert_eq!(rig.home_messages(), [(key("alice"), ToHome::Open(open))]);
    assert_eq!(rig.frames(), [""; 0]);
    rig.assert_goes_on();
}

#[test]
fn the_cursor_goes_to_the_home_and_text_that_no_server_made_as_a_foreign_one() {
    for (ep, expected) in [
        ("k3", OpenFrom::Cursor(cell_types::Cursor { ep: HistoryEpoch::new(3), useq: Useq::new(9) })),
        ("their own", OpenFrom::ForeignCursor),
    ] {
        let mut rig = Rig::connected();
        rig.text(&hello(&good_token(), Some((ep, 9))));
        assert_eq!(open_of(&mut rig).from, expected);
    }
}

#[test]
fn a_fresh_session_gets_welcome_snapshot_replay_and_live_in_this_order() {
    let mut rig = Rig::opening();
    rig.home(fresh(1, 10, 12));
    rig.home(events([11]));
    assert_eq!(rig.frames(), ["welcome fresh=new", "snap 10", "ev 11"]);
    rig.home(events([12, 13]));
    assert_eq!(rig.frames(), ["ev 12", "ev 13", "live 13"]);
    rig.home(events([14]));
    assert_eq!(rig.frames(), ["ev 14"]);
}

#[test]
fn a_fresh_session_whose_snapshot_is_the_head_is_live_at_once() {
    Rig::live_at(0);
    Rig::live_at(10);
}

#[test]
fn a_resumed_session_goes_on_after_its_cursor() {
    let mut rig = Rig::connected();
    rig.text(&hello(&good_token(), Some(("k1", 5))));
    rig.home(resumed(1, 7));
    assert_eq!(rig.frames(), ["welcome resumed"]);
    rig.home(events([6, 7]));
    assert_eq!(rig.frames(), ["ev 6", "ev 7", "live 7"]);
}

#[test]
fn a_resumed_session_that_misses_nothing_is_live_at_once() {
    let mut rig = Rig::connected();
    rig.text(&hello(&good_token(), Some(("k1", 5))));
    rig.home(resumed(1, 5));
    assert_eq!(rig.frames(), ["welcome resumed", "live 5"]);
}

#[test]
fn welcome_says_all_that_the_protocol_lists() {
    let mut rig = Rig::opening();
    rig.home(fresh(1, 10, 12));
    let welcome = &rig.raw_frames()[0];
    let rt = welcome["rt"].as_str().unwrap();
    assert_eq!(
        *welcome,
        json!({"t": "welcome", "v": 1, "user": "alice", "sess": "00000000000000070000000000000007", "rt": rt,
            "ep": "k1", "head": 12, "resumed": false, "why": "new", "hb_ms": 25000,
            "limits": {"frame": 131_072, "body": 65536, "inflight": 64, "window": 512}, "now": START.as_millis()})
    );
}

#[test]
fn the_resume_token_of_a_welcome_opens_the_next_connection_of_that_device_only() {
    let mut rig = Rig::opening();
    rig.home(fresh(1, 0, 0));
    let rt = rig.raw_frames()[0]["rt"].as_str().unwrap().to_owned();

    let mut next = Rig::connected();
    next.text(&hello(&rt, None));
    assert_eq!(open_of(&mut next).user, user("alice"));

    let mut other = Rig::connected();
    other.text(&hello(&rt, None).replace("phone", "laptop"));
    assert_eq!(other.frames(), ["err null token"]);
    assert_eq!(other.closed(), Some(CloseCode::TokenRefused));
}

#[test]
fn a_first_message_that_is_no_good_hello_closes_with_its_verdict() {
    let token = good_token();
    let bad_protocol = (vec!["err null bad_request"], CloseCode::BadProtocol);
    let no_hello = (vec![], CloseCode::NoHello);
    for (message, (frames, code)) in [
        ("", &bad_protocol),
        ("hello", &bad_protocol),
        ("[]", &bad_protocol),
        ("{\"t\":\"hello\"", &bad_protocol),
        ("{\"t\":\"hello\"}", &bad_protocol),
        (&hello(&token, None).replace("\"v\":1", "\"v\":\"1\""), &bad_protocol),
        (&hello(&token, None).replace("\"v\":1", "\"v\":2"), &bad_protocol),
        (&hello(&token, None).replace("phone", "my phone"), &bad_protocol),
        ("{}", &no_hello),
        ("{\"t\":\"ping\",\"id\":1}", &no_hello),
        ("{\"t\":\"ping\",\"id\":\"x\"}", &no_hello),
        ("{\"t\":\"watch\",\"id\":1}", &no_hello),
        ("{\"t\":\"ack\",\"u\":1}", &no_hello),
    ] {
        let mut rig = Rig::connected();
        rig.text(message);
        assert_eq!(rig.frames(), *frames, "{message}");
        assert_eq!(rig.closed(), Some(*code), "{message}");
        assert_eq!(rig.home_messages(), [], "{message}");
    }
}

#[test]
fn a_binary_first_message_is_bad_protocol() {
    let mut rig = Rig::connected();
    rig.act(Session::binary);
    assert_eq!(rig.frames(), ["err null bad_request"]);
    assert_eq!(rig.closed(), Some(CloseCode::BadProtocol));
}

#[test]
fn an_expired_token_and_a_bad_one_have_different_verdicts() {
    let expired = jwt("alice", Timestamp::from_millis(1_000_000));
    for (token, code) in [
        (expired.as_str(), CloseCode::TokenExpired),
        (&expired[..expired.len() - 3], CloseCode::TokenRefused),
        ("nonsense", CloseCode::TokenRefused),
        ("", CloseCode::TokenRefused),
    ] {
        let mut rig = Rig::connected();
        rig.text(&hello(token, None));
        assert_eq!(rig.frames(), ["err null token"], "{token}");
        assert_eq!(rig.closed(), Some(code), "{token}");
    }
}

#[test]
fn what_comes_with_the_hello_is_answered_after_the_welcome() {
    let mut rig = Rig::connected();
    rig.text(&format!("{}\n{{\"t\":\"ping\",\"id\":1}}\n{}\nrubbish", hello(&good_token(), None), send(2, "bob")));
    assert_eq!(rig.requests(), [] as [u64; 0]);
    assert!(!rig.session.wants_input(0), "the transport reads nothing more before the welcome");

    rig.home(fresh(1, 3, 4));
    assert_eq!(rig.frames(), ["welcome fresh=new", "snap 3", "pong 1", "err null bad_request"]);
    assert_eq!(rig.requests(), [1], "commands may be sent before live");
    assert!(rig.session.wants_input(0));
}

#[test]
fn a_second_hello_is_an_error_and_the_session_goes_on() {
    let mut rig = Rig::live_at(0);
    rig.text(&hello(&good_token(), None));
    assert_eq!(rig.frames(), ["err null bad_request"]);
    rig.assert_goes_on();
}

#[test]
fn without_a_signing_key_there_is_no_welcome() {
    let mut rig = Rig::opening();
    rig.environment = environment(Keyring::new());
    rig.home(fresh(1, 0, 0));
    assert_eq!(rig.frames(), ["err null unavailable"]);
    assert_eq!(rig.closed(), Some(CloseCode::Overload));
}

#[test]
fn a_later_hello_of_the_device_and_a_trimmed_cursor_close_the_session() {
    for (message, code) in [
        (FromHome::Replaced { session: ID }, CloseCode::Replaced),
        (FromHome::Trimmed { session: ID }, CloseCode::CursorTrimmed),
    ] {
        let mut rig = Rig::live_at(5);
        rig.home(message);
        assert_eq!(rig.closed(), Some(code));
        assert_eq!(rig.home_messages(), [(key("alice"), ToHome::Close { session: ID })]);
    }
}

#[test]
fn a_client_that_goes_is_told_to_its_home_once() {
    let mut rig = Rig::live_at(5);
    rig.act(Session::gone);
    rig.act(Session::gone);
    assert_eq!(rig.home_messages(), [(key("alice"), ToHome::Close { session: ID })]);
    assert_eq!(rig.outputs.close, None);
}
