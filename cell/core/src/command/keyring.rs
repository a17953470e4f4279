//! The keys that sign resume tokens: cluster-wide rows, led by placement key 0.

use cell_types::PlacementKey;

use crate::record::RetireSigningKey;
use crate::row::SigningKeyId;
use crate::tables::Tables;
use crate::view::SigningKey;
use crate::{Effect, Error, Rejection, Reply};

/// One signs, one is on its way to the other cells, the others verify what was signed in the last days.
const KEYS_MAX: usize = 16;

/// A key whose id is taken is not added: the proposer reads the keyring and takes the next id.
pub(super) fn add(tables: &mut Tables, effects: &mut Vec<Effect>, key: &SigningKey) -> Result<Reply, Error> {
    if let Err(rejection) = tables.check_owner(PlacementKey::CLUSTER) {
        return Ok(Reply::Rejected(rejection));
    }
    let id = SigningKeyId(key.id);
    if tables.signing_keys.get(&id)?.is_some() {
        return Ok(Reply::Done);
    }
    if tables.signing_keys()?.len() >= KEYS_MAX {
        return Ok(Reply::Rejected(Rejection::LimitReached("signing keys")));
    }
    tables.signing_keys.insert_new(id, key.clone());
    effects.push(Effect::KeyringChanged);
    Ok(Reply::Done)
}

/// Forgets a key; one that is not there is no matter.
pub(super) fn retire(
    tables: &mut Tables,
    effects: &mut Vec<Effect>,
    retire: &RetireSigningKey,
) -> Result<Reply, Error> {
    if let Err(rejection) = tables.check_owner(PlacementKey::CLUSTER) {
        return Ok(Reply::Rejected(rejection));
    }
    let id = SigningKeyId(retire.id);
    if tables.signing_keys.get(&id)?.is_some() {
        tables.signing_keys.remove(&id);
        effects.push(Effect::KeyringChanged);
    }
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use cell_types::Timestamp;

    use super::*;
    use crate::Command;
    use crate::test_cell::*;

    fn key(id: u32) -> SigningKey {
        let (from, until) = (START, Timestamp::from_millis(START.as_millis() + 1_000));
        SigningKey { id, secret: [1; 32], public: [2; 32], from, until }
    }

    #[test]
    fn keys_are_kept_by_id_until_they_are_retired() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(Command::AddSigningKey(key(2))), Reply::Done);
        assert_eq!(cell.apply(Command::AddSigningKey(key(1))), Reply::Done);
        assert_eq!(cell.take_effects(), ["keyring changed", "keyring changed"]);
        assert_eq!(cell.state.signing_keys().unwrap(), [key(1), key(2)]);
        cell.checkpoint();
        assert_eq!(cell.apply(Command::RetireSigningKey(RetireSigningKey { id: 1 })), Reply::Done);
        assert_eq!(cell.state.signing_keys().unwrap(), [key(2)]);
    }

    #[test]
    fn an_id_that_is_taken_keeps_its_key() {
        let mut cell = TestCell::new();
        cell.apply(Command::AddSigningKey(key(1)));
        cell.take_effects();
        cell.apply(Command::AddSigningKey(SigningKey { secret: [9; 32], ..key(1) }));
        assert!(cell.take_effects().is_empty());
        assert_eq!(cell.state.signing_keys().unwrap(), [key(1)]);
    }

    #[test]
    fn the_keyring_is_bounded_and_belongs_to_the_owner_of_key_zero() {
        let mut cell = TestCell::new();
        let last = (0..=KEYS_MAX as u32).map(|id| cell.apply(Command::AddSigningKey(key(id)))).last();
        assert_eq!(last, Some(rejected(Rejection::LimitReached("signing keys"))));
        let mut cell = TestCell::owning(&["alice"]);
        assert_eq!(cell.apply(Command::AddSigningKey(key(1))), rejected(Rejection::NotOwner));
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert!(!format!("{:?}", key(1)).contains("1, 1"));
    }
}
