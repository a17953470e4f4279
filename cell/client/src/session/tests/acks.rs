//! Acks and signs of life.

use super::*;

#[test]
fn taken_events_are_acked_together_after_200_ms() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11), event(12)]);
    rig.take_all();
    rig.pass(Duration::from_millis(199));
    assert_eq!(rig.acks(), Vec::<u64>::new());
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.acks(), [12]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.acks(), Vec::<u64>::new(), "once");
}

#[test]
fn what_was_not_taken_is_not_acked() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11)]);
    rig.hand_over();
    rig.take(1);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.acks(), [10]);
}

#[test]
fn many_taken_events_are_acked_at_once() {
    let mut rig = Rig::live(0);
    rig.server((1..=64).map(event));
    rig.take_all();
    assert_eq!(rig.acks(), [64]);
}

#[test]
fn an_ack_rides_on_a_command_that_goes_out_anyway() {
    let mut rig = Rig::live(9);
    rig.server([event(10)]);
    rig.take_all();
    rig.send(1, "bob");
    assert!(
        matches!(&rig.frames[..], [ClientFrame { ack: Some(u), message: ClientMessage::Command { .. } }] if u.get() == 10)
    );
    rig.forget();
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.acks(), Vec::<u64>::new());
}

#[test]
fn entries_of_an_earlier_connection_are_acked_only_when_this_one_sent_them_too() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11)]);
    rig.hand_over();
    rig.close(None);
    rig.connect();
    rig.server([welcome("k1", None), event(10)]);
    rig.hand_over();
    rig.take(4);
    rig.forget();
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.acks(), [10], "the server refuses an ack above what it sent on this connection");
    rig.server([event(11), live(11)]);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.acks(), [11]);
}

#[test]
fn acks_go_out_during_replay_because_the_window_holds_there_too() {
    let mut rig = Rig::live(0);
    rig.close(None);
    rig.connect();
    rig.forget();
    rig.server(std::iter::once(welcome("k1", None)).chain((1..=64).map(event)));
    rig.take_all();
    assert_eq!(rig.acks(), [64]);
}

#[test]
fn the_cursor_is_stored_before_the_ack_goes_out() {
    let mut rig = Rig::live(9);
    rig.server([event(10)]);
    rig.take_all();
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.records, [Record::Cursor(cursor("k1", 10))]);
}

#[test]
fn an_idle_session_says_something_within_two_heartbeats() {
    let mut rig = Rig::live(9);
    for _ in 0..3 {
        rig.pass(Duration::from_millis(HEARTBEAT_MS));
        rig.server([ServerFrame::KeepAlive]);
        assert_eq!(rig.frames, [ClientFrame { ack: None, message: ClientMessage::KeepAlive }]);
        rig.forget();
    }
}

#[test]
fn a_server_that_falls_silent_for_two_heartbeats_is_left() {
    let mut rig = Rig::live(9);
    rig.pass(Duration::from_millis(2 * HEARTBEAT_MS - 1));
    assert_eq!(rig.disconnects, 0);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.disconnects, 1);
}

#[test]
fn closing_acks_what_was_taken() {
    let mut rig = Rig::live(9);
    rig.server([event(10)]);
    rig.take_all();
    rig.input(Input::Close);
    assert_eq!((rig.acks(), rig.disconnects), (vec![10], 1));
    assert_eq!(rig.records, [Record::Cursor(cursor("k1", 10))]);
}
