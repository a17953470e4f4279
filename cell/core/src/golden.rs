//! Golden vectors of everything that is stored: a change here means that older stores and logs cannot be read.
//!
//! `golden.txt` holds one line per example. A new kind adds a line; an existing line never changes.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use cell_types::*;

use crate::cell::{Cell, Position};
use crate::record::*;
use crate::row::*;
use crate::store::RowKey;
use crate::store::codec::{self, Row};
use crate::store::key::hex;
use crate::test_cell::{START, body, direct, position, user};
use crate::view::*;
use crate::{Batch, Command};

const GOLDEN: &str = include_str!("golden.txt");

/// Collects `name: hex` lines.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn line(&mut self, name: &str, bytes: &[u8]) {
        self.0.push(format!("{name}: {}", hex(bytes)));
    }

    fn row<K: RowKey + Debug, R: Row + PartialEq + Debug>(&mut self, key: K, row: R) {
        let bytes = key.to_bytes();
        assert_eq!(K::from_bytes(bytes.as_slice()), Some(key));
        self.line(&format!("{} key", R::NAME), bytes.as_slice());
        self.value(bytes.as_slice(), row);
    }

    fn value<R: Row + PartialEq + Debug>(&mut self, key: &[u8], row: R) {
        let mut value = Vec::new();
        codec::encode(key, &row, &mut value);
        assert_eq!(codec::decode::<R>(key, &value).unwrap(), row);
        self.line(&format!("{} row", R::NAME), &value);
    }
}

#[test]
fn stored_formats_match_their_golden_vectors() {
    let mut lines = Lines::default();
    user_rows(&mut lines);
    conversation_rows(&mut lines);
    lines.row(SigningKeyId(3), SigningKey { id: 3, secret: [1; 32], public: [2; 32], from: START, until: START });
    cell_rows(&mut lines);
    for command in commands() {
        let batch = Batch { stamp: START, commands: vec![command] };
        let bytes = batch.encode();
        assert_eq!(Batch::decode(&bytes).unwrap(), batch);
        let name = format!("{:?}", batch.commands[0]);
        lines.line(&format!("record {}", name.split('(').next().unwrap()), &bytes);
    }
    let expected: Vec<&str> = GOLDEN.lines().collect();
    assert_eq!(lines.0, expected, "stored formats changed:\n{}", lines.0.join("\n"));
}

#[test]
fn a_record_of_a_newer_format_or_with_a_tail_is_refused() {
    let mut bytes = Batch { stamp: START, commands: Vec::new() }.encode().to_vec();
    bytes.push(0);
    assert!(matches!(Batch::decode(&bytes), Err(crate::Error::BadRecord(_))));
    bytes[0] = 2;
    assert!(matches!(Batch::decode(&bytes), Err(crate::Error::NewerFormat { found: 2, known: 1 })));
    assert!(Batch::decode(&[]).is_err());
}

fn message() -> Message {
    Message {
        cseq: Cseq::new(5),
        eseq: Eseq::new(6),
        sender: user("alice"),
        mid: Some(MessageId::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057)),
        ts: START,
        body: Some(body("\"hello\"")),
        revision: 0,
    }
}

fn user_rows(lines: &mut Lines) {
    let (alice, conversation) = (user("alice").key(), direct("alice", "bob"));
    let device = Device { id: "phone".parse().unwrap(), acked: Useq::new(300), seen: START };
    let row = User {
        head: Useq::new(301),
        floor: Useq::new(17),
        first_block: 1,
        acked: Useq::new(300),
        receipted: Useq::new(299),
        devices: vec![device],
        ..User::new(user("alice"), HistoryEpoch::new(1))
    };
    lines.row(alice, row);
    let kinds = [
        MailboxKind::Conversation { conversation, with: user("bob") },
        MailboxKind::Message { conversation, message: message() },
        MailboxKind::Read { conversation, user: user("bob"), upto: Cseq::new(5) },
        MailboxKind::Delivered { conversation, user: user("bob"), upto: Cseq::new(5) },
    ];
    let entries = kinds.map(|kind| Arc::new(MailboxEntry { at: START, kind })).to_vec();
    lines.row(MailboxBlockKey { user: alice, block: 2 }, MailboxBlock { entries });
    let member = Member {
        incarnation: 0,
        eseq: Eseq::new(6),
        with: user("bob"),
        head: Cseq::new(5),
        read: Cseq::new(4),
        peer_read: Cseq::new(3),
        peer_delivered: Cseq::new(5),
        recents: vec![Useq::new(200), Useq::new(301)],
    };
    lines.row(MemberKey { user: alice, conversation }, member);
    lines.row(ActivityKey::new(alice, Useq::new(301)), conversation);
}

