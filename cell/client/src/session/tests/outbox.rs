//! The outbox: kept before sent, sent until answered.

use super::*;
use crate::error::SendFailure;
use crate::session::{OUTBOX_LEN_MAX, SENDS_IN_FLIGHT_MAX};

#[test]
fn a_send_is_kept_before_it_goes_out() {
    let mut rig = Rig::live(9);
    rig.session.handle(rig.now, Input::Send { request: 1, to: user("bob").into(), body: to_body("hi").unwrap() });
    let outputs = rig.session.take_outputs(rig.now);
    let [Output::Persist { records, synced: true }, Output::Transmit(_), Output::InOutbox { request: 1, mid }] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    let tried = Some(rig.now.unix);
    let send = SavedSend { mid: *mid, to: user("bob").into(), body: to_body("hi").unwrap(), tried };
    assert_eq!(records[..], [Record::Send(send)]);
}

#[test]
fn one_write_keeps_all_sends_that_came_together() {
    let mut rig = Rig::live(9);
    for request in 1..=10 {
        rig.session.handle(rig.now, Input::Send { request, to: user("bob").into(), body: to_body("hi").unwrap() });
    }
    let outputs = rig.session.take_outputs(rig.now);
    let persists = outputs.iter().filter(|output| matches!(output, Output::Persist { .. })).count();
    let messages = outputs.iter().filter(|output| matches!(output, Output::Transmit(_))).count();
    assert_eq!((persists, messages), (1, 1));
}

#[test]
fn an_answered_send_leaves_the_outbox() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    let id = rig.sends()[0].0;
    rig.forget();
    rig.ok(id, 5);
    let mid = rig.mid(1);
    assert_eq!(rig.records, [Record::Done(mid)]);
    let sent = Sent { mid, conversation: conversation("bob"), cseq: Cseq::new(5), ts: Timestamp::from_millis(1) };
    assert!(matches!(rig.sent[..], [(1, Ok(got))] if got == sent));
    rig.close(None);
    rig.reconnect(9);
    assert_eq!(rig.sends(), []);
}

#[test]
fn sends_wait_for_live() {
    let mut rig = Rig::new();
    rig.send(1, "bob");
    assert_eq!(rig.in_outbox.len(), 1, "durable without a connection");
    assert!(matches!(&rig.records[..], [Record::Send(send)] if send.tried.is_none()));
    rig.connect();
    rig.server([welcome("k1", Some(WhyFresh::New)), snapshot(0)]);
    assert_eq!(rig.sends(), []);
    rig.forget();
    rig.server([live(0)]);
    assert_eq!(rig.sends(), [(1, 1, None)]);
    assert_eq!(rig.records, [Record::Tried { mid: rig.mid(1), at: rig.now.unix }], "kept before it goes out");
}

#[test]
fn unanswered_sends_go_out_again_with_the_same_mid_after_live() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.send(2, "bob");
    assert_eq!(rig.sends(), [(1, 1, None), (2, 2, Some(1))]);
    rig.ok(1, 5);
    rig.close(None);
    rig.connect();
    rig.server([welcome("k1", None)]);
    assert_eq!(rig.sends(), []);
    rig.server([live(9)]);
    assert_eq!(rig.sends(), [(1, 2, None)]);
}

#[test]
fn what_a_crashed_process_left_in_the_store_goes_out_in_its_order() {
    let tried = Some(Timestamp::from_millis(1_790_000_000_000 - 5));
    let saved = Saved { sends: [saved_send(2, tried), saved_send(1, None)].into(), ..Saved::default() };
    let mut rig = Rig::with(saved, |_| {});
    rig.in_outbox = vec![(20, MessageId::from_u128(2)), (10, MessageId::from_u128(1))];
    rig.connect();
    rig.go_live_from_snapshot(0);
    assert_eq!(rig.sends(), [(1, 20, None), (2, 10, Some(20))]);
}

#[test]
fn ones_own_message_in_the_mailbox_answers_its_send_even_if_the_ok_was_lost() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    rig.close(None);
    rig.connect();
    let own = message("alice", 5, rig.mid(1).as_u128());
    rig.forget();
    rig.server([welcome("k1", None), event_of(10, 1, EventKind::Message(own)), live(10)]);
    assert!(matches!(rig.sent[..], [(1, Ok(Sent { cseq, .. }))] if cseq.get() == 5));
    assert_eq!(rig.sends(), []);
}

