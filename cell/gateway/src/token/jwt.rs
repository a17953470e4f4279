//! JSON Web Tokens of the operator's identity provider: HS256 with a shared secret today.
//!
//! A key carries its algorithm, and a token's header can only agree with it: so `none`, or an HMAC made with a public
//! key, has no way in, also once keys of other kinds join.

use std::fmt;
use std::time::Duration;

use cell_types::{Timestamp, UserId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::{Bearer, CLOCK_SKEW_MAX, Verdict};

/// A key and the one algorithm that it is for.
pub struct JwtKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtKey {
    /// HS256 with a secret that the identity provider shares.
    pub fn shared_secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) }
    }
}

/// Which JWTs are good.
pub struct JwtRules {
    key: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for JwtRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtRules").field("validation", &self.validation).finish_non_exhaustive()
    }
}

impl JwtRules {
    /// `issuer` and `audience` are checked, and required, when given.
    pub fn new(key: JwtKey, issuer: Option<&str>, audience: Option<&str>) -> Self {
        let mut validation = Validation::new(key.algorithm);
        // The library would ask the machine's clock: times are checked here.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = audience.is_some();
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        Self { key: key.key, validation }
    }

    pub(super) fn verify(&self, token: &str, now: Timestamp, grace: Duration) -> Verdict {
        // Checks the signature first, so that a forged token is never called expired.
        let claims = match jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation) {
            // What the issuer calls critical must be understood, and nothing of that kind is (RFC 7515, 4.1.11).
            Ok(token) if token.header.crit.is_some() => return Verdict::Refused("critical header not understood"),
            Ok(token) => token.claims,
            Err(error) => return Verdict::Refused(reason(error.kind())),
        };
        let Ok(user) = claims.sub.parse::<UserId>() else {
            return Verdict::Refused("sub is not a user id");
        };
        let expires = claims.exp.timestamp();
        if claims.nbf.is_some_and(|from| from.timestamp() > now.plus(CLOCK_SKEW_MAX)) {
            return Verdict::Refused("not valid yet");
        }
        if now > expires.plus(CLOCK_SKEW_MAX) {
            return Verdict::Expired;
        }
        Verdict::Valid(Bearer { user, ends_at: expires.plus(grace) })
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: NumericDate,
    nbf: Option<NumericDate>,
}

/// Seconds since 1970, possibly with a fraction (RFC 7519).
#[derive(Deserialize)]
struct NumericDate(f64);

impl NumericDate {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis((self.0 * 1000.0) as u64)
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "wrong signature",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::MissingAlgorithm => {
            "algorithm not allowed"
        }
        ErrorKind::InvalidIssuer => "wrong issuer",
        ErrorKind::InvalidAudience => "wrong audience",
        ErrorKind::MissingRequiredClaim(_) => "a required claim is missing",
        _ => "malformed token",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"a shared secret of the test";
    const EXP: u64 = 1_800_000_000;
    const GRACE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    fn rules() -> JwtRules {
        JwtRules::new(JwtKey::shared_secret(SECRET), None, None)
    }

    fn verify(claims: &Value, now: u64) -> Verdict {
        rules().verify(&signed(Algorithm::HS256, SECRET, claims), at(now), GRACE)
    }

    fn alice() -> Value {
        json!({"sub": "alice", "exp": EXP})
    }

