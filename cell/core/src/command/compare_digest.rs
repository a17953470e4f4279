//! Finding a replica that went another way.

use crate::digest::Recent;
use crate::record::CompareDigest;
use crate::{Error, Reply};

/// An entry that is not remembered (this replica restarted since, or is far ahead) says nothing.
pub(super) fn compare_digest(digests: &Recent, compare: &CompareDigest) -> Result<Reply, Error> {
    match digests.get(compare.index) {
        Some(own) if own != compare.digest => Err(Error::Diverged { index: compare.index, own, cells: compare.digest }),
        _ => Ok(Reply::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    #[test]
    fn a_replica_whose_digest_differs_stops_and_says_so() {
        let mut cell = TestCell::new();
        cell.send("alice", "bob", "hello");
        let (index, digest) = (cell.log.last().unwrap().0.index, cell.state.digest());
        cell.send("alice", "bob", "more");
        assert_eq!(cell.apply(CompareDigest { index, digest }), Reply::Done);
        let other = CompareDigest { index, digest: !digest };
        assert!(matches!(cell.try_apply(vec![other.into()]), Err(Error::Diverged { .. })));
    }

    #[test]
    fn an_entry_that_is_not_remembered_says_nothing() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(CompareDigest { index: 900, digest: 7 }), Reply::Done);
        for _ in 0..1_100 {
            cell.state.note(position(cell.log.last().unwrap().0.index + 1), None);
            cell.log.push((
                position(cell.log.last().unwrap().0.index + 1),
                crate::Batch { stamp: START, commands: vec![] },
            ));
        }
        assert_eq!(cell.apply(CompareDigest { index: 2, digest: 7 }), Reply::Done);
    }

    #[test]
    fn one_letter_makes_another_digest() {
        let digest = |text: &str| {
            let mut cell = TestCell::new();
            cell.send("alice", "bob", text);
            cell.state.digest()
        };
        assert_eq!(digest("hello"), digest("hello"));
        assert_ne!(digest("hello"), digest("hallo"));
    }
}
