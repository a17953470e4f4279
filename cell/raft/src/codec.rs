//! Bytes of a log entry, on disk and between replicas: a fixed head, the payload as it is, a checksum.
//!
//! The checksum travels with the entry: it is computed once by the leader and checked wherever the bytes are read.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use xxhash_rust::xxh3::xxh3_64;

use crate::types::{Entry, LeaderId, LogId, Membership, Record};

const FORMAT: u8 = 1;
const BLANK: u8 = 0;
const COMMANDS: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Format, kind, term, node, index.
const HEAD_LEN: usize = 2 + 3 * 8;
const CHECKSUM_LEN: usize = 8;

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let membership;
    let (kind, payload): (u8, &[u8]) = match &entry.payload {
        EntryPayload::Blank => (BLANK, &[]),
        EntryPayload::Normal(record) => (COMMANDS, &record.bytes),
        EntryPayload::Membership(m) => {
            membership = encode_membership(m);
            (MEMBERSHIP, &membership)
        }
    };
    let mut out = BytesMut::with_capacity(HEAD_LEN + payload.len() + CHECKSUM_LEN);
    out.put_u8(FORMAT);
    out.put_u8(kind);
    out.put_u64_le(entry.log_id.leader_id.term);
    out.put_u64_le(entry.log_id.leader_id.node_id);
    out.put_u64_le(entry.log_id.index);
    out.put_slice(payload);
    let checksum = xxh3_64(&out);
    out.put_u64_le(checksum);
    out.freeze()
}

/// Decodes and verifies; a commands payload stays a slice of `bytes`.
pub(crate) fn decode_entry(bytes: &Bytes) -> io::Result<Entry> {
    if bytes.len() < HEAD_LEN + CHECKSUM_LEN {
        return Err(corrupt("a log entry is too short"));
    }
    let (body, mut checksum) = bytes.split_at(bytes.len() - CHECKSUM_LEN);
    if xxh3_64(body) != checksum.get_u64_le() {
        return Err(corrupt("a log entry's checksum does not match"));
    }
    let mut head = &body[..HEAD_LEN];
    if head.get_u8() != FORMAT {
        return Err(corrupt("a log entry has an unknown format"));
    }
    let kind = head.get_u8();
    let leader_id = LeaderId { term: head.get_u64_le(), node_id: head.get_u64_le() };
    let log_id = LogId { leader_id, index: head.get_u64_le() };
    let payload = bytes.slice(HEAD_LEN..bytes.len() - CHECKSUM_LEN);
    let payload = match kind {
        BLANK => EntryPayload::Blank,
        COMMANDS => EntryPayload::Normal(Record::received(payload)),
        MEMBERSHIP => EntryPayload::Membership(decode_membership(&payload)?),
        _ => return Err(corrupt("a log entry has an unknown kind")),
    };
    Ok(Entry { log_id, payload })
}

pub(crate) fn encode_membership(membership: &Membership) -> Bytes {
    postcard::to_stdvec(membership).map(Bytes::from).expect("a membership is plain data")
}

pub(crate) fn decode_membership(bytes: &[u8]) -> io::Result<Membership> {
    postcard::from_bytes(bytes).map_err(|_| corrupt("a membership is not readable"))
}

pub(crate) fn corrupt(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// A small row of the volume: its value, checked.
pub(crate) fn encode_row<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut row = postcard::to_stdvec(value).expect("rows are plain data");
    let checksum = xxh3_64(&row);
    row.extend_from_slice(&checksum.to_le_bytes());
    row
}

pub(crate) fn decode_row<T: serde::de::DeserializeOwned>(row: &[u8]) -> io::Result<T> {
    let Some((value, checksum)) = row.split_last_chunk::<CHECKSUM_LEN>() else {
        return Err(corrupt("a row is too short"));
    };
    if xxh3_64(value) != u64::from_le_bytes(*checksum) {
        return Err(corrupt("a row's checksum does not match"));
    }
    postcard::from_bytes(value).map_err(|_| corrupt("a row is not readable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(payload: EntryPayload<Record, u64, crate::types::Member>) -> Entry {
        Entry { log_id: LogId { leader_id: LeaderId { term: 3, node_id: 2 }, index: 70 }, payload }
    }

    #[test]
    fn an_entry_survives_its_bytes() {
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Record::received(Bytes::from_static(b"commands"))),
            EntryPayload::Membership(Membership::new_with_defaults(vec![[1, 2].into()], [3])),
        ] {
            let entry = entry(payload);
            assert_eq!(decode_entry(&encode_entry(&entry)).unwrap(), entry);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_in_an_entry_is_noticed() {
        let bytes = encode_entry(&entry(EntryPayload::Normal(Record::received(Bytes::from_static(b"commands")))));
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(decode_entry(&flipped.into()).is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_truncated_entry_is_noticed() {
        let bytes = encode_entry(&entry(EntryPayload::Blank));
        for len in 0..bytes.len() {
            assert!(decode_entry(&bytes.slice(..len)).is_err(), "{len}");
        }
    }

    #[test]
    fn a_flipped_bit_in_a_row_is_noticed() {
        let row = encode_row(&(7u64, "seven".to_owned()));
        assert_eq!(decode_row::<(u64, String)>(&row).unwrap(), (7, "seven".to_owned()));
        for at in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(decode_row::<(u64, String)>(&flipped).is_err(), "bit {at}");
        }
    }
}
