//! Queries: asked until answered, for a limited time.

use super::*;
use crate::session::QUERIES_MAX;

fn ping(rig: &mut Rig, request: RequestId) {
    rig.input(Input::Query { request, command: Command::Ping });
}

fn ids(rig: &mut Rig) -> Vec<u32> {
    let frames = std::mem::take(&mut rig.frames);
    let id = |frame: &ClientFrame| match frame.message {
        ClientMessage::Command { id, command: Command::Ping } => Some(id),
        _ => None,
    };
    frames.iter().filter_map(id).collect()
}

fn pong(id: u32) -> ServerFrame {
    ServerFrame::Answer { id, answer: Answer::Pong { now: Timestamp::from_millis(id.into()) } }
}

#[test]
fn answers_find_their_queries_in_any_order() {
    let mut rig = Rig::live(9);
    ping(&mut rig, 10);
    ping(&mut rig, 11);
    assert_eq!(ids(&mut rig), [1, 2]);
    rig.server([pong(2), pong(1), pong(3)]);
    let answer = |ms| Answer::Pong { now: Timestamp::from_millis(ms) };
    let [(11, Ok(first)), (10, Ok(second))] = &rig.answers[..] else { panic!("{:?}", rig.answers) };
    assert_eq!((first, second), (&answer(2), &answer(1)));
}

#[test]
fn queries_may_go_out_before_live_and_are_asked_again_on_the_next_connection() {
    let mut rig = Rig::live(9);
    ping(&mut rig, 10);
    ping(&mut rig, 11);
    rig.server([pong(1)]);
    rig.close(None);
    ping(&mut rig, 12);
    rig.connect();
    rig.forget();
    rig.server([welcome("k1", None)]);
    assert_eq!(ids(&mut rig), [1, 2]);
    rig.server([pong(1), pong(2)]);
    let requests: Vec<_> = rig.answers.iter().map(|(request, _)| *request).collect();
    assert_eq!(requests, [10, 11, 12]);
}

#[test]
fn a_refused_query_is_answered_with_the_refusal() {
    let mut rig = Rig::live(9);
    ping(&mut rig, 10);
    rig.refuse(1, ErrorCode::NotFound, None);
    assert!(matches!(&rig.answers[..], [(10, Err(Error::Refused(frame)))] if frame.code == ErrorCode::NotFound));
}

#[test]
fn a_query_without_an_answer_ends_after_its_time_connected_or_not() {
    let mut rig = Rig::new();
    ping(&mut rig, 10);
    rig.pass(Duration::from_secs(30));
    assert!(matches!(rig.answers[..], [(10, Err(Error::TimedOut))]));

    let mut rig = Rig::live(9);
    ping(&mut rig, 10);
    rig.pass(Duration::from_secs(30));
    assert!(matches!(rig.answers[..], [(10, Err(Error::TimedOut))]));
    rig.server([pong(1)]);
    assert_eq!(rig.answers.len(), 1, "a late answer is nobody's");
}

#[test]
fn more_queries_than_the_limit_are_refused_at_once_and_sends_keep_their_room() {
    let mut rig = Rig::new();
    for request in 0..=QUERIES_MAX as u64 {
        ping(&mut rig, request);
    }
    assert!(matches!(rig.answers[..], [(request, Err(Error::Busy))] if request == QUERIES_MAX as u64));
}
