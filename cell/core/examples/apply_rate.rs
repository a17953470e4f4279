//! How much CPU a message takes in `apply` and in the checkpoint: `cargo run --release -p cell-core --example apply_rate`.
//!
//! Three loads of pairs drawn at random: few busy ones, many, and so many that each message meets cold rows. With any
//! argument only the first. Times are CPU times of the thread, history pages of 50 wall-clock times.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cell_core::record::*;
use cell_core::view::HistoryPage;
use cell_core::{Batch, Command, LogPosition, State};
use cell_types::*;

const SENDS_PER_ENTRY: usize = 64;
/// A flush every 250 ms at 25,000 messages/s, to both sides; devices ack once per flush.
const ACKS_PER_ENTRY: usize = 12_500;
const BODY_BYTES: usize = 150;
const CACHE_BYTES: usize = 256 << 20;

fn main() {
    println!(
        "{:<34} {:>9} {:>9} {:>11} {:>11} {:>10}",
        "load", "us/send", "us/ack", "us/ckpt-msg", "rows/ckpt", "file MB"
    );
    run("200 pairs, checkpoint per 50,000", 200, 400_000, 50_000);
    if std::env::args().nth(1).is_some() {
        return;
    }
    run("10,000 pairs, checkpoint per 50,000", 10_000, 400_000, 50_000);
    run("200,000 pairs, checkpoint per 50,000", 200_000, 400_000, 50_000);
}

fn run(name: &str, pairs: u64, messages: u64, per_checkpoint: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("state");
    let database = redb::Database::builder().set_cache_size(CACHE_BYTES).create(&path).expect("a new file");
    let mut bench = Bench { state: State::open(database).expect("an empty state"), index: 0, stamp: 1_790_000_000_000 };
    bench.apply(vec![founding()]);
    let (mut sending, mut acking, mut writing, mut rows) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let mut random = 1_u64;
    let mut seq = 0_u64;
    let (mut checkpoints, mut acked) = (0, 0);
    let mut acks = Vec::new();
    while seq < messages {
        let mut sends = Vec::new();
        for _ in 0..SENDS_PER_ENTRY {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pair = (random >> 33) % pairs;
            let (from, to) = (format!("user-{pair}-a"), format!("user-{pair}-b"));
            sends.push(send(&from, &to, seq));
            acks.push(ack(&from));
            acks.push(ack(&to));
            seq += 1;
        }
        sending += bench.apply(sends);
        if acks.len() >= ACKS_PER_ENTRY {
            acks.sort_by(|one: &DeviceAck, other| one.user.cmp(&other.user));
            acks.dedup_by(|one, other| one.user == other.user);
            acked += acks.len() as u64;
            acking += bench.apply(vec![Command::Acknowledge(Acknowledge { devices: std::mem::take(&mut acks) })]);
        }
        if seq / per_checkpoint != (seq - SENDS_PER_ENTRY as u64) / per_checkpoint {
            rows += bench.state.stats().rows_changed;
            let checkpoint = bench.state.begin_checkpoint().expect("none is under way");
            writing += timed(|| checkpoint.write().expect("written"));
            bench.state.end_checkpoint(checkpoint);
            checkpoints += 1;
        }
    }
    let per = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count as f64;
    let size = std::fs::metadata(&path).expect("the file").len() >> 20;
    println!(
        "{name:<34} {:>9.2} {:>9.2} {:>11.2} {:>11} {size:>10}",
        per(sending, seq),
        per(acking, acked),
        per(writing, checkpoints * per_checkpoint),
        rows / checkpoints.max(1) as usize,
    );
    history(&bench.state, pairs);
}

fn history(state: &State, pairs: u64) {
    let mut times: Vec<Duration> = (0..2_000)
        .map(|n| {
            let pair = (n * 7_919) % pairs;
            let (one, other) = (user(&format!("user-{pair}-a")), user(&format!("user-{pair}-b")));
            let id = ConversationId::direct(&one, &other);
            wall(|| {
                drop(
                    state
                        .history(&one, id, HistoryPage::Before(Cseq::new(1 + n % 500)), 50, 1 << 20)
                        .expect("readable"),
                )
            })
        })
        .collect();
    times.sort();
    println!("    history page: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
}

struct Bench {
    state: State,
    index: u64,
    stamp: u64,
}

impl Bench {
    fn apply(&mut self, commands: Vec<Command>) -> Duration {
        self.index += 1;
        self.stamp += 2;
        let at = LogPosition { term: 1, node: NodeId::new(1), index: self.index };
        let batch = Batch { stamp: Timestamp::from_millis(self.stamp), commands };
        let mut effects = Vec::new();
        let time = timed(|| drop(self.state.apply(at, &batch, &mut effects).expect("applied")));
        drop(effects);
        time
    }
}

/// CPU time, where the system tells: the machine may be busy with something else. Leaves out waiting for the disk.
fn timed(work: impl FnOnce()) -> Duration {
    let mut cpu = None;
    let wall = wall(|| {
        let before = cpu_time();
        work();
        cpu = cpu_time().zip(before).map(|(after, before)| after - before);
    });
    cpu.unwrap_or(wall)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn wall(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// CPU time of this thread, where the system tells.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

fn user(id: &str) -> UserId {
    id.parse().expect("a user id")
}

fn send(from: &str, to: &str, seq: u64) -> Command {
    let mid = MessageId::from_u128(u128::from(seq) << 64 | u128::from(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let body = Body::from_checked(Bytes::from(vec![b'x'; BODY_BYTES]));
    Command::Send(SendMessage { sender: user(from), to: Recipient::User(user(to)), mid, body, after: None })
}

fn ack(id: &str) -> DeviceAck {
    DeviceAck { user: user(id), device: "phone".parse().expect("a device id"), acked: Useq::new(u64::MAX) }
}

fn founding() -> Command {
    Command::Found(Found {
        cluster: "bench".parse().expect("a name"),
        cell: "c0".parse().expect("a name"),
        incarnation: Incarnation::new(1),
        ranges: vec![(KeyRange::ALL, Epoch::new(1))],
        founders: vec![("c0-0".parse().expect("a name"), VolumeId::new(1), NodeId::new(1))],
        voters: 1,
    })
}
