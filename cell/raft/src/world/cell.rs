//! A cell under test: slots with volumes and clocks, replicas that come and go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cell_core::record::{Recipient, SendMessage};
use cell_core::{Command, Effect, Reply};
use cell_types::{
    Body, CellName, ClusterId, Epoch, Incarnation, KeyRange, MessageId, ReplicaName, Timestamp, VolumeId,
};
use tokio::time::{Instant, timeout};

use super::{MemoryVolume, Net, Process, process};
use crate::seams::{Clock, Entropy};
use crate::{EffectSink, FoundingRecord, Options, Replica, Role, Seams, Status, Unavailable};

/// Nothing in a test takes longer in its own time.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) slots: Vec<Slot>,
    messages: u128,
}

pub(crate) struct Slot {
    pub(crate) name: ReplicaName,
    pub(crate) volume: MemoryVolume,
    pub(crate) clock: Arc<SkewedClock>,
    pub(crate) sink: Arc<Collected>,
    pub(crate) process: Option<(Process, Replica)>,
    pub(crate) cluster: ClusterId,
}

/// Paused time plus a skew.
#[derive(Default)]
pub(crate) struct SkewedClock {
    began: Mutex<Option<Instant>>,
    pub(crate) skew_millis: Mutex<u64>,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let began = *self.began.lock().unwrap().get_or_insert_with(Instant::now);
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_000_000_000 + millis + *self.skew_millis.lock().unwrap())
    }
}

struct Random(Mutex<u64>);

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let mut state = self.0.lock().unwrap();
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 56) as u8;
        }
    }
}

#[derive(Default)]
pub(crate) struct Collected(pub(crate) Mutex<Vec<Effect>>);

impl EffectSink for Collected {
    fn applied(&self, effects: Vec<Effect>) {
        self.0.lock().unwrap().extend(effects);
    }
}

/// Runs a test in paused time on one thread.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    process::install(42);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test());
    crate::runtime::install(None);
}

pub(crate) fn message(number: u128) -> Command {
    sized_message(number, 10)
}

pub(crate) fn sized_message(number: u128, len: usize) -> Command {
    Command::Send(SendMessage {
        sender: "alice".parse().unwrap(),
        to: Recipient::User(format!("bob{}", number % 50).parse().unwrap()),
        mid: MessageId::from_u128(number),
        body: Body::from_checked(format!("\"{}\"", "x".repeat(len)).into()),
        after: None,
    })
}

impl World {
    pub(crate) fn new(replicas: u32) -> Self {
        let cell: CellName = "c0".parse().unwrap();
        let slots = (0..replicas).map(|n| Slot::new(ReplicaName::in_cell(&cell, n))).collect();
        Self { net: Net::new(), slots, messages: 0 }
    }

    pub(crate) fn names(&self) -> Vec<ReplicaName> {
        self.slots.iter().map(|slot| slot.name.clone()).collect()
    }

    /// A founded cell in which every replica is a voter.
    pub(crate) async fn founded(replicas: u32) -> Self {
        let mut world = Self::new(replicas);
        for n in 0..replicas as usize {
            world.start(n).await;
        }
        world.found(replicas).await;
        for n in 0..replicas as usize {
            world.until(n, "it is ready", |status| status.is_ready() && status.leader.is_some()).await;
        }
        world
    }

    pub(crate) async fn found(&self, voters: u32) {
        let record = self.record(voters);
        for n in 0..voters as usize {
            self.replica(n).found(record.clone()).await.unwrap();
        }
    }

    pub(crate) fn record(&self, voters: u32) -> FoundingRecord {
        let founders = self.slots.iter().take(voters as usize);
        FoundingRecord {
            cluster: "test".parse().unwrap(),
            cell: "c0".parse().unwrap(),
            incarnation: Incarnation::new(1),
            founders: founders.map(|slot| (slot.name.clone(), slot.volume_id())).collect(),
            voters,
            ranges: vec![(KeyRange::ALL, Epoch::new(1))],
        }
    }

    pub(crate) fn founding(&self) -> cell_core::record::Found {
        let slots = (1..).zip(&self.slots);
        cell_core::record::Found {
            cluster: "test".parse().unwrap(),
            cell: "c0".parse().unwrap(),
            incarnation: Incarnation::new(1),
            ranges: vec![(KeyRange::ALL, Epoch::new(1))],
            founders: slots
                .map(|(n, slot)| (slot.name.clone(), slot.volume_id(), cell_types::NodeId::new(n)))
                .collect(),
            voters: 3,
        }
    }

    pub(crate) async fn start(&mut self, n: usize) {
        self.try_start(n).await.unwrap();
    }

    pub(crate) async fn try_start(&mut self, n: usize) -> Result<(), crate::Error> {
        let peers = self.names();
        let process = Process::new();
        let replica = self.slots[n].launch(&process, self.net.peers(&self.slots[n].name), peers).await?;
        self.net.register(&self.slots[n].name, process.clone(), replica.clone());
        self.slots[n].process = Some((process, replica));
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        let slot = &mut self.slots[n];
        let (process, _) = slot.process.take().expect("it runs");
        slot.volume.cut_power();
        process.kill();
        self.net.unregister(&slot.name);
    }

