//! Tokens as an identity provider makes them, good ones and bad ones.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Longer than any test.
const TTL_S: i64 = 3_600;

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tokens are made by somebody with a real clock")]
pub fn now_s() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// What a good token of this user says.
pub fn claims(user: &str) -> Value {
    json!({"sub": user, "exp": now_s() + TTL_S})
}

/// An HMAC token with these claims.
pub fn sign(algorithm: Algorithm, key: &str, claims: &Value) -> anyhow::Result<String> {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).context("failed to sign")
}

/// The same token under another header: its signature is not over that.
pub fn with_header(token: &str, header: &Value) -> anyhow::Result<String> {
    let (_, rest) = token.split_once('.').context("a token has three parts")?;
    Ok(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())))
}

/// Without its signature.
pub fn unsigned(token: &str) -> anyhow::Result<String> {
    let (signed, _) = token.rsplit_once('.').context("a token has three parts")?;
    Ok(format!("{signed}."))
}
