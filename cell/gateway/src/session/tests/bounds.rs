//! Whatever comes, a session neither panics nor grows without bound; and an idle one is small.

use proptest::prelude::*;

use super::*;
use crate::session::limits::BACKLOG_MAX;

#[test]
fn an_idle_session_is_small() {
    let rig = Rig::live_at(0);
    assert!(std::mem::size_of::<Session>() <= 320, "{}", std::mem::size_of::<Session>());
    assert_eq!(rig.session.pending.len(), 0);
}

/// Anything that can happen to a session.
#[derive(Debug, Clone)]
enum Input {
    Text(String),
    Binary,
    Home(FromHome),
    Reset,
    Pass(u64),
    Wrote,
    Drain,
    Taken,
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(hello(&good_token(), None)),
        Just(hello(&good_token(), Some(("k1", 3)))),
        (0u32..5).prop_map(|id| send(id, "bob")),
        (0u32..5).prop_map(history),
        (0u64..30).prop_map(|u| format!("{{\"t\":\"ack\",\"u\":{u}}}")),
        Just("{\"t\":\"ping\",\"id\":1}".to_owned()),
        Just("{}".to_owned()),
        "[ -~]{0,30}",
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let snapshot = |at| Snapshot { at: Useq::new(at), conversations: Vec::new(), next: None };
    let from_home = prop_oneof![
        (0u32..4, 0u64..20, 0u64..20, any::<bool>()).prop_map(move |(attempt, at, head, is_fresh)| {
            opened(attempt, head, is_fresh.then(|| (WhyFresh::New, snapshot(at))))
        }),
        (0u64..30, 1u64..5)
            .prop_map(|(useq, covers)| FromHome::Events { session: ID, events: vec![event(useq, covers)] }),
        (0u64..30, 1u64..5).prop_map(|(from, count)| events(from..from + count)),
        (0u64..20).prop_map(done),
        (0u64..20, any::<bool>()).prop_map(|(request, elsewhere)| failed(request, ErrorCode::Unavailable, elsewhere)),
        Just(FromHome::NotNow { session: ID }),
    ];
    prop_oneof![
        4 => proptest::collection::vec(line(), 1..6).prop_map(|lines| Input::Text(lines.join("\n"))),
        1 => Just(Input::Binary),
        5 => from_home.prop_map(Input::Home),
        1 => Just(Input::Reset),
        2 => (0u64..12_000).prop_map(Input::Pass),
        1 => Just(Input::Wrote),
        1 => Just(Input::Drain),
        2 => Just(Input::Taken),
    ]
}

proptest! {
    #[test]
    fn any_inputs_leave_the_session_sane(starts_well in any::<bool>(), inputs in proptest::collection::vec(input(), 1..80)) {
        let mut rig = if starts_well { Rig::live_at(3) } else { Rig::connected() };
        let (mut sent, mut answers) = (None, 0_usize);
        for input in inputs {
            let was_closed = rig.session.is_closed();
            match input {
                // As the transport does.
                Input::Text(text) if rig.session.wants_input(rig.outputs.frames.len()) => rig.text(&text),
                Input::Binary if rig.session.wants_input(rig.outputs.frames.len()) => rig.act(Session::binary),
                Input::Text(_) | Input::Binary => {}
                Input::Home(message) => rig.home(message),
                Input::Reset => rig.reset(&[key("alice"), with_bob().home()]),
                Input::Pass(ms) => rig.pass(ms),
                Input::Wrote => rig.act(|session, turn| session.wrote(turn, 0)),
                Input::Drain => rig.act(|session, turn| session.drain(turn, Duration::from_secs(60), "drain")),
                Input::Taken => {
                    rig.home_messages();
                }
            }
            prop_assert!(rig.session.pending.len() <= 64);
            prop_assert!(rig.outputs.frames.len() < BACKLOG_MAX);
            let frames = rig.raw_frames();
            prop_assert!(!was_closed || frames.is_empty(), "nothing is said after the end");
            answers += frames.len();
            for frame in frames {
                match frame["t"].as_str() {
                    Some("snap") => sent = frame["at"].as_u64(),
                    Some("ev") => {
                        let (useq, covers) = (frame["u"].as_u64().unwrap(), frame["n"].as_u64().unwrap_or(1));
                        if let Some(sent) = sent {
                            prop_assert_eq!(useq - covers, sent, "events are contiguous");
                        }
                        sent = Some(useq);
                    }
                    _ => {}
                }
            }
        }
        prop_assert!(answers < 5_000);
        // A session that is over wants nothing more.
        if rig.session.is_closed() {
            prop_assert_eq!(rig.session.next_wake_ms(rig.now()), None);
        }
    }
}
