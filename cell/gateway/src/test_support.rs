//! Tokens and keys for tests.

use std::time::Duration;

use cell_types::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use crate::token::{GRACE_DEFAULT, JwtKey, JwtRules, Keyring, SigningKey, Verifier, VerifyingKey};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A good JWT's life, in milliseconds.
pub(crate) const TOKEN_LIFE_MS: u64 = 3_600_000;

const SECRET: &[u8] = b"test";

pub(crate) fn jwt(sub: &str, expires: Timestamp) -> String {
    let claims = json!({"sub": sub, "exp": expires.as_millis() / 1000});
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

pub(crate) fn good_jwt(sub: &str) -> String {
    jwt(sub, START.plus(Duration::from_millis(TOKEN_LIFE_MS)))
}

/// A keyring with a key that signs for ever.
pub(crate) fn keyring() -> Keyring {
    let keyring = Keyring::new();
    let secret = [1; 32];
    let public = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key().to_bytes();
    let until = Timestamp::from_millis(u64::MAX);
    keyring.replace([VerifyingKey { id: 1, public, until }], Some(SigningKey { id: 1, secret }));
    keyring
}

pub(crate) fn verifier(keyring: Keyring) -> Verifier {
    Verifier::new(JwtRules::new(JwtKey::shared_secret(SECRET), None, None), keyring, GRACE_DEFAULT)
}

pub(crate) fn hello(token: &str, resume: Option<(&str, u64)>) -> String {
    let mut hello = json!({"t": "hello", "v": 1, "dev": "phone", "tok": token});
    if let Some((ep, useq)) = resume {
        hello["resume"] = json!({"ep": ep, "useq": useq});
    }
    hello.to_string()
}

pub(crate) fn send(id: u32, to: &str) -> String {
    let mid = format!("00000000-0000-4000-8000-{id:012}");
    json!({"t": "send", "id": id, "to": {"user": to}, "mid": mid, "body": id}).to_string()
}
