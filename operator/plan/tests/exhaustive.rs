//! Every order of every step, crash, wipe and stale plan of a small founding: it is done once, and it is done.
//!
//! The model executes the planner's actions on slots that behave as replicas do. A plan may be performed late
//! (after things have changed), in part, or twice; processes may end at any time; volumes may vanish while they are down.
#![expect(clippy::unwrap_used, reason = "a failed arrangement is a failed test")]

mod support;

use std::collections::{BTreeMap, HashSet, VecDeque};

use cell_types::{Lifecycle, ReplicaName, VolumeId};
use operator_plan::{FoundingRecord, ObservedCell, Process, ReplicaStatus, Slot, Verb};
use support::{Seen, count, replica};

/// What a fault plan may do in all.
#[derive(Clone, Copy)]
struct Budget {
    replicas: u32,
    crashes: u8,
    wipes: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Machine {
    running: bool,
    /// What is on the volume: its id and how far its replica has come.
    volume: Option<(VolumeId, Lifecycle)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    machines: BTreeMap<ReplicaName, Machine>,
    record: Option<FoundingRecord>,
    confirmed: bool,
    /// An action that was planned earlier and may still be performed.
    pending: Option<PlannedVerb>,
    /// Founders of the cell that exists, once its founding was committed.
    founded_by: Option<BTreeMap<ReplicaName, VolumeId>>,
    crashes: u8,
    wipes: u8,
    volumes_made: u8,
}

/// [`Verb`] without what cannot be hashed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum PlannedVerb {
    Start(ReplicaName),
    Record(FoundingRecord),
    Found(ReplicaName, FoundingRecord),
    Confirm,
}

impl World {
    fn new(budget: Budget) -> Self {
        let machine = Machine { running: false, volume: None };
        Self {
            machines: (0..budget.replicas).map(|ordinal| (replica(ordinal), machine.clone())).collect(),
            record: None,
            confirmed: false,
            pending: None,
            founded_by: None,
            crashes: 0,
            wipes: 0,
            volumes_made: 0,
        }
    }

    /// What a planner sees, with at most one slot that does not answer in time.
    fn seen(&self, silent: Option<&ReplicaName>) -> Seen {
        let mut cell =
            ObservedCell { founding: self.record.clone(), founding_confirmed: self.confirmed, ..Default::default() };
        for (name, machine) in &self.machines {
            let process = if machine.running { Process::Running } else { Process::Absent };
            let mut slot = Slot { volume_exists: machine.volume.is_some(), process, status: None };
            if machine.running && silent != Some(name) {
                slot.status = machine.volume.map(|(volume, lifecycle)| self.status(name, volume, lifecycle));
            }
            cell.slots.insert(name.clone(), slot);
        }
        Seen(cell)
    }

    fn status(&self, name: &ReplicaName, volume: VolumeId, lifecycle: Lifecycle) -> ReplicaStatus {
        let mut status = support::status(name.ordinal().unwrap(), lifecycle);
        status.volume = volume;
        if lifecycle == Lifecycle::Founding && name.ordinal() == Some(1) {
            // A replica may as well call itself running when it was told: it knows of no committed founding.
            status.lifecycle = Lifecycle::Running;
        }
        if lifecycle == Lifecycle::Running {
            status.voters = self.machines.keys().cloned().collect();
            status.voters_wanted = Some(count(u32::try_from(self.machines.len()).unwrap()));
            if self.leader() == Some(name) {
                status.role = cell_types::Role::Leader;
                status.serving = true;
            }
        }
        status
    }

    /// The first live member, if members are a majority.
    fn leader(&self) -> Option<&ReplicaName> {
        let live = |machine: &Machine| machine.running && machine.volume.is_some_and(|(_, l)| l == Lifecycle::Running);
        let members: Vec<_> = self.machines.iter().filter(|(_, machine)| live(machine)).map(|(name, _)| name).collect();
        (members.len() > self.machines.len() / 2).then(|| members[0])
    }

    fn plans(&self, budget: Budget, silent: Option<&ReplicaName>) -> Vec<PlannedVerb> {
        let seen = self.seen(silent);
        let actions = seen.actions(budget.replicas);
        let verbs: Vec<PlannedVerb> = actions
            .into_iter()
            .filter_map(|action| match action.verb {
                Verb::StartReplica { replica } => Some(PlannedVerb::Start(replica)),
                Verb::RecordFounders(record) => Some(PlannedVerb::Record(record)),
                Verb::Found { replica, record } => Some(PlannedVerb::Found(replica, record)),
                Verb::ConfirmFounding { .. } => Some(PlannedVerb::Confirm),
                Verb::Wait { .. } | Verb::Blocked { .. } => None,
                verb => panic!("nothing is to be stopped or changed here, but: {verb}"),
            })
            .collect();
        for verb in &verbs {
            if let PlannedVerb::Record(_) = verb {
                assert!(self.record.is_none() && !self.confirmed && silent.is_none(), "recorded twice: {self:?}");
                let empty =
                    |machine: &Machine| machine.volume.is_some_and(|(_, lifecycle)| lifecycle == Lifecycle::Empty);
                assert!(self.machines.values().all(empty), "a volume was not asked: {self:?}");
            }
            if let PlannedVerb::Found(_, told) = verb {
                assert_eq!(Some(told), self.record.as_ref(), "told what is not recorded: {self:?}");
            }
        }
        verbs
    }

