//! Properties of reading and writing: what one side writes the other reads, and no input does harm.

use bytes::Bytes;
use cell_protocol::{
    Answer, ClientFrame, ClientMessage, Command, ConversationRef, ConversationView, ErrorCode, ErrorFrame, Event,
    EventKind, Hello, Limits, MessageView, NoSuchConversation, Page, PageMore, Resume, ServerFrame, Snapshot, Target,
    Welcome, WhyFresh, parse_client, parse_server, split_lines, write_client, write_server,
};
use cell_types::{Body, ConversationId, ConversationKind, Cseq, DeviceId, Eseq, MessageId, Timestamp, Useq, UserId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn user() -> impl Strategy<Value = UserId> {
    "[^\\p{Cc}]{1,32}".prop_filter_map("at most 128 bytes", |text| text.parse().ok())
}

fn device() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|text| text.parse().expect("made of its characters"))
}

fn conversation() -> impl Strategy<Value = ConversationId> {
    (user(), user()).prop_map(|(one, other)| ConversationId::direct(&one, &other))
}

fn conversation_ref() -> impl Strategy<Value = ConversationRef> {
    prop_oneof![conversation().prop_map(Ok), Just(Err(NoSuchConversation))]
}

fn mid() -> impl Strategy<Value = MessageId> {
    any::<u128>().prop_map(MessageId::from_u128)
}