    fn is_refused(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Refused(_))
    }

    #[test]
    fn the_bearer_is_sub_and_its_sessions_end_a_grace_after_exp() {
        let bearer = Bearer { user: "alice".parse().unwrap(), ends_at: at(EXP + 60) };
        assert_eq!(verify(&alice(), EXP - 1), Verdict::Valid(bearer));
    }

    #[test]
    fn clocks_may_differ_by_five_seconds() {
        assert!(matches!(verify(&alice(), EXP + 5), Verdict::Valid(_)));
        assert_eq!(verify(&alice(), EXP + 6), Verdict::Expired);
        let not_before = json!({"sub": "alice", "exp": EXP, "nbf": 1_000_010});
        assert!(matches!(verify(&not_before, 1_000_005), Verdict::Valid(_)));
        assert!(is_refused(&verify(&not_before, 1_000_004)));
    }

    #[test]
    fn exp_and_a_valid_sub_are_required() {
        for claims in [
            json!({"sub": "alice"}),
            json!({"exp": EXP}),
            json!({"sub": "", "exp": EXP}),
            json!({"sub": "a\nb", "exp": EXP}),
            json!({"sub": "x".repeat(129), "exp": EXP}),
            json!({"sub": 7, "exp": EXP}),
            json!({"sub": "alice", "exp": "soon"}),
            json!({"sub": "alice", "exp": EXP, "nbf": "now"}),
        ] {
            assert!(is_refused(&verify(&claims, 1)), "{claims}");
        }
    }

    #[test]
    fn odd_but_legal_times_are_understood() {
        assert!(matches!(verify(&json!({"sub": "alice", "exp": 1_800_000_000.5}), EXP), Verdict::Valid(_)));
        assert!(matches!(verify(&json!({"sub": "alice", "exp": 1e300}), EXP), Verdict::Valid(_)));
        assert_eq!(verify(&json!({"sub": "alice", "exp": -1}), EXP), Verdict::Expired);
    }

    #[test]
    fn a_forged_token_is_refused_whether_or_not_it_has_expired() {
        let forged = signed(Algorithm::HS256, b"another secret", &alice());
        assert!(is_refused(&rules().verify(&forged, at(EXP - 1), GRACE)));
        assert!(is_refused(&rules().verify(&forged, at(EXP + 1000), GRACE)));
    }

    #[test]
    fn the_algorithm_is_the_keys_and_never_the_tokens_choice() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert!(is_refused(&rules().verify(&signed(algorithm, SECRET, &alice()), at(1), GRACE)), "{algorithm:?}");
        }
        let good = signed(Algorithm::HS256, SECRET, &alice());
        let rest = good.split_once('.').unwrap().1;
        let (claims, _) = rest.split_once('.').unwrap();
        for alg in ["none", "None", "RS256", "ES256", "EdDSA", "HS256 ", ""] {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT"}).to_string());
            for token in [format!("{header}.{rest}"), format!("{header}.{claims}."), format!("{header}.{claims}")] {
                assert!(is_refused(&rules().verify(&token, at(1), GRACE)), "{token}");
            }
        }
    }

    #[test]
    fn a_header_that_calls_something_critical_is_refused() {
        let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &alice(), &EncodingKey::from_secret(SECRET)).unwrap();
        assert!(is_refused(&rules().verify(&token, at(1), GRACE)));
    }

    #[test]
    fn issuer_and_audience_are_required_when_configured_and_ignored_otherwise() {
        let rules = JwtRules::new(JwtKey::shared_secret(SECRET), Some("idp"), Some("chat"));
        let verdict = |claims: &Value| rules.verify(&signed(Algorithm::HS256, SECRET, claims), at(1), GRACE);
        assert!(matches!(verdict(&json!({"sub": "a", "exp": EXP, "iss": "idp", "aud": "chat"})), Verdict::Valid(_)));
        assert!(matches!(
            verdict(&json!({"sub": "a", "exp": EXP, "iss": "idp", "aud": ["x", "chat"]})),
            Verdict::Valid(_)
        ));
        for claims in [
            alice(),
            json!({"sub": "a", "exp": EXP, "iss": "idp"}),
            json!({"sub": "a", "exp": EXP, "aud": "chat"}),
            json!({"sub": "a", "exp": EXP, "iss": "other", "aud": "chat"}),
            json!({"sub": "a", "exp": EXP, "iss": "idp", "aud": ["x"]}),
        ] {
            assert!(is_refused(&verdict(&claims)), "{claims}");
        }
        assert!(matches!(verify(&json!({"sub": "a", "exp": EXP, "iss": "any", "aud": "any"}), 1), Verdict::Valid(_)));
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJIUzI1NiJ9..", &"a".repeat(10_000)] {
            assert!(is_refused(&rules().verify(text, at(1), GRACE)), "{text}");
        }
    }
}
