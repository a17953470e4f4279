//! Frames that are not as they should be.

use super::*;

#[test]
fn a_malformed_frame_is_answered_and_the_session_goes_on() {
    for message in ["x", "[]", "{\"t\":7}", "{\"t\":\"ping\"}", "{\"t\":\"ping\",\"id\":1,\"id\":1}"] {
        let mut rig = Rig::live_at(0);
        rig.text(message);
        assert!(rig.frames()[0].ends_with(" bad_request"), "{message}");
        rig.assert_goes_on();
    }
}

#[test]
fn the_tenth_malformed_frame_in_a_row_closes_the_session() {
    let mut rig = Rig::live_at(0);
    for _ in 0..8 {
        rig.text("x");
    }
    rig.act(Session::binary);
    rig.assert_goes_on();
    rig.text("x");
    assert_eq!(rig.frames(), ["err null bad_request"; 10]);
    assert_eq!(rig.closed(), Some(CloseCode::BadProtocol));
}

#[test]
fn lines_after_the_one_that_closed_the_session_are_not_looked_at() {
    let mut rig = Rig::live_at(0);
    rig.text(&"x\n".repeat(20));
    assert_eq!(rig.frames().len(), 10);
}

#[test]
fn a_good_frame_or_an_unknown_command_ends_the_row() {
    for breaker in [
        "{}",
        "{\"t\":\"ping\",\"id\":1}",
        "{\"t\":\"watch\",\"id\":1,\"users\":[]}",
        "{\"t\":\"hist\",\"id\":1,\"conv\":\"!\"}",
    ] {
        let mut rig = Rig::live_at(0);
        for _ in 0..3 {
            rig.text(&"x\n".repeat(9));
            rig.text(breaker);
        }
        rig.assert_goes_on();
    }
}

#[test]
fn an_unknown_command_says_so_with_its_id() {
    let mut rig = Rig::live_at(0);
    rig.text("{\"t\":\"watch\",\"id\":3,\"users\":[]}\n{\"t\":\"typing\",\"conv\":\"x\"}");
    assert_eq!(rig.frames(), ["err 3 unknown_command", "err null unknown_command"]);
}

#[test]
fn several_lines_make_a_message_and_keepalives_are_not_answered() {
    let mut rig = Rig::live_at(0);
    rig.text("{}\n\n{\"t\":\"ping\",\"id\":1}\r\n{\"t\":\"ping\",\"id\":2}\n");
    assert_eq!(rig.frames(), ["pong 1", "pong 2"]);
}

#[test]
fn bad_utf8_and_a_message_past_the_limit_close_at_once() {
    let mut rig = Rig::live_at(0);
    rig.act(Session::not_utf8);
    assert_eq!(rig.closed().unwrap().code(), 1007);
    let mut rig = Rig::connected();
    rig.act(Session::oversize);
    assert_eq!(rig.closed().unwrap().code(), 4413);
}
