//! Who a client is: JWTs made by the operator's identity provider, and resume tokens made by the cluster.
//!
//! Pure: the time is an argument. A token is judged once, at `hello`.

mod jwt;
mod keyring;
mod resume;

use std::time::Duration;

use cell_types::{DeviceId, HistoryEpoch, Timestamp, UserId};

pub use jwt::{JwtKey, JwtRules};
pub use keyring::{Keyring, SigningKey, VerifyingKey};

/// How far the clock of whoever made a token may be off.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);

/// A resume token outlives its JWT by this much unless configured otherwise.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// Bytes of a token: what identity providers make stays far below; hashing more is work for an attacker.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// What a token says about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Valid(Bearer),
    /// Properly signed, but its time is over: `err 401`, close 4201.
    Expired,
    /// Anything else: `err 401`, close 4403. The reason is for logs, never for the client.
    Refused(&'static str),
}

/// Who presented a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    pub user: UserId,
    /// A session of this bearer, and every resume token it is given, ends here.
    pub ends_at: Timestamp,
}

/// Judges tokens and makes resume tokens.
#[derive(Debug)]
pub struct Verifier {
    jwt: JwtRules,
    keyring: Keyring,
    grace: Duration,
}

impl Verifier {
    /// `grace` is how long a session may go on by resuming after its JWT's `exp`.
    pub fn new(jwt: JwtRules, keyring: Keyring, grace: Duration) -> Self {
        Self { jwt, keyring, grace }
    }

    /// Judges the token of a `hello` from this device.
    pub fn verify(&self, token: &str, device: &DeviceId, now: Timestamp) -> Verdict {
        if token.len() > TOKEN_LEN_MAX {
            return Verdict::Refused("too long");
        }
        match token.strip_prefix(resume::PREFIX) {
            Some(_) => resume::verify(token, device, now, &self.keyring),
            None => self.jwt.verify(token, now, self.grace),
        }
    }

    /// A resume token for a session that ends at `ends_at`; `None` while there is no signing key.
    pub fn resume_token(&self, bearer: &Bearer, device: &DeviceId, ep: HistoryEpoch) -> Option<String> {
        resume::issue(bearer, device, ep, &self.keyring)
    }

    /// Whether sessions can be opened: a `welcome` needs a signing key.
    pub fn is_ready(&self) -> bool {
        self.keyring.can_sign()
    }
}
