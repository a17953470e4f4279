//! What this process knows of the key space: merged from its own cell's claims now, from other cells' announcements
//! with them.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use cell_gateway::Gateway;
use cell_raft::Replica;
use cell_raft::runtime::spawn;
use cell_types::{CellName, Claim, Directory, PlacementKey};
use tokio::sync::watch;
use tokio::time::timeout;

/// A snapshot brings ranges whose effects this process has not seen: so they are looked at anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A shared directory. A stale entry is harmless: cells check what they own.
#[derive(Debug, Default)]
pub struct Whereabouts(RwLock<Directory>);

impl Whereabouts {
    /// Whether this cell owns a key, as far as is known.
    pub fn owns(&self, cell: &CellName, key: PlacementKey) -> bool {
        let directory = self.0.read().expect("no panic happens under this lock");
        directory.owner(key).is_some_and(|(owner, _)| owner == cell)
    }

    /// Takes announcements in. True if that changed anything.
    pub fn merge(&self, claims: &[Claim]) -> bool {
        let mut merged = self.0.read().expect("no panic happens under this lock").clone();
        for claim in claims {
            merged.merge(claim);
        }
        let mut directory = self.0.write().expect("no panic happens under this lock");
        let is_news = *directory != merged;
        *directory = merged;
        is_news
    }
}

/// Keeps the directory up to date with what this process's own cell owns, until the process ends; sessions whose home
/// became known ask there.
pub(crate) fn follow(
    replica: Replica,
    cell: CellName,
    whereabouts: Arc<Whereabouts>,
    gateway: Arc<Gateway>,
    mut changes: watch::Receiver<u64>,
) {
    spawn(async move {
        loop {
            let claims = replica.read(|state| {
                let claim = |&(range, epoch)| Claim { range, cell: cell.clone(), epoch };
                state.ranges().iter().map(claim).collect::<Vec<_>>()
            });
            if whereabouts.merge(&claims.unwrap_or_default()) {
                gateway.reset(|_| true);
            }
            // Out of time is as good as a change.
            if let Ok(Err(_)) = timeout(LOOK_INTERVAL, changes.changed()).await {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use cell_types::{Epoch, KeyRange};

    use super::*;

    #[test]
    fn an_announcement_is_news_once() {
        let (whereabouts, cell) = (Whereabouts::default(), "c0".parse::<CellName>().unwrap());
        let claim = Claim { range: KeyRange::ALL, cell: cell.clone(), epoch: Epoch::new(1) };
        assert!(!whereabouts.owns(&cell, PlacementKey::new(7)));
        assert!(whereabouts.merge(std::slice::from_ref(&claim)));
        assert!(!whereabouts.merge(&[claim]));
        assert!(whereabouts.owns(&cell, PlacementKey::new(7)));
        assert!(!whereabouts.owns(&"c1".parse().unwrap(), PlacementKey::new(7)));
    }
}
