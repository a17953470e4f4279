//! Giving a replica's new volume a node id that was never used before.

use std::collections::BTreeSet;

use cell_types::{BootCount, NodeId};

use crate::record::RegisterVolume;
use crate::tables::Tables;
use crate::view::Registered;
use crate::{Effect, Rejection, Reply};

/// Volumes of one slot that are registered and not retired: the one that serves, and those that tried since. The shell
/// retires what another volume replaced.
const LIVE_PER_SLOT_MAX: usize = 16;

/// Retired volumes that are remembered, so that they are told that they were replaced: three a day for a year.
const RETIRED_MAX: usize = 1_000;

/// Idempotent by volume id. A new volume may take an existing slot; a new slot only if the cell has too few replicas.
pub(super) fn register_volume(tables: &mut Tables, effects: &mut Vec<Effect>, register: &RegisterVolume) -> Reply {
    let RegisterVolume { replica, volume } = register.clone();
    let cell = &mut tables.cell;
    if let Some(known) = cell.registry.iter().find(|registered| registered.volume == volume) {
        return if known.retired {
            Reply::Rejected(Rejection::NodeRetired)
        } else {
            Reply::Registered { node: known.node }
        };
    }
    let live = || cell.registry.iter().filter(|registered| !registered.retired);
    let mut slots: BTreeSet<_> = live().map(|registered| &registered.replica).collect();
    slots.insert(&replica);
    if slots.len() > cell.settings.voters as usize {
        return Reply::Rejected(Rejection::TooManyReplicas);
    }
    if live().filter(|registered| registered.replica == replica).count() >= LIVE_PER_SLOT_MAX {
        return Reply::Rejected(Rejection::LimitReached("volumes of one replica"));
    }
    let node = cell.next_node;
    cell.next_node = NodeId::new(node.get() + 1);
    cell.registry.push(Registered { node, replica, volume, boot: BootCount::new(0), retired: false });
    forget_oldest_retired(&mut cell.registry);
    effects.push(Effect::CellChanged);
    Reply::Registered { node }
}

fn forget_oldest_retired(registry: &mut Vec<Registered>) {
    if registry.iter().filter(|registered| registered.retired).count() > RETIRED_MAX
        && let Some(oldest) = registry.iter().position(|registered| registered.retired)
    {
        registry.remove(oldest);
    }
}

#[cfg(test)]
mod tests {
    use cell_types::VolumeId;

    use super::*;
    use crate::record::RetireNode;
    use crate::test_cell::*;
    use crate::view::Setting;

    fn register(replica: &str, volume: u128) -> RegisterVolume {
        RegisterVolume { replica: replica.parse().unwrap(), volume: VolumeId::new(volume) }
    }

    fn node(id: u64) -> Reply {
        Reply::Registered { node: NodeId::new(id) }
    }

    #[test]
    fn a_new_volume_in_a_slot_gets_a_fresh_id_and_the_same_one_when_it_asks_again() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(register("c0-1", 77)), node(4));
        assert_eq!(cell.take_effects(), ["cell changed"]);
        assert_eq!(cell.apply(register("c0-1", 77)), node(4));
        assert!(cell.take_effects().is_empty());
        assert_eq!(cell.apply(register("c0-1", 78)), node(5));
    }

    #[test]
    fn a_replaced_volume_is_told_so_and_ids_are_never_used_again() {
        let mut cell = TestCell::new();
        cell.apply(register("c0-1", 77));
        assert_eq!(cell.apply(RetireNode { node: NodeId::new(4) }), Reply::Done);
        assert_eq!(cell.apply(register("c0-1", 77)), rejected(Rejection::NodeRetired));
        assert_eq!(cell.apply(register("c0-1", 78)), node(5));
    }

    #[test]
    fn a_slot_beyond_the_voters_is_refused_until_there_are_to_be_more() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(register("c0-3", 9)), rejected(Rejection::TooManyReplicas));
        assert_eq!(cell.set(Setting::Voters(5)), Reply::Done);
        assert_eq!(cell.apply(register("c0-3", 9)), node(4));
    }

    #[test]
    fn one_slot_cannot_fill_the_registry() {
        let mut cell = TestCell::new();
        let last = (0..20).map(|n| cell.apply(register("c0-1", 100 + n))).last();
        assert_eq!(last, Some(rejected(Rejection::LimitReached("volumes of one replica"))));
        assert_eq!(cell.state.registry().len(), 3 + LIVE_PER_SLOT_MAX - 1);
    }

    #[test]
    fn only_so_many_retired_volumes_are_remembered() {
        let mut cell = TestCell::new();
        for n in 0..RETIRED_MAX as u64 + 10 {
            assert_eq!(cell.apply(register("c0-1", 1_000 + u128::from(n))), node(4 + n));
            cell.apply(RetireNode { node: NodeId::new(4 + n) });
        }
        assert!(cell.state.registry().len() <= 3 + RETIRED_MAX + 1);
    }
}