#[test]
fn another_users_message_with_the_same_mid_answers_nothing() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    let theirs = message("bob", 5, rig.mid(1).as_u128());
    rig.server([event_of(10, 1, EventKind::Message(theirs))]);
    assert!(rig.sent.is_empty());
}

#[test]
fn final_refusals_leave_the_outbox_and_are_reported_with_their_code() {
    let codes = [
        ErrorCode::MidReuse,
        ErrorCode::Denied,
        ErrorCode::Blocked,
        ErrorCode::NotFound,
        ErrorCode::TooLarge,
        ErrorCode::BadRequest,
    ];
    for code in codes {
        let mut rig = Rig::live(9);
        rig.send(1, "bob");
        rig.forget();
        rig.refuse(1, code, None);
        let why = SendFailure::Refused { code, message: "no".into() };
        assert!(matches!(&rig.sent[..], [(1, Err(Error::Send(failure)))] if *failure == why));
        let mid = rig.mid(1);
        assert_eq!(rig.take_all(), [ClientEvent::SendFailed { mid, to: user("bob").into(), why }]);
        assert_eq!(rig.records, [Record::Done(mid)]);
    }
}

#[test]
fn a_send_first_tried_more_than_30_days_ago_is_reported_as_unknown_and_never_sent_again() {
    let now = Timestamp::from_millis(1_790_000_000_000);
    let old = saved_send(1, Some(now.minus(30 * DAY + Duration::from_secs(1))));
    let young = saved_send(2, Some(now.minus(29 * DAY)));
    let unsent = saved_send(3, None);
    let mut rig = Rig::with(Saved { sends: [old, young, unsent].into(), ..Saved::default() }, |_| {});
    rig.in_outbox = (1..=3).map(|n| (n, MessageId::from_u128(n.into()))).collect();
    rig.input(Input::Tick);
    let failed = ClientEvent::SendFailed { mid: rig.mid(1), to: user("bob").into(), why: SendFailure::Unknown };
    assert_eq!(rig.take_all(), [failed], "said without a connection");
    assert_eq!(rig.records, [Record::Done(rig.mid(1))]);
    rig.connect();
    rig.go_live_from_snapshot(0);
    assert_eq!(rig.sends(), [(1, 2, None), (2, 3, Some(2))]);
}

#[test]
fn at_most_a_window_of_sends_is_on_its_way_and_never_more_than_the_server_allows() {
    for (inflight, expected) in [(64, SENDS_IN_FLIGHT_MAX), (10, 10), (0, 1)] {
        let mut rig = Rig::new();
        rig.connect();
        let limits = Limits { frame: 131_072, body: 65_536, inflight, window: 512 };
        rig.server([welcome_with("k1", Some(WhyFresh::New), limits), snapshot(0), live(0)]);
        for request in 1..=50 {
            rig.send(request, "bob");
        }
        assert_eq!(rig.sends().len(), expected);
        rig.ok(1, 1);
        assert_eq!(rig.sends().len(), 1, "an answer makes room for the next");
    }
}

#[test]
fn a_message_too_large_for_this_server_fails_instead_of_closing_the_connection() {
    let mut rig = Rig::new();
    rig.connect();
    let limits = Limits { frame: 200, body: 100, inflight: 64, window: 512 };
    rig.server([welcome_with("k1", Some(WhyFresh::New), limits), snapshot(0), live(0)]);
    rig.input(Input::Send { request: 1, to: user("bob").into(), body: to_body(&"x".repeat(300)).unwrap() });
    assert!(matches!(rig.sent[..], [(1, Err(Error::Send(SendFailure::TooLarge)))]));
    assert_eq!(rig.sends(), []);
}

#[test]
fn a_full_outbox_takes_no_more_and_failures_that_nobody_took_count() {
    let mut rig = Rig::with(
        Saved { sends: (2..=OUTBOX_LEN_MAX as u128).map(|n| saved_send(n, None)).collect(), ..Saved::default() },
        |_| {},
    );
    rig.send(1, "bob");
    rig.send(2, "bob");
    assert_eq!(rig.in_outbox.len(), 1);
    assert!(matches!(rig.sent[..], [(2, Err(Error::OutboxFull))]));
}

#[test]
fn a_send_that_is_never_answered_makes_the_session_connect_anew() {
    let mut rig = Rig::live(9);
    rig.send(1, "bob");
    for _ in 0..3 {
        rig.pass(Duration::from_secs(10));
        rig.server([ServerFrame::KeepAlive]);
    }
    assert_eq!(rig.disconnects, 1);
}