/// JSON text as somebody may have typed it: white space, escapes and repeated keys included, at most 8 levels.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,9})?",
        any::<String>().prop_map(|text| quoted(&text)),
        Just(r#""\u0041\/\ud83d\ude00\\""#.to_owned()),
    ];
    scalar.prop_recursive(8, 32, 4, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..4), "[ \t]?").prop_map(|(items, space)| format!("[{}{space}]", items.join(","))),
            (vec((any::<String>(), inner), 0..4), "[ \t]?").prop_map(|(fields, space)| {
                let fields = fields.iter().map(|(k, v)| format!("{}{space}:{v}", quoted(k)));
                format!("{{{space}{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn body() -> impl Strategy<Value = Body> {
    json().prop_map(|text| Body::from_checked(Bytes::from(text)))
}

fn cseq() -> impl Strategy<Value = Cseq> {
    any::<u64>().prop_map(Cseq::new)
}

fn useq() -> impl Strategy<Value = Useq> {
    any::<u64>().prop_map(Useq::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        Just(Page::Newest),
        cseq().prop_map(Page::Before),
        cseq().prop_map(Page::After),
        cseq().prop_map(Page::Around),
        any::<u64>().prop_map(|eseq| Page::Since(Eseq::new(eseq))),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let target = prop_oneof![user().prop_map(Target::User), conversation_ref().prop_map(Target::Conversation)];
    prop_oneof![
        (target, mid(), body(), option::of(mid())).prop_map(|(to, mid, body, after)| Command::Send {
            to,
            mid,
            body,
            after
        }),
        (conversation_ref(), page(), option::of(any::<u64>()))
            .prop_map(|(conversation, page, limit)| Command::History { conversation, page, limit }),
        (option::of("\\PC{0,20}"), option::of(any::<u64>()))
            .prop_map(|(cursor, limit)| Command::Conversations { cursor, limit }),
        (conversation_ref(), cseq()).prop_map(|(conversation, upto)| Command::Read { conversation, upto }),
        Just(Command::Ping),
    ]
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let resume = (".{0,16}", useq()).prop_map(|(ep, useq)| Resume { ep, useq });
    let hello = (any::<u32>(), device(), any::<String>(), option::of(resume))
        .prop_map(|(version, device, token, resume)| Hello { version, device, token, resume });
    let message = prop_oneof![
        Just(ClientMessage::KeepAlive),
        hello.prop_map(ClientMessage::Hello),
        (any::<u32>(), command()).prop_map(|(id, command)| ClientMessage::Command { id, command }),
    ];
    prop_oneof![
        (option::of(useq()), message).prop_map(|(ack, message)| ClientFrame { ack, message }),
        useq().prop_map(|upto| ClientFrame { ack: Some(upto), message: ClientMessage::Ack }),
    ]
}

fn message() -> impl Strategy<Value = MessageView> {
    let shown = prop_oneof![
        body().prop_map(|body| (Some(body), false)),
        Just((None, true)), // Deleted.
    ];
    (conversation(), cseq(), user(), option::of(mid()), time(), shown, any::<u32>()).prop_map(
        |(conversation, cseq, from, mid, ts, (body, deleted), rev)| MessageView {
            conversation,
            cseq,
            from,
            mid,
            ts,
            body,
            rev,
            deleted,
        },
    )
}

fn conversation_view() -> impl Strategy<Value = ConversationView> {
    (
        conversation(),
        prop_oneof![Just(ConversationKind::Direct), Just(ConversationKind::Group)],
        option::of(user()),
        option::of(any::<String>()),
        option::of(any::<u32>()),
        (cseq(), cseq()),
        vec(message(), 0..3),
    )
        .prop_map(|(id, kind, with, name, members, (head, read), last)| ConversationView {
            id,
            kind,
            with,
            name,
            members,
            head,
            read,
            last,
        })
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        message().prop_map(EventKind::Message),
        (conversation(), user(), cseq()).prop_map(|(conversation, user, upto)| EventKind::Read {
            conversation,
            user,
            upto
        }),
        (conversation(), user(), cseq()).prop_map(|(conversation, user, upto)| EventKind::Delivered {
            conversation,
            user,
            upto
        }),
        conversation_view().prop_map(EventKind::Conversation),
        Just(EventKind::Unknown),
    ];
    (useq(), 1..5_u64, kind).prop_map(|(useq, covers, kind)| Event { useq, covers, kind })
}

fn answer() -> impl Strategy<Value = Answer> {
    let more = prop_oneof![
        any::<bool>().prop_map(PageMore::OneWay),
        any::<(bool, bool)>().prop_map(|(before, after)| PageMore::Around { before, after }),
        any::<(bool, u64)>().prop_map(|(more, eseq)| PageMore::Since { more, eseq: Eseq::new(eseq) }),
    ];
    prop_oneof![
        (conversation(), cseq(), time(), any::<bool>()).prop_map(|(conversation, cseq, ts, again)| Answer::Sent {
            conversation,
            cseq,
            ts,
            again
        }),
        Just(Answer::Done),
        (conversation(), vec(message(), 0..4), more).prop_map(|(conversation, messages, more)| Answer::Page {
            conversation,
            messages,
            more
        }),
        (vec(conversation_view(), 0..3), option::of(any::<String>()))
            .prop_map(|(conversations, next)| Answer::Conversations { conversations, next }),
        time().prop_map(|now| Answer::Pong { now }),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let why = prop::sample::select(vec![WhyFresh::New, WhyFresh::Trimmed, WhyFresh::Epoch, WhyFresh::Ahead]);
    let limits = any::<[u64; 4]>().prop_map(|[frame, body, inflight, window]| Limits { frame, body, inflight, window });
    (user(), any::<[String; 3]>(), useq(), option::of(why), any::<u64>(), limits, time()).prop_map(
        |(user, [session, resume_token, ep], head, fresh, heartbeat_ms, limits, now)| Welcome {
            user,
            session,
            resume_token,
            ep,
            head,
            fresh,
            heartbeat_ms,
            limits,
            now,
        },
    )
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let error = (
        option::of(any::<u32>()),
        prop::sample::select(&ErrorCode::ALL[..]),
        option::of(any::<u64>()),
        any::<String>(),
    )
        .prop_map(|(id, code, retry_ms, message)| ErrorFrame { id, code, retry_ms, message });
    prop_oneof![
        Just(ServerFrame::KeepAlive),
        welcome().prop_map(ServerFrame::Welcome),
        (useq(), vec(conversation_view(), 0..3), option::of(any::<String>()))
            .prop_map(|(at, conversations, next)| ServerFrame::Snapshot(Snapshot { at, conversations, next })),
        event().prop_map(ServerFrame::Event),
        useq().prop_map(|head| ServerFrame::Live { head }),
        (any::<u32>(), answer()).prop_map(|(id, answer)| ServerFrame::Answer { id, answer }),
        error.prop_map(ServerFrame::Error),
        (any::<u64>(), option::of(any::<String>()), option::of(any::<String>()))
            .prop_map(|(after_ms, url, why)| ServerFrame::GoAway { after_ms, url, why }),
        Just(ServerFrame::Unknown),
    ]
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("frames are UTF-8")
}

/// Text that is almost a frame: pieces of frames in any order.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"t\"",
        "\"id\"",
        "\"a\"",
        "\"body\"",
        "\"to\"",
        "\"send\"",
        "\"hello\"",
        "\"ev\"",
        "\"msg\"",
        "\"k\"",
        "\"u\"",
        "1",
        "-1",
        "1.5",
        "null",
        "\"\\ud800\"",
        "\\",
        "\n",
        "\u{0}",
        "é",
        "\"",
        "{\"t\":",
        "\"resume\":{",
    ]);
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_server_reads_what_a_client_wrote(frame in client_frame()) {
        let line = written(|out| write_client(&frame, out));
        prop_assert!(!line.contains(['\n', '\r']), "one line: {}", line);
        prop_assert_eq!(parse_client(&line), Ok(frame), "{}", line);
    }

    #[test]
    fn a_client_reads_what_a_server_wrote(frame in server_frame()) {
        let line = written(|out| write_server(&frame, out));
        prop_assert!(!line.contains(['\n', '\r']), "one line: {}", line);
        prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&line).is_ok(), "JSON: {}", line);
        prop_assert_eq!(parse_server(&line).unwrap(), frame, "{}", line);
    }

    #[test]
    fn a_body_travels_from_sender_to_recipient_byte_for_byte(json in json(), before in "[ \t]{0,3}", behind in "[ \t]{0,3}") {
        let line = format!(
            r#"{{"t":"send","id":1,"to":{{"user":"bob"}},"mid":"01890a5d-ac96-774b-bcce-b302099a8057","body":{before}{json}{behind}}}"#
        );
        let ClientMessage::Command { command: Command::Send { body, mid, .. }, .. } = parse_client(&line).unwrap().message else {
            panic!("not a send: {line}");
        };
        prop_assert_eq!(body.as_bytes(), json.as_bytes());

        let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let message = MessageView {
            conversation: ConversationId::direct(&alice, &bob),
            cseq: Cseq::new(1),
            from: alice,
            mid: Some(mid),
            ts: Timestamp::default(),
            body: Some(body),
            rev: 0,
            deleted: false,
        };
        let event = ServerFrame::Event(Event { useq: Useq::new(1), covers: 1, kind: EventKind::Message(message) });
        let line = written(|out| write_server(&event, out));
        prop_assert!(line.contains(&format!("\"body\":{json}}}")), "{}", line);
        prop_assert_eq!(parse_server(&line).unwrap(), event);
    }

    #[test]
    fn arbitrary_text_is_answered_and_never_panics(text in prop_oneof![any::<String>(), nearly_a_frame()]) {
        for line in split_lines(&text) {
            if let Err(error) = parse_client(line) {
                prop_assert!(!error.message.is_empty());
            }
        }
        // Either verdict is right here; what counts is that there is one.
        drop(parse_client(&text));
        drop(parse_server(&text));
    }

    #[test]
    fn a_frame_cut_anywhere_is_malformed(frame in client_frame(), cut in any::<prop::sample::Index>()) {
        let line = written(|out| write_client(&frame, out));
        let cut = line.floor_char_boundary(cut.index(line.len()));
        prop_assert!(parse_client(&line[..cut]).is_err());
    }

    #[test]
    fn a_frame_with_one_byte_changed_never_panics(frame in client_frame(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut line = written(|out| write_client(&frame, out)).into_bytes();
        let at = at.index(line.len());
        line[at] = byte;
        drop(parse_client(&String::from_utf8_lossy(&line)));
        drop(parse_server(&String::from_utf8_lossy(&line)));
    }
}
