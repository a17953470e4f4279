//! Rows as bytes: format version, a block header where bodies are inside, the payload, and a checksum bound to the key.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::key::hex;
use crate::Error;

/// Version of every row written by this program.
pub(crate) const ROW_FORMAT: u8 = 1;

/// Codec (u8), dictionary id (u16), key id (u16): all zero until bodies are compressed or encrypted.
const BLOCK_HEADER: [u8; 5] = [0; 5];

/// redb checks its own sums only when it repairs a file: this one finds a flipped bit when the row is read.
const CHECKSUM_LEN: usize = 4;

/// A value of the state file.
pub(crate) trait Row: Sized {
    /// For messages about corrupt rows.
    const NAME: &'static str;
    /// Whether bodies are inside, so that the row has a block header.
    const IS_BLOCK: bool = false;

    fn write(&self, out: &mut Vec<u8>);

    /// `None` if the payload is not one that [`Self::write`] makes.
    fn read(payload: &[u8]) -> Option<Self>;
}

/// Replaces what is in `out` by the row's bytes.
pub(crate) fn encode<R: Row>(key: &[u8], row: &R, out: &mut Vec<u8>) {
    out.clear();
    out.push(ROW_FORMAT);
    if R::IS_BLOCK {
        out.extend_from_slice(&BLOCK_HEADER);
    }
    row.write(out);
    let sum = checksum(key, out);
    out.extend_from_slice(&sum);
}

pub(crate) fn decode<R: Row>(key: &[u8], bytes: &[u8]) -> Result<R, Error> {
    let corrupt = |why: &str| Error::Corrupt(format!("{} row {}: {why}", R::NAME, hex(key)));
    let (format, _) = bytes.split_first().ok_or_else(|| corrupt("empty"))?;
    let body_len = bytes.len().checked_sub(CHECKSUM_LEN).ok_or_else(|| corrupt("too short"))?;
    let (body, sum) = bytes.split_at(body_len);
    if checksum(key, body) != sum {
        return Err(corrupt("its checksum is wrong"));
    }
    if *format > ROW_FORMAT {
        return Err(Error::NewerFormat { found: u32::from(*format), known: u32::from(ROW_FORMAT) });
    }
    let payload = if R::IS_BLOCK {
        let header = body.get(1..=BLOCK_HEADER.len()).ok_or_else(|| corrupt("too short"))?;
        if header != BLOCK_HEADER {
            return Err(Error::NewerFormat { found: u32::from(header[0]), known: 0 });
        }
        &body[1 + BLOCK_HEADER.len()..]
    } else {
        body.get(1..).ok_or_else(|| corrupt("too short"))?
    };
    R::read(payload).ok_or_else(|| corrupt("not readable"))
}

/// Depends on the key too, so that a row in another row's place is found.
fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let sum = xxh3_64_with_seed(body, xxh3_64(key)).to_le_bytes();
    [sum[0], sum[1], sum[2], sum[3]]
}

/// Appends a value's postcard form.
pub(crate) fn write_postcard<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    postcard::serialize_with_flavor(value, Appender(out)).expect("writing to memory cannot fail");
}

/// Reads a value that takes up all the bytes.
pub(crate) fn read_postcard<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// Postcard into a buffer that is used again.
struct Appender<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appender<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Implements [`Row`] by postcard for types that derive serde's traits.
macro_rules! postcard_row {
    ($type:ty, $name:literal) => {
        impl $crate::store::codec::Row for $type {
            const NAME: &'static str = $name;

            fn write(&self, out: &mut Vec<u8>) {
                $crate::store::codec::write_postcard(self, out);
            }

            fn read(payload: &[u8]) -> Option<Self> {
                $crate::store::codec::read_postcard(payload)
            }
        }
    };
}
pub(crate) use postcard_row;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Number(u64);
    postcard_row!(Number, "number");

    fn encoded(key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(key, &Number(300), &mut bytes);
        bytes
    }

    #[test]
    fn a_row_reads_back_under_its_own_key_only() {
        assert_eq!(decode::<Number>(b"a", &encoded(b"a")).unwrap(), Number(300));
        assert!(matches!(decode::<Number>(b"b", &encoded(b"a")), Err(Error::Corrupt(_))));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found() {
        let bytes = encoded(b"a");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode::<Number>(b"a", &flipped), Err(Error::Corrupt(_))), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(matches!(decode::<Number>(b"a", &bytes[..len]), Err(Error::Corrupt(_))), "length {len}");
        }
    }

    #[test]
    fn a_row_of_a_newer_format_is_refused_and_not_guessed_at() {
        let mut bytes = encoded(b"a");
        bytes.truncate(bytes.len() - CHECKSUM_LEN);
        bytes[0] = ROW_FORMAT + 1;
        let sum = checksum(b"a", &bytes);
        bytes.extend_from_slice(&sum);
        assert!(matches!(decode::<Number>(b"a", &bytes), Err(Error::NewerFormat { found: 2, known: 1 })));
    }
}
