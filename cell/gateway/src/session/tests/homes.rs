//! A home that moves, fails or comes back, without the client's noticing.

use super::*;

fn opens(rig: &mut Rig) -> Vec<(u32, OpenFrom)> {
    let opens = rig.home_messages().into_iter().filter_map(|(_, message)| match message {
        ToHome::Open(open) => Some((open.attempt, open.from)),
        _ => None,
    });
    opens.collect()
}

fn sent(sent: u64, acked: u64) -> OpenFrom {
    OpenFrom::Sent { ep: HistoryEpoch::new(1), sent: Useq::new(sent), acked: Useq::new(acked) }
}

#[test]
fn after_a_reset_the_session_goes_on_from_what_it_was_sent() {
    let mut rig = Rig::live_at(5);
    rig.home(events([6, 7]));
    rig.text("{\"a\":6}");
    rig.home_messages();
    rig.frames();

    rig.reset(&[key("alice")]);
    assert_eq!(opens(&mut rig), [(2, sent(7, 6))]);
    rig.home(resumed(2, 9));
    rig.home(events([8, 9]));
    assert_eq!(rig.frames(), ["ev 8", "ev 9"], "no second welcome, no second live");
}

#[test]
fn a_session_that_was_not_welcomed_yet_is_opened_as_at_first() {
    let mut rig = Rig::connected();
    rig.text(&hello(&good_token(), Some(("k1", 5))));
    let first = opens(&mut rig);
    rig.reset(&[key("alice")]);
    let second = opens(&mut rig);
    assert_eq!((first[0].0, second[0].0), (1, 2));
    assert_eq!(first[0].1, second[0].1);
}

#[test]
fn an_answer_to_an_earlier_open_is_ignored() {
    let mut rig = Rig::opening();
    rig.reset(&[key("alice")]);
    rig.home(fresh(1, 5, 5));
    rig.home(events([6]));
    assert_eq!(rig.frames(), [""; 0]);
    rig.home(fresh(2, 7, 7));
    assert_eq!(rig.frames(), ["welcome fresh=new", "snap 7", "live 7"]);
    rig.home(fresh(2, 7, 7));
    assert_eq!(rig.frames(), [""; 0]);
}

#[test]
fn events_that_come_twice_are_sent_once() {
    let mut rig = Rig::live_at(5);
    rig.reset(&[key("alice")]);
    // The old home's, still on the way.
    rig.home(events([6]));
    rig.home(resumed(2, 7));
    rig.home(events([6, 7]));
    assert_eq!(rig.frames(), ["ev 6", "ev 7"]);
}

#[test]
fn an_event_that_stands_for_several_is_cut_to_what_is_new() {
    let mut rig = Rig::live_at(5);
    rig.home(FromHome::Events { session: ID, events: vec![event(8, 3)] });
    rig.home(FromHome::Events { session: ID, events: vec![event(8, 3), event(10, 4)] });
    assert_eq!(rig.frames(), ["ev 8 n=3", "ev 10 n=2"]);
}

#[test]
fn a_gap_is_never_passed_on_but_asked_about() {
    let mut rig = Rig::live_at(5);
    rig.home(events([7]));
    assert_eq!(rig.frames(), [""; 0]);
    rig.pass(100);
    assert_eq!(opens(&mut rig), [(2, sent(5, 5))]);
    rig.home(resumed(2, 7));
    rig.home(events([6, 7]));
    assert_eq!(rig.frames(), ["ev 6", "ev 7"]);
}

#[test]
fn acks_while_the_home_is_away_are_told_when_it_is_back() {
    let mut rig = Rig::live_at(5);
    rig.home(events([6, 7]));
    rig.reset(&[key("alice")]);
    rig.home_messages();
    rig.text("{\"a\":7}");
    assert_eq!(rig.home_messages(), []);
    rig.home(resumed(2, 7));
    assert_eq!(rig.home_messages(), [(key("alice"), ToHome::Acknowledge { session: ID, upto: Useq::new(7) })]);
}

#[test]
fn a_new_home_that_does_not_honour_what_was_sent_makes_the_client_start_anew() {
    let other_epoch =
        FromHome::Opened(Opened { session: ID, attempt: 2, ep: HistoryEpoch::new(2), head: Useq::new(5), fresh: None });
    for answer in [fresh(2, 9, 9), other_epoch] {
        let mut rig = Rig::live_at(5);
        rig.reset(&[key("alice")]);
        rig.home(answer);
        assert_eq!(rig.closed(), Some(CloseCode::CursorTrimmed));
    }
}

#[test]
fn after_a_reset_unanswered_commands_are_sent_again_in_their_order() {
    let mut rig = Rig::live_at(5);
    rig.text(&[send(1, "bob"), send(2, "bob"), history(3), send(4, "bob")].join("\n"));
    rig.home(done(2));
    rig.home_messages();
    rig.reset(&[with_bob().home()]);
    assert_eq!(rig.requests(), [1, 3, 4]);
}

