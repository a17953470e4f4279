//! Resume tokens: `rt1.<payload>.<signature>`, both base64url. Signed by the cluster, so that a storm of reconnects
//! asks no outside service.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cell_types::{DeviceId, HistoryEpoch, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Bearer, CLOCK_SKEW_MAX, Keyring, Verdict};

/// How a resume token starts. No JWT does: its first characters are base64 of `{"`.
pub(super) const PREFIX: &str = "rt1.";

/// What is signed. Names are short because every client stores it.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    #[serde(rename = "u")]
    user: UserId,
    #[serde(rename = "d")]
    device: DeviceId,
    /// The history that the token was given for; resuming is decided by the cursor, not by this.
    #[serde(rename = "e")]
    ep: HistoryEpoch,
    #[serde(rename = "x")]
    ends_at: Timestamp,
    #[serde(rename = "k")]
    key: u32,
}

pub(super) fn issue(bearer: &Bearer, device: &DeviceId, ep: HistoryEpoch, keyring: &Keyring) -> Option<String> {
    let (mut token, signature) = keyring.sign(|key| {
        let payload = Payload { user: bearer.user.clone(), device: device.clone(), ep, ends_at: bearer.ends_at, key };
        let json = serde_json::to_vec(&payload).expect("a struct of texts and numbers is JSON");
        let mut text = String::from(PREFIX);
        URL_SAFE_NO_PAD.encode_string(json, &mut text);
        text
    })?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(token)
}

pub(super) fn verify(token: &str, device: &DeviceId, now: Timestamp, keyring: &Keyring) -> Verdict {
    let Some((signed, payload, signature)) = parse(token) else {
        return Verdict::Refused("malformed resume token");
    };
    // Before the time, so that a forged token is never called expired.
    if !keyring.verifies(payload.key, now, signed, &signature) {
        return Verdict::Refused("resume token not signed by a key of this cluster");
    }
    if payload.device != *device {
        return Verdict::Refused("resume token of another device");
    }
    if now > payload.ends_at.plus(CLOCK_SKEW_MAX) {
        return Verdict::Expired;
    }
    Verdict::Valid(Bearer { user: payload.user, ends_at: payload.ends_at })
}

fn parse(token: &str) -> Option<(&str, Payload, [u8; 64])> {
    let (signed, signature) = token.rsplit_once('.')?;
    let payload = URL_SAFE_NO_PAD.decode(signed.strip_prefix(PREFIX)?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?;
    Some((signed, serde_json::from_slice(&payload).ok()?, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{SigningKey, VerifyingKey};

    const END: Timestamp = Timestamp::from_millis(1_000_000);
    const BEFORE: Timestamp = Timestamp::from_millis(900_000);

    fn key(id: u32, until: Timestamp) -> (VerifyingKey, SigningKey) {
        let secret = [u8::try_from(id).unwrap(); 32];
        let public = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        (VerifyingKey { id, public, until }, SigningKey { id, secret })
    }

    fn keyring(id: u32) -> Keyring {
        let (public, secret) = key(id, Timestamp::from_millis(u64::MAX));
        let keyring = Keyring::new();
        keyring.replace([public], Some(secret));
        keyring
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn alice() -> Bearer {
        Bearer { user: "alice".parse().unwrap(), ends_at: END }
    }

    fn token(keyring: &Keyring) -> String {
        issue(&alice(), &device("phone"), HistoryEpoch::new(1), keyring).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_user_and_device_until_its_end() {
        let keyring = keyring(1);
        let token = token(&keyring);
        assert_eq!(verify(&token, &device("phone"), BEFORE, &keyring), Verdict::Valid(alice()));
        assert_eq!(verify(&token, &device("phone"), END.plus(CLOCK_SKEW_MAX), &keyring), Verdict::Valid(alice()));
        assert_eq!(verify(&token, &device("phone"), Timestamp::from_millis(1_005_001), &keyring), Verdict::Expired);
        assert!(matches!(verify(&token, &device("laptop"), BEFORE, &keyring), Verdict::Refused(_)));
    }

    #[test]
    fn a_token_of_another_key_is_refused_even_when_its_time_is_over() {
        let mut forged = token(&keyring(2));
        assert!(matches!(verify(&forged, &device("phone"), BEFORE, &keyring(1)), Verdict::Refused(_)));
        let late = Timestamp::from_millis(2_000_000);
        assert!(matches!(verify(&forged, &device("phone"), late, &keyring(1)), Verdict::Refused(_)));
        forged.truncate(forged.len() - 2);
        assert!(matches!(verify(&forged, &device("phone"), BEFORE, &keyring(2)), Verdict::Refused(_)));
    }

    #[test]
    fn changing_any_character_of_a_token_makes_it_refused() {
        let keyring = keyring(1);
        let token = token(&keyring);
        for at in PREFIX.len()..token.len() - 1 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(matches!(verify(&changed, &device("phone"), BEFORE, &keyring), Verdict::Refused(_)), "{at}");
        }
    }

    #[test]
    fn a_key_verifies_what_it_signed_until_its_time_is_over_also_after_another_one_signs() {
        let (old, old_secret) = key(1, BEFORE);
        let (new, new_secret) = key(2, END);
        let keyring = Keyring::new();
        keyring.replace([old], Some(old_secret));
        let token = token(&keyring);

        keyring.replace([old, new], Some(new_secret));
        assert_eq!(verify(&token, &device("phone"), BEFORE, &keyring), Verdict::Valid(alice()));
        let after = Timestamp::from_millis(BEFORE.as_millis() + 1);
        assert!(matches!(verify(&token, &device("phone"), after, &keyring), Verdict::Refused(_)));
    }

    #[test]
    fn without_a_signing_key_no_token_is_made() {
        assert_eq!(issue(&alice(), &device("phone"), HistoryEpoch::new(1), &Keyring::new()), None);
    }
}
