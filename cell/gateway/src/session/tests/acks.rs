//! Acks: cumulative, never beyond what this connection was sent.

use super::*;

fn acknowledge(upto: u64) -> (PlacementKey, ToHome) {
    (key("alice"), ToHome::Acknowledge { session: ID, upto: Useq::new(upto) })
}

#[test]
fn the_home_is_told_only_when_the_ack_rises() {
    let mut rig = Rig::live_at(5);
    rig.home(events([6, 7]));
    rig.text("{\"t\":\"ack\",\"u\":6}");
    assert_eq!(rig.home_messages(), [acknowledge(6)]);
    rig.text("{\"t\":\"ack\",\"u\":6}\n{\"a\":5}");
    assert_eq!(rig.home_messages(), []);
    rig.text("{\"t\":\"ping\",\"id\":1,\"a\":7}");
    assert_eq!(rig.home_messages(), [acknowledge(7)]);
}

#[test]
fn of_several_acks_in_one_step_the_home_hears_the_last() {
    let mut rig = Rig::live_at(0);
    rig.home(events(1..=9));
    rig.text("{\"a\":1}\n{\"a\":2}\n{\"a\":9}");
    assert_eq!(rig.home_messages(), [acknowledge(9)]);
}

#[test]
fn a_snapshot_and_a_cursor_count_as_acked() {
    let mut rig = Rig::live_at(5);
    rig.text("{\"t\":\"ack\",\"u\":5}");
    assert_eq!(rig.home_messages(), []);

    let mut rig = Rig::connected();
    rig.text(&hello(&good_token(), Some(("k1", 5))));
    rig.home(resumed(1, 9));
    rig.home_messages();
    rig.text("{\"t\":\"ack\",\"u\":5}");
    assert_eq!(rig.home_messages(), []);
    rig.assert_goes_on();
}

#[test]
fn acks_before_live_open_the_window() {
    let mut rig = Rig::opening();
    rig.home(fresh(1, 0, 1000));
    rig.home(events(1..=512));
    rig.text("{\"a\":512}");
    assert_eq!(rig.home_messages(), [acknowledge(512)]);
}

#[test]
fn an_ack_above_what_was_sent_is_refused_with_the_command_that_carries_it() {
    let mut rig = Rig::live_at(5);
    rig.text("{\"t\":\"ack\",\"u\":6}");
    assert_eq!(rig.frames(), ["err null bad_request"]);
    let with_ack = send(3, "bob").replacen('{', "{\"a\":6,", 1);
    rig.text(&with_ack);
    assert_eq!(rig.frames(), ["err 3 bad_request"]);
    rig.text("{\"t\":\"watch\",\"id\":4,\"a\":6}");
    assert_eq!(rig.frames(), ["err 4 bad_request"]);
    assert_eq!(rig.home_messages(), []);
    rig.assert_goes_on();
}

#[test]
fn an_ack_beside_an_unknown_command_counts() {
    let mut rig = Rig::live_at(0);
    rig.home(events([1]));
    rig.text("{\"t\":\"watch\",\"id\":4,\"a\":1}");
    assert_eq!(rig.home_messages(), [acknowledge(1)]);
}