#[test]
fn a_reset_of_other_homes_changes_nothing() {
    let mut rig = Rig::live_at(5);
    rig.text(&send(1, "bob"));
    rig.home_messages();
    rig.reset(&[PlacementKey::new(1)]);
    assert_eq!(rig.home_messages(), []);
}

#[test]
fn a_command_that_its_home_refused_for_not_being_it_is_sent_again_shortly() {
    let mut rig = Rig::live_at(0);
    rig.text(&send(1, "bob"));
    rig.home_messages();
    rig.home(failed(1, ErrorCode::Unavailable, true));
    assert_eq!(rig.frames(), [""; 0]);
    rig.pass(99);
    assert_eq!(rig.requests(), [] as [u64; 0]);
    rig.pass(1);
    assert_eq!(rig.requests(), [1]);
    rig.home(done(1));
    assert_eq!(rig.frames(), ["ok 1"]);
}

#[test]
fn later_sends_to_that_home_do_not_overtake_a_refused_one() {
    let mut rig = Rig::live_at(0);
    rig.text(&send(1, "bob"));
    rig.home_messages();
    rig.home(failed(1, ErrorCode::Unavailable, true));
    rig.text(&[send(2, "bob"), history(3)].join("\n"));
    assert_eq!(rig.requests(), [3], "a page overtakes nobody");
    rig.reset(&[with_bob().home()]);
    assert_eq!(rig.requests(), [1, 2, 3]);
}

#[test]
fn commands_refused_one_after_the_other_go_again_in_their_order() {
    let mut rig = Rig::live_at(0);
    rig.text(&[send(1, "bob"), send(2, "bob"), history(3), history(4), history(5)].join("\n"));
    assert_eq!(rig.requests(), [1, 2, 3, 4]);
    rig.home(failed(2, ErrorCode::Unavailable, true));
    rig.home(failed(3, ErrorCode::Unavailable, true));
    rig.text("{}");
    rig.pass(50);
    rig.home(failed(1, ErrorCode::Unavailable, true));
    rig.home(done(4));
    assert_eq!(rig.requests(), [5]);
    rig.pass(50);
    assert_eq!(rig.requests(), [3]);
    rig.pass(50);
    assert_eq!(rig.requests(), [1, 2]);
}

#[test]
fn a_home_that_is_busy_is_asked_again_shortly() {
    let mut rig = Rig::opening();
    rig.home(FromHome::NotNow { session: ID });
    assert_eq!(opens(&mut rig), []);
    rig.pass(100);
    assert_eq!(opens(&mut rig), [(2, OpenFrom::Nothing)]);
}

#[test]
fn an_open_session_whose_home_gave_it_up_asks_again() {
    let mut rig = Rig::live_at(5);
    rig.home(events([6]));
    rig.home(FromHome::NotNow { session: ID });
    rig.pass(100);
    assert_eq!(opens(&mut rig), [(2, sent(6, 5))]);
    rig.home(resumed(2, 7));
    rig.home(events([7]));
    assert_eq!(rig.frames(), ["ev 6", "ev 7"]);
}

#[test]
fn a_home_that_never_opens_the_session_costs_the_client_ten_seconds() {
    let mut rig = Rig::opening();
    rig.pass(9_999);
    rig.assert_goes_on();
    rig.pass(1);
    assert_eq!(rig.frames(), ["err null unavailable"]);
    assert_eq!(rig.closed(), Some(CloseCode::Overload));
}

#[test]
fn a_refused_send_that_a_later_one_overtook_is_told_to_its_client_and_never_sent_again() {
    let mut rig = Rig::live_at(0);
    rig.text(&[send(1, "bob"), send(2, "bob")].join("\n"));
    rig.home_messages();
    rig.home(failed(1, ErrorCode::Unavailable, true));
    rig.pass(500);
    assert_eq!(rig.requests(), [] as [u64; 0], "the second may be carried out still");
    rig.home(done(2));
    assert_eq!(rig.frames(), ["err 1 unavailable", "ok 2"]);
    rig.pass(500);
    assert_eq!(rig.requests(), [] as [u64; 0]);
}

#[test]
fn sends_that_were_refused_together_are_sent_again_together() {
    let mut rig = Rig::live_at(0);
    rig.text(&[send(1, "bob"), send(2, "bob")].join("\n"));
    rig.home_messages();
    rig.home(failed(1, ErrorCode::Unavailable, true));
    rig.home(failed(2, ErrorCode::Unavailable, true));
    rig.pass(200);
    assert_eq!(rig.requests(), [1, 2]);
}