    fn perform(&mut self, verb: &PlannedVerb) {
        match verb {
            PlannedVerb::Start(name) => self.start(name),
            PlannedVerb::Record(record) => {
                self.record.get_or_insert_with(|| record.clone());
            }
            PlannedVerb::Found(name, record) => {
                let machine = self.machines.get_mut(name).unwrap();
                let own = record.founders[name];
                if machine.running && machine.volume == Some((own, Lifecycle::Empty)) {
                    machine.volume = Some((own, Lifecycle::Founding));
                }
            }
            PlannedVerb::Confirm => self.confirmed = true,
        }
        self.settle();
    }

    fn start(&mut self, name: &ReplicaName) {
        let made = self.volumes_made;
        let machine = self.machines.get_mut(name).unwrap();
        machine.running = true;
        if machine.volume.is_none() {
            machine.volume = Some((VolumeId::new(u128::from(made) + 1), Lifecycle::Empty));
            self.volumes_made += 1;
        }
    }

    /// What replicas do by themselves: commit a founding that a majority obeyed, and join a cell that lives.
    fn settle(&mut self) {
        let obeyed: BTreeMap<_, _> = self
            .machines
            .iter()
            .filter(|(_, machine)| machine.running)
            .filter_map(|(name, machine)| Some((name.clone(), machine.volume?)))
            .filter(|(_, (_, lifecycle))| matches!(lifecycle, Lifecycle::Founding | Lifecycle::Running))
            .map(|(name, (volume, _))| (name, volume))
            .collect();
        if obeyed.len() <= self.machines.len() / 2 {
            return;
        }
        let recorded = self.record.as_ref().map(|record| record.founders.clone());
        if self.founded_by.is_none() {
            self.founded_by.clone_from(&recorded);
        }
        assert_eq!(self.founded_by, recorded, "founded twice");
        for (_, machine) in self.machines.iter_mut().filter(|(_, machine)| machine.running) {
            // Members take part; an empty volume finds the cell and joins.
            machine.volume = machine.volume.map(|(volume, _)| (volume, Lifecycle::Running));
        }
    }

    fn next(&self, budget: Budget) -> Vec<Self> {
        let mut next = Vec::new();
        let mut push = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            next.push(world);
        };
        let silences = self.machines.keys().map(Some).chain([None]);
        for silent in silences {
            for verb in self.plans(budget, silent) {
                push(&|world| world.pending = Some(verb.clone()));
            }
        }
        if let Some(verb) = &self.pending {
            // Performed and kept: it may be performed again, late.
            push(&|world| world.perform(verb));
        }
        for (name, machine) in &self.machines {
            if machine.running && self.crashes < budget.crashes {
                push(&|world| {
                    world.crashes += 1;
                    world.machines.get_mut(name).unwrap().running = false;
                });
            }
            if !machine.running && machine.volume.is_some() && self.wipes < budget.wipes {
                push(&|world| {
                    world.wipes += 1;
                    world.machines.get_mut(name).unwrap().volume = None;
                });
            }
        }
        next
    }

    /// No more faults: performs whole plans until nothing is planned, or only waited for.
    fn heal(mut self, budget: Budget) -> Self {
        for _ in 0..12 {
            for verb in self.plans(budget, None) {
                self.perform(&verb);
            }
        }
        self
    }
}

/// Visits every state, and heals each.
fn explore(budget: Budget) -> usize {
    let start = World::new(budget);
    let (mut visited, mut queue) = (HashSet::from([start.clone()]), VecDeque::from([start]));
    while let Some(world) = queue.pop_front() {
        check_healed(&world, world.clone().heal(budget), budget);
        for next in world.next(budget) {
            if visited.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    visited.len()
}

fn check_healed(from: &World, healed: World, budget: Budget) {
    let left = healed.seen(None).actions(budget.replicas);
    let blocked = left.iter().any(|action| matches!(action.verb, Verb::Blocked { .. }));
    if healed.wipes == 0 {
        assert!(left.is_empty(), "does not converge: {from:?}\nleft: {left:?}");
    } else if blocked {
        let was_founder =
            |(name, volume): (&ReplicaName, &VolumeId)| healed.machines[name].volume.map(|(id, _)| id) != Some(*volume);
        let gone =
            healed.record.iter().flat_map(|record| &record.founders).filter(|founder| was_founder(*founder)).count();
        assert!(gone > 0, "blocked, and nothing is gone: {from:?}\nleft: {left:?}");
        assert!(
            !from.confirmed || gone * 2 >= healed.machines.len(),
            "a confirmed founding that lost a minority heals: {from:?}\nleft: {left:?}"
        );
    } else {
        assert!(left.is_empty(), "neither converges nor says what blocks: {from:?}\nleft: {left:?}");
    }
}

#[test]
fn a_cell_of_one_is_founded_once_through_any_crashes_and_wipes() {
    let states = explore(Budget { replicas: 1, crashes: 3, wipes: 2 });
    assert!(states > 50, "{states}");
}

#[test]
fn a_cell_of_three_is_founded_once_through_any_crash() {
    let states = explore(Budget { replicas: 3, crashes: 2, wipes: 0 });
    assert!(states > 500, "{states}");
}

#[test]
fn a_cell_of_three_is_founded_once_through_any_wipe() {
    let states = explore(Budget { replicas: 3, crashes: 1, wipes: 1 });
    assert!(states > 500, "{states}");
}
