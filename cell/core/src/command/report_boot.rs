//! Remembering how often a replica has started, which unmasks a volume that was rolled back.

use crate::record::ReportBoot;
use crate::tables::Tables;
use crate::{Effect, Rejection, Reply};

/// A maximum. A count that is not above it changes nothing: the shell compares before it lets the replica in.
pub(super) fn report_boot(tables: &mut Tables, effects: &mut Vec<Effect>, report: &ReportBoot) -> Reply {
    let registered = tables.cell.registry.iter_mut().find(|registered| registered.node == report.node);
    match registered {
        None => Reply::Rejected(Rejection::NoSuchNode),
        Some(registered) if registered.retired => Reply::Rejected(Rejection::NodeRetired),
        Some(registered) => {
            if report.boot > registered.boot {
                registered.boot = report.boot;
                effects.push(Effect::CellChanged);
            }
            Reply::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use cell_types::{BootCount, NodeId};

    use super::*;
    use crate::record::RetireNode;
    use crate::test_cell::*;

    fn report(node: u64, boot: u64) -> ReportBoot {
        ReportBoot { node: NodeId::new(node), boot: BootCount::new(boot) }
    }

    #[test]
    fn the_highest_boot_count_is_remembered() {
        let mut cell = TestCell::new();
        for boot in [2, 5, 3] {
            assert_eq!(cell.apply(report(1, boot)), Reply::Done);
        }
        assert_eq!(cell.take_effects(), ["cell changed", "cell changed"]);
        assert_eq!(cell.state.registry()[0].boot, BootCount::new(5));
    }

    #[test]
    fn a_stranger_and_a_replaced_replica_are_told_so() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(report(9, 1)), rejected(Rejection::NoSuchNode));
        assert_eq!(cell.apply(RetireNode { node: NodeId::new(9) }), rejected(Rejection::NoSuchNode));
        cell.apply(RetireNode { node: NodeId::new(2) });
        assert_eq!(cell.apply(report(2, 1)), rejected(Rejection::NodeRetired));
    }
}
