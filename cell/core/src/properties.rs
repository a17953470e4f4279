//! What holds whatever is done in whatever order: density, order, dedupe, watermarks, and that a replica is its log.

use std::collections::{BTreeMap, BTreeSet};

use cell_types::{Cseq, Useq};
use proptest::prelude::*;

use crate::record::*;
use crate::test_cell::*;
use crate::view::*;
use crate::{Batch, Command, LogPosition, Reply, SnapshotWriter, State};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Something that a user, a device or the housekeeping does.
#[derive(Debug, Clone)]
enum Step {
    Send { from: usize, to: usize, mid: u128, after: Option<u128>, text: u8 },
    Read { reader: usize, with: usize, upto: u64 },
    Ack { user: usize, device: u8, upto: u64 },
    Sweep { entities: u32 },
    Days(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let person = || 0..USERS.len();
    prop_oneof![
        10 => (person(), person(), 0..60_u128, prop::option::weighted(0.3, 0..60_u128), 0..2_u8)
            .prop_map(|(from, to, mid, after, text)| Step::Send { from, to, mid, after, text }),
        3 => (person(), person(), 0..12_u64).prop_map(|(reader, with, upto)| Step::Read { reader, with, upto }),
        4 => (person(), 0..3_u8, 0..60_u64).prop_map(|(user, device, upto)| Step::Ack { user, device, upto }),
        2 => (1..9_u32).prop_map(|entities| Step::Sweep { entities }),
        1 => (0..20_u64).prop_map(Step::Days),
    ]
}

/// Settings so small that everything that expires does.
fn small_windows() -> Vec<Command> {
    [
        Setting::MailboxKeepEntries(16),
        Setting::MailboxEntriesMax(40),
        Setting::DedupeKeepEntries(64),
        Setting::MailboxKeepMillis(0),
    ]
    .map(Command::ChangeSetting)
    .to_vec()
}

/// The log that these steps make, some to an entry.
fn log(steps: &[Step]) -> Vec<(LogPosition, Batch)> {
    let mut stamp = START;
    let founding =
        [vec![founding(vec![(cell_types::KeyRange::ALL, cell_types::Epoch::new(1))])], small_windows()].concat();
    let mut log = vec![(position(1), Batch { stamp, commands: founding })];
    let mut from = Vec::new();
    for steps in steps.chunks(3) {
        let mut commands = Vec::new();
        for step in steps {
            commands.push(match step {
                Step::Send { from, to, mid, after, text } => Command::Send(SendMessage {
                    sender: user(USERS[*from]),
                    to: Recipient::User(user(USERS[*to])),
                    mid: cell_types::MessageId::from_u128(*mid),
                    body: body(&format!("body {text}")),
                    after: after.map(cell_types::MessageId::from_u128),
                }),
                Step::Read { reader, with, upto } => {
                    let conversation = direct(USERS[*reader], USERS[*with]);
                    MarkRead { reader: user(USERS[*reader]), conversation, upto: Cseq::new(*upto) }.into()
                }
                Step::Ack { user: id, device, upto } => {
                    let device = format!("d{device}").parse().unwrap();
                    Acknowledge { devices: vec![DeviceAck { user: user(USERS[*id]), device, acked: Useq::new(*upto) }] }
                        .into()
                }
                Step::Sweep { entities } => Sweep { from: std::mem::take(&mut from), entities_max: *entities }.into(),
                Step::Days(days) => {
                    stamp = stamp.plus(DAY * u32::try_from(*days).unwrap());
                    Sweep { from: std::mem::take(&mut from), entities_max: 3 }.into()
                }
            });
        }
        log.push((position(log.len() as u64 + 1), Batch { stamp, commands }));
    }
    log
}

fn apply(state: &mut State, log: &[(LogPosition, Batch)]) -> (Vec<Reply>, Vec<crate::Effect>) {
    let (mut replies, mut effects) = (Vec::new(), Vec::new());
    for (at, batch) in log {
        let batch = Batch::decode(&batch.encode()).unwrap();
        replies.extend(state.apply(*at, &batch, &mut effects).unwrap());
    }
    (replies, effects)
}

fn checkpoint(state: &mut State) {
    let checkpoint = state.begin_checkpoint().unwrap();
    checkpoint.write().unwrap();
    state.end_checkpoint(checkpoint);
}

/// Every row, and where the state stands.
fn dump(state: &mut State) -> Vec<(Vec<u8>, Vec<u8>)> {
    checkpoint(state);
    rows(&state.snapshot().unwrap(), usize::MAX)
}

fn fresh() -> State {
    State::open(Memory::default().database()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn numbers_are_dense_retries_change_nothing_and_every_mailbox_has_everything_in_order(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let log = log(&steps);
        let mut state = fresh();
        let (replies, effects) = apply(&mut state, &log);
        let commands: Vec<_> = log.iter().flat_map(|(_, batch)| &batch.commands).collect();
        let mut stored: BTreeMap<_, Vec<(u128, u64)>> = BTreeMap::new();
        for (command, reply) in commands.iter().zip(&replies) {
            if let (Command::Send(send), Reply::Sent { conversation, cseq, again: false, .. }) = (command, reply) {
                stored.entry(*conversation).or_default().push((send.mid.as_u128(), cseq.get()));
            }
        }
        for (conversation, messages) in &stored {
            let numbers: Vec<u64> = messages.iter().map(|(_, cseq)| *cseq).collect();
            prop_assert_eq!(&numbers, &(1..=messages.len() as u64).collect::<Vec<_>>(), "{} is dense", conversation);
        }
        // Every mailbox: dense from 1, and each conversation in it once and in order, whoever reads it.
        let mut next: BTreeMap<_, u64> = BTreeMap::new();
        let mut seen: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut marks: BTreeMap<_, u64> = BTreeMap::new();
        for effect in &effects {
            let crate::Effect::Appended { user, useq, entry } = effect else { continue };
            let expected = next.entry(*user).or_default();
            *expected += 1;
            prop_assert_eq!(useq.get(), *expected);
            match &entry.kind {
                MailboxKind::Conversation { conversation, .. } => prop_assert!(known.insert((*user, *conversation))),
                MailboxKind::Message { conversation, message } => {
                    prop_assert!(known.contains(&(*user, *conversation)));
                    seen.entry((*user, *conversation)).or_default().push(message.cseq.get());
                }
                MailboxKind::Read { conversation, user: of, upto } => {
                    let mark = marks.entry((*user, *conversation, of.clone(), "read")).or_default();
                    prop_assert!(upto.get() > *mark);
                    *mark = upto.get();
                }
                MailboxKind::Delivered { conversation, user: of, upto } => {
                    let mark = marks.entry((*user, *conversation, of.clone(), "delivered")).or_default();
                    prop_assert!(upto.get() > *mark);
                    *mark = upto.get();
                }
            }
        }
        for ((_, conversation), numbers) in &seen {
            prop_assert_eq!(numbers, &(1..=stored[conversation].len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn replay_equals_live_and_two_replicas_are_equal_wherever_they_checkpoint(
        steps in prop::collection::vec(step(), 1..120),
        cuts in prop::collection::vec(0..40_usize, 0..4),
    ) {
        let log = log(&steps);
        let (mut straight, mut other) = (fresh(), fresh());
        let expected = apply(&mut straight, &log);
        let mut got = (Vec::new(), Vec::new());
        let mut under_way = None;
        for (n, entry) in log.iter().enumerate() {
            let (replies, effects) = apply(&mut other, std::slice::from_ref(entry));
            got.0.extend(replies);
            got.1.extend(effects);
            // A checkpoint begins at one cut and ends at the next, so that entries fall in between.
            for _ in cuts.iter().filter(|cut| **cut == n) {
                match under_way.take() {
                    None => under_way = other.begin_checkpoint(),
                    Some(begun) => {
                        crate::Checkpoint::write(&begun).unwrap();
                        other.end_checkpoint(begun);
                    }
                }
            }
        }
        if let Some(begun) = under_way {
            begun.write().unwrap();
            other.end_checkpoint(begun);
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(other.digest(), straight.digest());
        prop_assert_eq!(dump(&mut other), dump(&mut straight));
    }

    #[test]
    fn a_crash_after_any_checkpoint_and_a_replay_equal_a_life_without(
        steps in prop::collection::vec(step(), 1..120),
        cut in 0..40_usize,
    ) {
        let log = log(&steps);
        let cut = cut.min(log.len());
        let mut straight = fresh();
        apply(&mut straight, &log);
        let memory = Memory::default();
        let mut state = State::open(memory.database()).unwrap();
        apply(&mut state, &log[..cut]);
        checkpoint(&mut state);
        apply(&mut state, &log[cut..]);
        drop(state);
        let mut state = State::open(memory.database()).unwrap();
        prop_assert_eq!(state.applied().0.map_or(0, |at| at.index), cut as u64);
        apply(&mut state, &log[cut..]);
        prop_assert_eq!(state.digest(), straight.digest());
        prop_assert_eq!(dump(&mut state), dump(&mut straight));
    }

    #[test]
    fn a_snapshot_and_the_tail_equal_the_whole_log(
        steps in prop::collection::vec(step(), 1..120),
        cut in 0..40_usize,
        chunk_bytes in 1..5_000_usize,
    ) {
        let log = log(&steps);
        let cut = cut.min(log.len());
        let mut whole = fresh();
        apply(&mut whole, &log[..cut]);
        checkpoint(&mut whole);
        let reader = whole.snapshot().unwrap();
        apply(&mut whole, &log[cut..]);
        let memory = Memory::default();
        let mut writer = SnapshotWriter::create(memory.database(), reader.header().clone()).unwrap();
        while !writer.is_complete() {
            writer.write_chunk(&reader.chunk(writer.after(), chunk_bytes).unwrap()).unwrap();
        }
        let mut state = State::open(writer.finish().unwrap()).unwrap();
        apply(&mut state, &log[cut..]);
        prop_assert_eq!(state.digest(), whole.digest());
        prop_assert_eq!(dump(&mut state), dump(&mut whole));
    }
}
