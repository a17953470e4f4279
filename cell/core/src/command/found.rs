//! Founding: the first command of a cell.

use std::collections::BTreeSet;

use cell_types::{BootCount, NodeId};

use super::change_setting::is_voter_count;
use crate::record::Found;
use crate::tables::Tables;
use crate::view::{Identity, Registered};
use crate::{Effect, Rejection, Reply};

/// Applied once; repeated, by whomever, it changes nothing.
pub(super) fn found(tables: &mut Tables, effects: &mut Vec<Effect>, found: &Found) -> Reply {
    let cell = &mut tables.cell;
    if cell.identity.is_some() {
        return Reply::Done;
    }
    if !is_voter_count(found.voters) || !is_consistent(found) {
        return Reply::Rejected(Rejection::BadSetting);
    }
    let Found { cluster, cell: name, incarnation, ranges, founders, voters } = found.clone();
    cell.identity = Some(Identity { cluster, cell: name, incarnation });
    cell.ranges = ranges;
    cell.ranges.sort();
    cell.settings.voters = voters;
    cell.registry = founders
        .into_iter()
        .map(|(replica, volume, node)| Registered { node, replica, volume, boot: BootCount::new(0), retired: false })
        .collect();
    cell.registry.sort_by_key(|registered| registered.node);
    let last = cell.registry.last().map_or(0, |registered| registered.node.get());
    cell.next_node = NodeId::new(last + 1);
    effects.push(Effect::CellChanged);
    Reply::Done
}

/// No slot, volume or node twice, and no point of the key space in two ranges.
fn is_consistent(found: &Found) -> bool {
    let slots: BTreeSet<_> = found.founders.iter().map(|(replica, _, _)| replica).collect();
    let volumes: BTreeSet<_> = found.founders.iter().map(|(_, volume, _)| volume).collect();
    let nodes: BTreeSet<_> = found.founders.iter().map(|(_, _, node)| node).collect();
    let mut ranges: Vec<_> = found.ranges.iter().map(|(range, _)| *range).collect();
    ranges.sort();
    let is_disjoint = ranges.windows(2).all(|pair| pair[0].end() <= u128::from(pair[1].start().get()));
    [slots.len(), volumes.len(), nodes.len()].iter().all(|len| *len == found.founders.len())
        && !nodes.contains(&NodeId::new(u64::MAX))
        && is_disjoint
}

#[cfg(test)]
mod tests {
    use cell_types::{Epoch, KeyRange, PlacementKey};

    use super::*;
    use crate::Command;
    use crate::test_cell::*;

    fn all() -> Found {
        let Command::Found(found) = founding(vec![(KeyRange::ALL, Epoch::new(1))]) else { panic!("not Found") };
        found
    }

    #[test]
    fn founding_says_who_the_cell_is_and_what_it_owns() {
        let mut cell = TestCell::unfounded();
        assert!(cell.state.identity().is_none());
        assert_eq!(cell.apply(all()), Reply::Done);
        assert_eq!(cell.take_effects(), ["cell changed"]);
        assert_eq!(cell.state.identity().unwrap().cell.as_str(), "c0");
        assert_eq!(cell.state.ranges(), [(KeyRange::ALL, Epoch::new(1))]);
        assert_eq!(cell.state.registry().len(), 3);
        assert_eq!(cell.state.next_node(), NodeId::new(4));
    }

    #[test]
    fn founding_again_changes_nothing_even_with_other_words() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(Found { voters: 5, ranges: Vec::new(), ..all() }), Reply::Done);
        assert!(cell.take_effects().is_empty());
        assert_eq!(cell.state.settings().voters, 3);
    }

    #[test]
    fn a_founding_that_contradicts_itself_is_refused() {
        let half = (KeyRange::new(PlacementKey::new(0), 1 << 63).unwrap(), Epoch::new(1));
        let overlapping = Found { ranges: vec![half, (KeyRange::ALL, Epoch::new(1))], ..all() };
        let twice = Found { founders: [all().founders, all().founders].concat(), ..all() };
        for found in [Found { voters: 2, ..all() }, overlapping, twice] {
            assert_eq!(TestCell::unfounded().apply(found), rejected(Rejection::BadSetting));
        }
    }
}