    pub(crate) fn isolate(&self, n: usize, is_cut: bool) {
        self.net.isolate(&self.slots[n].name, &self.names(), is_cut);
    }

    pub(crate) fn replica(&self, n: usize) -> &Replica {
        &self.slots[n].process.as_ref().expect("it runs").1
    }

    pub(crate) fn status(&self, n: usize) -> Status {
        self.replica(n).status().borrow().clone()
    }

    pub(crate) async fn until(&self, n: usize, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.replica(n).status();
        let waited = timeout(PATIENCE, status.wait_for(|status| is_so(status))).await;
        match waited {
            Ok(status) => status.expect("the replica lives").clone(),
            Err(_) => panic!("{}: waited in vain until {what}: {:#?}", self.slots[n].name, self.status(n)),
        }
    }

    pub(crate) async fn eventually(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The slot of a leader that others follow, too.
    pub(crate) async fn leader(&self) -> usize {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let running: Vec<_> = (0..self.slots.len()).filter(|n| self.slots[*n].process.is_some()).collect();
            let leader = running.iter().copied().find(|n| {
                self.status(*n).role == Role::Leader && self.status(*n).leader.as_ref() == Some(&self.slots[*n].name)
            });
            if let Some(leader) = leader
                && self.replica(leader).read_index().await.is_ok()
            {
                return leader;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no leader");
    }

    /// Sends a message through whoever leads, until it is answered.
    pub(crate) async fn send(&mut self) -> u64 {
        self.messages += 1;
        let command = message(self.messages);
        self.commit(command).await
    }

    /// Sends a message to this replica, whatever becomes of it.
    pub(crate) async fn send_to(&mut self, n: usize) {
        self.messages += 1;
        drop(self.replica(n).propose(message(self.messages)).await);
    }

    pub(crate) async fn commit(&self, command: Command) -> u64 {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let leader = self.leader().await;
            match self.replica(leader).propose(command.clone()).await {
                Ok(Reply::Sent { cseq, .. }) => return cseq.get(),
                Ok(Reply::Done) => return 0,
                Ok(other) => panic!("{other:?}"),
                Err(Unavailable::NotLeader { .. } | Unavailable::Unknown | Unavailable::Overloaded) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        panic!("no answer");
    }

    pub(crate) async fn send_many(&mut self, count: usize, len: usize) {
        let leader = self.leader().await;
        let commands = (0..count).map(|_| {
            self.messages += 1;
            sized_message(self.messages, len)
        });
        let commands = commands.collect();
        for answer in self.replica(leader).propose_many(commands).await {
            assert!(matches!(answer, Ok(Reply::Sent { .. })), "{answer:?}");
        }
    }

    /// All running replicas have applied the same, and say so.
    pub(crate) async fn agree(&self) {
        let leader = self.leader().await;
        let last = self.status(leader).last_log;
        let running: Vec<_> = (0..self.slots.len()).filter(|n| self.slots[*n].process.is_some()).collect();
        for n in &running {
            self.until(*n, "it has applied everything", |status| status.applied >= last).await;
        }
        let seen: Vec<_> =
            running.iter().map(|n| self.replica(*n).read(|s| (s.applied().0, s.digest())).unwrap()).collect();
        // Entries of the upkeep may come in between; equal positions must mean equal digests.
        for pair in seen.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert_eq!(pair[0], pair[1]);
        }
    }
}

impl Slot {
    pub(crate) fn new(name: ReplicaName) -> Self {
        Self {
            name,
            volume: MemoryVolume::default(),
            clock: Arc::default(),
            sink: Arc::default(),
            process: None,
            cluster: "test".parse().unwrap(),
        }
    }

    pub(crate) async fn launch(
        &self,
        process: &Process,
        peers: Arc<dyn crate::seams::Peers>,
        names: Vec<ReplicaName>,
    ) -> Result<Replica, crate::Error> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (
            self.name.as_str(),
            Instant::now().elapsed().as_nanos(),
            NONCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        )
            .hash(&mut hasher);
        let who = (self.cluster.clone(), "c0".parse().unwrap(), Incarnation::new(1));
        let mut options = Options::new(who, self.name.clone(), names);
        // Small, so that a test needs little to exceed them.
        options.checkpoint_bytes = 2 << 20;
        options.log_tail_bytes = 1 << 20;
        let seams = Seams {
            volume: Arc::new(self.volume.clone()),
            peers,
            clock: self.clock.clone(),
            entropy: Arc::new(Random(Mutex::new(hasher.finish()))),
        };
        let sink = self.sink.clone();
        process.clone().scope(Replica::start(options, seams, sink)).await.expect("nobody kills it meanwhile")
    }

    pub(crate) fn volume_id(&self) -> VolumeId {
        let (_, replica) = self.process.as_ref().expect("it runs");
        replica.status().borrow().volume.expect("the volume is open")
    }
}

static NONCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
