//! The keys of resume tokens, as the cluster's replicated state has them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use cell_types::Timestamp;
use ed25519_dalek::{Signature, Signer};

/// The public half of a key that signs, or signed, resume tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey {
    pub id: u32,
    pub public: [u8; 32],
    /// Verifies until here.
    pub until: Timestamp,
}

/// The secret half of the key that signs now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SigningKey {
    pub id: u32,
    pub secret: [u8; 32],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A handle to this process's keys; clones share them. Empty at first: until there is a signing key, no session can
/// be welcomed.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Arc<RwLock<Arc<Keys>>>);

#[derive(Debug, Default)]
struct Keys {
    verifying: BTreeMap<u32, (ed25519_dalek::VerifyingKey, Timestamp)>,
    signing: Option<(u32, ed25519_dalek::SigningKey)>,
}

impl Keyring {
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all keys at once. A key whose bytes are no point of the curve verifies nothing.
    pub fn replace(&self, verifying: impl IntoIterator<Item = VerifyingKey>, signing: Option<SigningKey>) {
        let verifying = verifying
            .into_iter()
            .filter_map(|key| {
                let public = ed25519_dalek::VerifyingKey::from_bytes(&key.public).ok()?;
                Some((key.id, (public, key.until)))
            })
            .collect();
        let signing = signing.map(|key| (key.id, ed25519_dalek::SigningKey::from_bytes(&key.secret)));
        let keys = Arc::new(Keys { verifying, signing });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(super) fn can_sign(&self) -> bool {
        self.keys().signing.is_some()
    }

    /// Signs what `make` writes for the id of the current key.
    pub(super) fn sign(&self, make: impl FnOnce(u32) -> String) -> Option<(String, [u8; 64])> {
        let keys = self.keys();
        let (id, key) = keys.signing.as_ref()?;
        let text = make(*id);
        let signature = key.sign(text.as_bytes()).to_bytes();
        Some((text, signature))
    }

    /// Whether the key with this id, if it still verifies at `now`, signed `text`.
    pub(super) fn verifies(&self, id: u32, now: Timestamp, text: &str, signature: &[u8; 64]) -> bool {
        let keys = self.keys();
        let Some((key, until)) = keys.verifying.get(&id) else { return false };
        // Strict: no key or signature of small order, one signature per message.
        now <= *until && key.verify_strict(text.as_bytes(), &Signature::from_bytes(signature)).is_ok()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