fn conversation_rows(lines: &mut Lines) {
    let id = direct("alice", "bob");
    let mut row = Conversation::direct(&user("alice"), &user("bob"));
    (row.head, row.eseq, row.entries, row.buckets) = (Cseq::new(5), Eseq::new(6), 4, 1);
    (row.participants[0].read, row.participants[1].forgotten) = (Cseq::new(4), Cseq::new(1));
    lines.row(id, row);
    let mut block = MessageBlock::default();
    block.push(Arc::new(message()), [9; 16]);
    lines.row(MessageBlockKey { conversation: id, block: 2 }, block);
    let events = vec![Event::Message(Cseq::new(5)), Event::Message(Cseq::new(6))];
    lines.row(EventBlockKey { conversation: id, block: 2 }, EventBlock { events });
    let mut bucket = Bucket::default();
    bucket.push(Sent { print: 0x0102_0304, cseq: Cseq::new(5) });
    lines.row(BucketKey { conversation: id, bucket: 3 }, bucket);
    lines
        .row(OutboxKey { conversation: id, member: user("bob").key() }, Outbox { incarnation: 0, taken: Eseq::new(6) });
}

fn cell_rows(lines: &mut Lines) {
    let registered = Registered {
        node: NodeId::new(1),
        replica: "c0-0".parse().unwrap(),
        volume: VolumeId::new(1),
        boot: BootCount::new(2),
        retired: false,
    };
    let identity =
        Identity { cluster: "test".parse().unwrap(), cell: "c0".parse().unwrap(), incarnation: Incarnation::new(1) };
    let cell = Cell {
        identity: Some(identity),
        ranges: vec![(KeyRange::ALL, Epoch::new(1))],
        registry: vec![registered],
        next_node: NodeId::new(2),
        ..Cell::default()
    };
    lines.value(Cell::KEY, cell);
    let position = Position {
        applied: Some(position(9)),
        membership: Some((position(3), Bytes::from_static(b"members"))),
        log_time: START,
        digest: 0x0123_4567_89ab_cdef,
    };
    lines.value(Position::KEY, position);
}

fn commands() -> Vec<Command> {
    let replica: ReplicaName = "c0-1".parse().unwrap();
    let send = SendMessage {
        sender: user("alice"),
        to: Recipient::User(user("bob")),
        mid: MessageId::from_u128(7),
        body: body("1"),
        after: Some(MessageId::from_u128(6)),
    };
    let ack = DeviceAck { user: user("bob"), device: "phone".parse().unwrap(), acked: Useq::new(300) };
    vec![
        crate::test_cell::founding(vec![(KeyRange::ALL, Epoch::new(1))]),
        Command::Send(send.clone()),
        Command::Send(SendMessage { to: Recipient::Conversation(direct("alice", "bob")), after: None, ..send }),
        MarkRead { reader: user("bob"), conversation: direct("alice", "bob"), upto: Cseq::new(300) }.into(),
        Acknowledge { devices: vec![ack] }.into(),
        Sweep { from: vec![1, 2], entities_max: 300 }.into(),
        Command::ChangeSetting(Setting::DedupeKeepEntries(300)),
        Activate { version: 1 }.into(),
        CompareDigest { index: 300, digest: 1 }.into(),
        RegisterVolume { replica, volume: VolumeId::new(1) }.into(),
        ReportBoot { node: NodeId::new(1), boot: BootCount::new(2) }.into(),
        RetireNode { node: NodeId::new(1) }.into(),
        Command::AddSigningKey(SigningKey { id: 3, secret: [1; 32], public: [2; 32], from: START, until: START }),
        Command::RetireSigningKey(RetireSigningKey { id: 3 }),
    ]
}
