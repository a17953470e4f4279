//! Who sends what in a run: names, message ids and bodies are a function of (run, pair, side, number), so that
//! the checker keeps no bodies and any process can say what a message must look like.

use std::io::Write as _;

use crate::mix::{mix, mix_all};

/// Bytes of a body's JSON at least: quotes, number, checksum.
pub const BODY_LEN_MIN: usize = 40;

/// Bytes of the text that bodies are padded from: more than the largest body and its offset.
const PADDING_LEN: usize = 80 * 1024;

/// Offsets into the padding: neighbours differ, so a server that mixes up two bodies is seen.
const PADDING_OFFSETS: u32 = 4096;

/// Message ids begin with a time (UUID version 7), and this is the time of number 0, so that ids sort by number.
const MID_TIME_BASE_MS: u64 = 1_790_000_000_000;

/// One of the two users of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    A,
    B,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The cast of a run.
#[derive(Debug, Clone)]
pub struct Cast {
    run: String,
    salt: u64,
    padding: Box<[u8]>,
}

impl Cast {
    /// `run` names the users, so runs with different names never meet.
    pub fn new(run: &str) -> Self {
        let salt = run.bytes().fold(run.len() as u64, |state, byte| mix(state ^ u64::from(byte)));
        let letter = |i: usize| b'a' + (mix(i as u64) % 26) as u8;
        Self { run: run.to_owned(), salt, padding: (0..PADDING_LEN).map(letter).collect() }
    }

    /// A user's name; needs no escapes in JSON.
    pub fn user(&self, pair: u32, side: Side) -> String {
        let side = match side {
            Side::A => 'a',
            Side::B => 'b',
        };
        format!("{}-{pair}{side}", self.run)
    }

    /// Appends a message's id: a UUID of version 7 whose time grows with the number.
    pub fn write_mid(&self, pair: u32, side: Side, number: u32, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let random = mix_all(&[self.salt, u64::from(pair), side as u64, u64::from(number)]);
        let high = ((MID_TIME_BASE_MS + u64::from(number)) << 16) | 0x7000 | (random >> 52);
        let low = (random << 12 >> 2) | (1 << 63);
        let bits = (u128::from(high) << 64) | u128::from(low & !(1 << 62));
        for (i, byte) in bits.to_be_bytes().into_iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }

    /// Appends a message's body: JSON text of `len` bytes (at least [`BODY_LEN_MIN`]) with number, checksum and padding.
    pub fn write_body(&self, pair: u32, side: Side, number: u32, len: usize, out: &mut Vec<u8>) {
        let check = mix_all(&[self.salt, u64::from(pair), side as u64, u64::from(number), len as u64]);
        let start = out.len();
        write!(out, "\"{number}.{check:016x}.").expect("writing to memory does not fail");
        let padding = len.saturating_sub(out.len() - start + 1);
        let offset = (number % PADDING_OFFSETS) as usize;
        out.extend_from_slice(&self.padding[offset..offset + padding]);
        out.push(b'"');
    }

    /// The number that a body claims, if it is a body of this kind.
    pub fn number(body: &[u8]) -> Option<u32> {
        let digits = body.strip_prefix(b"\"")?;
        let end = memchr::memchr(b'.', digits)?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use cell_types::{MessageId, UserId};

    use super::*;

    fn mid(number: u32) -> String {
        let mut out = Vec::new();
        Cast::new("r1").write_mid(3, Side::B, number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn message_ids_are_lower_case_uuids_of_version_7_that_sort_by_number() {
        assert!(mid(5).parse::<MessageId>().is_ok());
        assert_eq!(mid(5).as_bytes()[14], b'7');
        assert!(matches!(mid(5).as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{}", mid(5));
        assert!(mid(5) < mid(6) && mid(6) < mid(70_000));
        assert_eq!(mid(5), mid(5).to_lowercase());
    }

    #[test]
    fn a_body_has_the_length_asked_for_and_says_its_number() {
        let cast = Cast::new("r1");
        for (number, len) in [(0, BODY_LEN_MIN), (4_000_000_000, BODY_LEN_MIN), (77, 150), (4095, 65_536)] {
            let mut body = Vec::new();
            cast.write_body(9, Side::A, number, len, &mut body);
            assert_eq!(body.len(), len);
            assert_eq!(Cast::number(&body), Some(number));
            assert!(serde_json::from_slice::<String>(&body).is_ok());
        }
    }

    #[test]
    fn names_are_user_ids_and_differ_by_pair_and_side() {
        let cast = Cast::new("r1");
        assert!(cast.user(1, Side::A).parse::<UserId>().is_ok());
        assert_ne!(cast.user(1, Side::A), cast.user(1, Side::B));
        assert_ne!(cast.user(1, Side::A), cast.user(11, Side::A));
    }
}
