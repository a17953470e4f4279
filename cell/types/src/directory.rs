//! What a process knows of the key space: which cell owns which range, at which epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CellName, Epoch, KeyRange, PlacementKey};

/// A cell's announcement that it owns a range at an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub range: KeyRange,
    pub cell: CellName,
    pub epoch: Epoch,
}

/// Who owns which point, merged from announcements: at each point the highest epoch wins.
///
/// Merging is commutative and idempotent, so late and repeated announcements are harmless. A stale entry is harmless
/// too, because cells check what they own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Disjoint pieces by their start: (end, owner, epoch).
    pieces: BTreeMap<u64, (u128, CellName, Epoch)>,
}

impl Directory {
    /// The owner of a point, as far as this process knows.
    pub fn owner(&self, key: PlacementKey) -> Option<(&CellName, Epoch)> {
        let (_, (end, cell, epoch)) = self.pieces.range(..=key.get()).next_back()?;
        (u128::from(key.get()) < *end).then_some((cell, *epoch))
    }

    /// Takes an announcement in; at points where an equal or higher epoch is known it changes nothing.
    pub fn merge(&mut self, claim: &Claim) {
        for (range, known) in self.cut(claim.range) {
            let newer = known.as_ref().is_none_or(|(_, epoch)| *epoch < claim.epoch);
            let (cell, epoch) = if newer { (claim.cell.clone(), claim.epoch) } else { known.expect("not newer") };
            self.pieces.insert(range.start().get(), (range.end(), cell, epoch));
        }
    }

    /// Every known piece in key order.
    pub fn claims(&self) -> impl Iterator<Item = Claim> + '_ {
        self.pieces.iter().map(|(start, (end, cell, epoch))| Claim {
            range: KeyRange::new(PlacementKey::new(*start), *end).expect("pieces are never empty"),
            cell: cell.clone(),
            epoch: *epoch,
        })
    }

    /// Removes what is known inside `range` and returns it as pieces that cover the range, gaps included.
    fn cut(&mut self, range: KeyRange) -> Vec<(KeyRange, Option<(CellName, Epoch)>)> {
        let (from, to) = (u128::from(range.start().get()), range.end());
        let first =
            self.pieces.range(..=range.start().get()).next_back().map_or(range.start().get(), |(start, _)| *start);
        let last = u64::try_from(to - 1).expect("a range ends at most at 2^64");
        let touched: Vec<u64> = self.pieces.range(first..=last).map(|(start, _)| *start).collect();
        let mut inside = Vec::new();
        let mut next = from;
        for start in touched {
            let (end, cell, epoch) = self.pieces[&start].clone();
            if end <= from {
                continue;
            }
            self.pieces.remove(&start);
            if u128::from(start) < from {
                self.pieces.insert(start, (from, cell.clone(), epoch));
            }
            if end > to {
                self.pieces.insert(u64::try_from(to).expect("below another end"), (end, cell.clone(), epoch));
            }
            let begin = u128::from(start).max(from);
            if next < begin {
                inside.push((piece(next, begin), None));
            }
            next = end.min(to);
            inside.push((piece(begin, next), Some((cell, epoch))));
        }
        if next < to {
            inside.push((piece(next, to), None));
        }
        inside
    }
}

fn piece(start: u128, end: u128) -> KeyRange {
    KeyRange::new(PlacementKey::new(u64::try_from(start).expect("below an end")), end).expect("pieces are never empty")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(start: u64, end: u128, cell: &str, epoch: u64) -> Claim {
        Claim { range: piece(start.into(), end), cell: cell.parse().unwrap(), epoch: Epoch::new(epoch) }
    }

    fn owner(directory: &Directory, key: u64) -> Option<(String, u64)> {
        directory.owner(PlacementKey::new(key)).map(|(cell, epoch)| (cell.to_string(), epoch.get()))
    }

    #[test]
    fn at_each_point_the_highest_epoch_wins() {
        let mut directory = Directory::default();
        directory.merge(&claim(0, 1 << 64, "c0", 1));
        directory.merge(&claim(100, 200, "c1", 2));
        directory.merge(&claim(50, 150, "c2", 1));
        assert_eq!(owner(&directory, 60), Some(("c0".into(), 1)));
        assert_eq!(owner(&directory, 120), Some(("c1".into(), 2)));
        assert_eq!(owner(&directory, u64::MAX), Some(("c0".into(), 1)));
    }

    #[test]
    fn an_empty_directory_knows_no_owner() {
        assert_eq!(owner(&Directory::default(), 0), None);
    }

    proptest! {
        /// Announcements carry epochs that two cells never share for one point, as ownership guarantees.
        #[test]
        fn merging_is_commutative(claims in proptest::collection::vec((0u64..40, 1u64..20), 1..8), seed in 0usize..100) {
            let claims: Vec<Claim> = claims.iter().enumerate()
                .map(|(n, (start, len))| claim(*start, u128::from(start + len), &format!("c{n}"), n as u64 + 1)).collect();
            let mut shuffled = claims.clone();
            shuffled.rotate_left(seed % claims.len());
            if seed % 2 == 0 { shuffled.reverse(); }
            let (mut one, mut other) = (Directory::default(), Directory::default());
            claims.iter().for_each(|c| one.merge(c));
            shuffled.iter().chain(&claims).for_each(|c| other.merge(c));
            for key in 0..70 { prop_assert_eq!(owner(&one, key), owner(&other, key)); }
        }
    }
}
