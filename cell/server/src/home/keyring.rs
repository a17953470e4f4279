//! The keys that sign resume tokens: made by the leader, replicated, rotated.

use std::sync::Arc;
use std::time::Duration;

use cell_core::Command;
use cell_core::record::RetireSigningKey;
use cell_core::view::SigningKey;
use cell_raft::seams::Entropy;
use cell_types::Timestamp;
use ed25519_dalek::SigningKey as Ed25519;

/// A key signs for this long; then the next one does.
const SIGN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// After its last signature a key verifies for this long: no resume token outlives it.
const VERIFY_FOR: Duration = Duration::from_secs(60 * 24 * 3600);

/// A later key signs only when every replica has had this long to learn it.
const SPREAD: Duration = Duration::from_secs(60);

/// Makes keys.
pub struct Keys {
    entropy: Arc<dyn Entropy>,
}

impl Keys {
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy }
    }

    /// What the leader has to change about the keys now, if anything.
    pub(super) fn next_step(&self, keys: &[SigningKey], now: Timestamp) -> Option<Command> {
        if let Some(expired) = keys.iter().find(|key| key.until < now) {
            return Some(Command::RetireSigningKey(RetireSigningKey { id: expired.id }));
        }
        let newest = keys.iter().max_by_key(|key| key.from);
        let from = match newest {
            None => now,
            Some(key) if key.from.plus(SIGN_FOR) <= now => now.plus(SPREAD),
            Some(_) => return None,
        };
        let mut secret = [0; 32];
        self.entropy.fill(&mut secret);
        let public = Ed25519::from_bytes(&secret).verifying_key().to_bytes();
        let id = keys.iter().map(|key| key.id).max().map_or(1, |id| id + 1);
        Some(Command::AddSigningKey(SigningKey { id, secret, public, from, until: from.plus(SIGN_FOR + VERIFY_FOR) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn keys() -> Keys {
        Keys::new(Arc::new(Counting))
    }

    fn added(step: Option<Command>) -> SigningKey {
        let Some(Command::AddSigningKey(key)) = step else { panic!("no key was added: {step:?}") };
        key
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    #[test]
    fn the_first_key_signs_at_once_and_then_nothing_is_to_do() {
        let first = added(keys().next_step(&[], NOW));
        assert_eq!((first.id, first.from), (1, NOW));
        assert_eq!(keys().next_step(&[first], NOW), None);
    }

    #[test]
    fn the_next_key_signs_only_after_it_has_spread() {
        let first = added(keys().next_step(&[], NOW));
        let later = NOW.plus(SIGN_FOR);
        let second = added(keys().next_step(std::slice::from_ref(&first), later));
        assert_eq!((second.id, second.from), (2, later.plus(SPREAD)));
        assert_eq!(keys().next_step(&[first, second], later), None);
    }

    #[test]
    fn a_key_goes_after_its_last_token_expired() {
        let first = added(keys().next_step(&[], NOW));
        let end = first.until.plus(Duration::from_millis(1));
        let step = keys().next_step(std::slice::from_ref(&first), end);
        assert_eq!(step, Some(Command::RetireSigningKey(RetireSigningKey { id: 1 })));
    }
}
