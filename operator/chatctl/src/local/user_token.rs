//! Users' tokens. Only the local cluster makes them; on Kubernetes the platform's own issuer does.

use std::time::Duration;

use cell_types::UserId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use operator_plan::Tokens;
use serde::Serialize;

use super::clock;
use super::cluster_file::{self, ClusterFile};
use super::data_dir::DataDir;
use super::{file, secrets};

/// A token that is expired when it arrives helps nobody.
const TTL_MIN: Duration = Duration::from_secs(1);

/// A year: the key of a local cluster protects no more than this machine does.
const TTL_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a token is valid for 1s to 366d")]
    Ttl,
    #[error("there is no local cluster in this folder; start one with `chatctl up`")]
    NoCluster,
    #[error(transparent)]
    Cluster(#[from] cluster_file::Error),
    #[error(transparent)]
    File(#[from] file::Error),
    #[error("failed to sign the token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// A JWT that the cluster in this folder takes.
pub(crate) fn make(dir: &DataDir, user: &UserId, ttl: Duration) -> Result<String, Error> {
    let tokens = ClusterFile::read(dir)?.ok_or(Error::NoCluster)?.desired()?.tokens;
    let key = secrets::read(&dir.token_key())?;
    sign(&key, user, clock::unix_seconds(), ttl, tokens)
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
}

/// The key is the text itself, not what its digits stand for.
fn sign(key: &str, user: &UserId, now: u64, ttl: Duration, tokens: Tokens) -> Result<String, Error> {
    if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
        return Err(Error::Ttl);
    }
    let Tokens { issuer: iss, audience: aud } = tokens;
    let claims = Claims { sub: user.as_str(), iat: now, exp: now + ttl.as_secs(), iss, aud };
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key.as_bytes()))?)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    const KEY: &str = "6b6579";

    #[test]
    fn a_token_names_its_user_and_its_end_and_is_signed_with_the_keys_text() {
        let tokens = Tokens { issuer: None, audience: Some("chat".into()) };
        let token = sign(KEY, &"alice".parse().unwrap(), 1_000_000, Duration::from_secs(60), tokens).unwrap();
        let mut rules = Validation::new(Algorithm::HS256);
        rules.validate_exp = false;
        rules.set_audience(&["chat"]);
        let claims: serde_json::Value =
            jsonwebtoken::decode(&token, &DecodingKey::from_secret(KEY.as_bytes()), &rules).unwrap().claims;
        assert_eq!(claims, serde_json::json!({"sub": "alice", "iat": 1_000_000, "exp": 1_000_060, "aud": "chat"}));
    }

    #[test]
    fn a_token_for_no_time_or_for_ever_is_refused() {
        for ttl in [Duration::ZERO, Duration::from_secs(367 * 86_400)] {
            assert!(matches!(sign(KEY, &"a".parse().unwrap(), 0, ttl, Tokens::default()), Err(Error::Ttl)));
        }
    }
}
