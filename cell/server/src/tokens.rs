//! Brings the replicated signing keys to this process's gateway.

use std::sync::Arc;
use std::time::Duration;

use cell_core::view::SigningKey;
use cell_gateway::token::{self, Keyring};
use cell_raft::Replica;
use cell_raft::runtime::spawn;
use cell_raft::seams::Clock;
use cell_types::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

/// A snapshot brings keys without an effect, and a key begins to sign at a time: so they are looked at anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps `keyring` equal to the replicated keys until the process ends.
pub(crate) fn follow(replica: Replica, clock: Arc<dyn Clock>, keyring: Keyring, mut changes: watch::Receiver<u64>) {
    spawn(async move {
        let mut current = (Vec::new(), None);
        loop {
            if let Some(keys) = replica.query(|state| state.signing_keys()) {
                let signing = signs_now(&keys, clock.now()).map(|key| key.id);
                if (&keys, signing) != (&current.0, current.1) {
                    replace(&keyring, &keys, signing);
                    current = (keys, signing);
                }
            }
            // Out of time is as good as a change.
            if let Ok(Err(_)) = timeout(LOOK_INTERVAL, changes.changed()).await {
                return;
            }
        }
    });
}

fn signs_now(keys: &[SigningKey], now: Timestamp) -> Option<&SigningKey> {
    let begun = keys.iter().filter(|key| key.from <= now && now < key.until).max_by_key(|key| key.from);
    // A clock that is behind the leader's would leave a new cell without a key.
    begun.or_else(|| keys.iter().min_by_key(|key| key.from))
}

fn replace(keyring: &Keyring, keys: &[SigningKey], signing: Option<u32>) {
    let verifying = keys.iter().map(|key| token::VerifyingKey { id: key.id, public: key.public, until: key.until });
    let secret = keys.iter().find(|key| Some(key.id) == signing);
    keyring.replace(verifying, secret.map(|key| token::SigningKey { id: key.id, secret: key.secret }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, from: u64, until: u64) -> SigningKey {
        let (from, until) = (Timestamp::from_millis(from), Timestamp::from_millis(until));
        SigningKey { id, secret: [0; 32], public: [0; 32], from, until }
    }

    #[test]
    fn the_newest_key_that_has_begun_signs() {
        let keys = [key(1, 0, 100), key(2, 50, 150), key(3, 90, 190)];
        let at = |millis| signs_now(&keys, Timestamp::from_millis(millis)).map(|key| key.id);
        assert_eq!((at(10), at(60), at(95)), (Some(1), Some(2), Some(3)));
    }

    #[test]
    fn a_clock_that_is_behind_still_signs_with_the_first_key() {
        assert_eq!(signs_now(&[key(1, 1000, 2000)], Timestamp::from_millis(990)).map(|key| key.id), Some(1));
    }
}
