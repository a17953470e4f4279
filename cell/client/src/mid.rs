//! Message ids: version 7 UUIDs out of a given time and given randomness.

use cell_types::{MessageId, Timestamp};
use rand::{Rng, RngExt};
use uuid::Builder;

/// Unique without asking anybody: 48 bits of time, 74 random ones.
pub(crate) fn new_mid(now: Timestamp, rng: &mut impl Rng) -> MessageId {
    let random: [u8; 10] = rng.random();
    MessageId::from_u128(Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid().as_u128())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn mids_carry_their_time_and_follow_from_the_seed() {
        let make = |seed| new_mid(Timestamp::from_millis(0x0189_0a5d_ac96), &mut StdRng::seed_from_u64(seed));
        assert!(make(1).to_string().starts_with("01890a5d-ac96-7"));
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }
}
