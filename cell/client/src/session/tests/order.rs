//! The order of sends to one target, through every refusal.

use super::*;

#[test]
fn a_pipelined_send_names_the_unanswered_one_before_it_to_the_same_target() {
    let mut rig = Rig::live(9);
    for (request, to) in [(1, "bob"), (2, "carol"), (3, "bob"), (4, "carol"), (5, "bob")] {
        rig.send(request, to);
    }
    assert_eq!(rig.sends(), [(1, 1, None), (2, 2, None), (3, 3, Some(1)), (4, 4, Some(2)), (5, 5, Some(3))]);
}

#[test]
fn a_send_behind_answered_ones_only_names_nothing() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.ok(1, 1);
    rig.forget();
    rig.send(2, "bob");
    assert_eq!(rig.sends(), [(2, 2, None)]);
}

#[test]
fn a_temporary_refusal_holds_its_target_and_all_go_again_in_order() {
    let mut rig = Rig::live(9);
    for (request, to) in [(1, "bob"), (2, "bob"), (3, "bob"), (4, "carol")] {
        rig.send(request, to);
    }
    rig.forget();
    rig.refuse(1, ErrorCode::Unavailable, Some(500));
    rig.refuse(2, ErrorCode::OutOfOrder, None);
    rig.refuse(3, ErrorCode::OutOfOrder, None);
    rig.send(5, "bob");
    rig.send(6, "carol");
    assert_eq!(rig.sends(), [(5, 6, Some(4))], "the other target goes on");
    rig.pass(Duration::from_millis(499));
    assert_eq!(rig.sends(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.sends(), [(6, 1, None), (7, 2, Some(1)), (8, 3, Some(2)), (9, 5, Some(3))]);
    assert!(rig.sent.is_empty(), "nobody hears of it");
}

#[test]
fn behind_a_final_refusal_the_next_ones_go_again_without_it() {
    let mut rig = Rig::live(9);
    for request in 1..=4 {
        rig.send(request, "bob");
    }
    rig.ok(1, 1);
    rig.forget();
    rig.refuse(2, ErrorCode::Denied, None);
    rig.refuse(3, ErrorCode::OutOfOrder, None);
    assert_eq!(rig.sends(), [(5, 3, None)], "what came before is answered");
    rig.refuse(4, ErrorCode::OutOfOrder, None);
    assert_eq!(rig.sends(), [], "its predecessor is on its way and may be refused again");
    rig.ok(5, 2);
    assert_eq!(rig.sends(), [(6, 4, None)]);
}

#[test]
fn refusals_in_any_order_of_their_answers_keep_the_order_of_the_sends() {
    let mut rig = Rig::live(9);
    for request in 1..=3 {
        rig.send(request, "bob");
    }
    rig.forget();
    rig.refuse(3, ErrorCode::OutOfOrder, None);
    rig.refuse(2, ErrorCode::OutOfOrder, None);
    assert_eq!(rig.sends(), []);
    rig.refuse(1, ErrorCode::Unavailable, None);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.sends(), [(4, 1, None), (5, 2, Some(1)), (6, 3, Some(2))]);
}

#[test]
fn a_pipeline_that_is_refused_as_a_whole_counts_as_one_failure() {
    for code in [ErrorCode::Unavailable, ErrorCode::SlowDown] {
        let mut rig = Rig::live(9);
        for request in 1..=20 {
            rig.send(request, "bob");
        }
        rig.forget();
        for id in 1..=20 {
            rig.refuse(id, code, None);
        }
        rig.pass(Duration::from_millis(200));
        assert_eq!(rig.sends().len(), 20, "{code:?}");
    }
}

#[test]
fn slow_down_holds_all_sends_for_the_time_it_names() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.forget();
    rig.refuse(1, ErrorCode::SlowDown, Some(900));
    rig.send(2, "carol");
    rig.pass(Duration::from_millis(899));
    assert_eq!(rig.sends(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.sends(), [(2, 1, None), (3, 2, None)]);
}

#[test]
fn refusals_in_a_row_wait_longer_and_longer_but_never_longer_than_30_s() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    let mut longest = Duration::ZERO;
    for id in 1..40 {
        rig.forget();
        rig.refuse(id, ErrorCode::Unavailable, None);
        let since = rig.now.elapsed;
        while rig.sends().is_empty() {
            rig.pass(Duration::from_millis(100));
            rig.server([ServerFrame::KeepAlive]);
        }
        longest = longest.max(rig.now.elapsed - since);
    }
    assert!(longest > Duration::from_secs(10) && longest <= Duration::from_millis(30_100), "{longest:?}");
}

#[test]
fn the_end_of_a_hold_is_not_missed_by_a_driver_that_asks_for_it_late() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.forget();
    rig.refuse(1, ErrorCode::Unavailable, Some(500));
    let held_until = rig.now.elapsed + Duration::from_millis(500);
    rig.set(held_until + Duration::from_millis(1));
    assert_eq!(rig.session.deadline(), Some(held_until));
}

#[test]
fn a_new_connection_keeps_the_order_of_what_was_held() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.send(2, "bob");
    rig.refuse(1, ErrorCode::Unavailable, Some(60_000));
    rig.close(None);
    rig.connect();
    rig.forget();
    rig.server([welcome("k1", None), live(9)]);
    assert_eq!(rig.sends(), [(1, 1, None), (2, 2, Some(1))]);
}
