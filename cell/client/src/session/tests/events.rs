//! The mailbox: order, gaps, repeats.

use super::*;

#[test]
fn events_are_handed_over_in_order_and_repeats_are_dropped() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11), event(10), event(11), event(12)]);
    assert_eq!(messages(&rig.take_all()), [10, 11, 12]);
}

#[test]
fn nothing_is_shown_over_a_gap_and_the_session_resumes_before_it() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(12), event(13)]);
    assert_eq!(messages(&rig.take_all()), [10]);
    assert_eq!(rig.disconnects, 1);
    rig.connect();
    assert_eq!(rig.hello().resume, Some(cursor("k1", 10)));
    rig.server([welcome("k1", None), event(11), event(12), event(13), live(13)]);
    assert_eq!(messages(&rig.take_all()), [11, 12, 13]);
}

#[test]
fn an_event_with_n_fills_the_numbers_that_became_void() {
    let mut rig = Rig::live(9);
    let read = EventKind::Read { conversation: conversation("bob"), user: user("bob"), upto: Cseq::new(4) };
    rig.server([event_of(14, 5, read.clone()), event_of(20, 5, read)]);
    assert_eq!(rig.take_all().len(), 2, "10 to 14, then the gap at 15");
    assert_eq!(rig.disconnects, 1);
}

#[test]
fn what_was_handed_over_but_not_taken_is_asked_for_again_and_not_handed_over_again() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event(11), event(12)]);
    assert_eq!(messages(&rig.hand_over()), [10, 11, 12]);
    rig.take(1);
    rig.close(None);
    rig.forget();
    rig.connect();
    assert_eq!(rig.hello().resume, Some(cursor("k1", 10)), "a resume acks, so it names only what was taken");
    rig.server([welcome("k1", None), event(11), event(12), event(13), live(13)]);
    assert_eq!(messages(&rig.hand_over()), [13]);
}

#[test]
fn a_snapshots_place_counts_as_acked_and_what_comes_after_it_only_when_taken() {
    let mut rig = Rig::new();
    rig.connect();
    rig.server([welcome("k1", Some(WhyFresh::New)), snapshot(9), event(10), live(10)]);
    rig.hand_over();
    rig.close(None);
    rig.connect();
    assert_eq!(rig.hello().resume, Some(cursor("k1", 9)));
    assert!(!rig.records.iter().any(|record| matches!(record, Record::Cursor(_))), "nothing was taken yet");
}

#[test]
fn the_session_is_not_live_before_everything_has_come() {
    let mut rig = Rig::live(9);
    rig.close(None);
    rig.connect();
    rig.server([welcome("k1", None), event(10), live(11)]);
    assert_eq!(rig.disconnects, 1);
    assert!(!rig.take_all().contains(&ClientEvent::Live));
}

#[test]
fn events_before_the_snapshot_are_not_believed() {
    let mut rig = Rig::new();
    rig.connect();
    rig.server([welcome("k1", Some(WhyFresh::New)), event(1), snapshot(1)]);
    assert_eq!(rig.disconnects, 1);
    assert_eq!(messages(&rig.take_all()), Vec::<u64>::new());
}

#[test]
fn unknown_kinds_are_skipped_and_acked() {
    let mut rig = Rig::live(9);
    rig.server([event(10), event_of(11, 1, EventKind::Unknown)]);
    assert_eq!(messages(&rig.take_all()), [10]);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.acks(), [11]);
}

#[test]
fn an_application_far_behind_makes_the_session_stop_reading_and_not_break() {
    let mut rig = Rig::live(0);
    rig.server((1..=1100).map(event));
    assert!(!rig.session.wants_text());
    rig.pass(Duration::from_secs(300));
    assert_eq!(rig.disconnects, 0, "what is not read says nothing about the server");
    rig.take_all();
    assert!(rig.session.wants_text());
}
