//! The frames of a link: a kind, two numbers, a body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::raft::AppendEntriesRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::codec::{decode_entry, encode_entry};
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// A frame, taken apart. `id` pairs answers with questions; for appends it is the session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `to` is the node id that must answer; 0 means whoever holds the slot.
    Request {
        id: u64,
        to: u64,
        body: Bytes,
    },
    Response {
        id: u64,
        body: Bytes,
    },
    Append {
        session: u64,
        to: u64,
        body: Bytes,
    },
    /// Answers to a session's appends come in order.
    Appended {
        session: u64,
        body: Bytes,
    },
}

/// Kind and two numbers.
const HEAD_LEN: usize = 1 + 8 + 8;

impl Frame {
    pub(super) fn encode(&self) -> Bytes {
        let (kind, id, to, body) = match self {
            Self::Request { id, to, body } => (0, *id, *to, body),
            Self::Response { id, body } => (1, *id, 0, body),
            Self::Append { session, to, body } => (2, *session, *to, body),
            Self::Appended { session, body } => (3, *session, 0, body),
        };
        let mut out = BytesMut::with_capacity(HEAD_LEN + body.len());
        out.put_u8(kind);
        out.put_u64_le(id);
        out.put_u64_le(to);
        out.put_slice(body);
        out.freeze()
    }

    pub(super) fn decode(mut bytes: Bytes) -> Result<Self, Error> {
        if bytes.len() < HEAD_LEN {
            return Err(Error::Malformed);
        }
        let (kind, id, to) = (bytes.get_u8(), bytes.get_u64_le(), bytes.get_u64_le());
        let body = bytes;
        Ok(match kind {
            0 => Self::Request { id, to, body },
            1 => Self::Response { id, body },
            2 => Self::Append { session: id, to, body },
            3 => Self::Appended { session: id, body },
            _ => return Err(Error::Malformed),
        })
    }
}

pub(super) fn encode<T: Serialize>(value: &T) -> Bytes {
    postcard::to_stdvec(value).map(Bytes::from).expect("messages are plain data")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|_| Error::Malformed)
}

/// The head of an append: postcard, its length before it.
type AppendHead = (Vote, Option<LogId>, Option<LogId>);

/// Entries travel in their stored form, so that a follower checks the leader's checksum.
pub(super) fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Bytes {
    let head = encode::<AppendHead>(&(request.vote, request.prev_log_id, request.leader_commit));
    let mut out = BytesMut::new();
    out.put_u32_le(u32::try_from(head.len()).expect("a head is small"));
    out.put_slice(&head);
    for entry in &request.entries {
        let row = encode_entry(entry);
        out.put_u32_le(u32::try_from(row.len()).expect("an entry is far below 4 GiB"));
        out.put_slice(&row);
    }
    out.freeze()
}

pub(super) fn decode_append(mut bytes: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, Error> {
    let (vote, prev_log_id, leader_commit): AppendHead = decode(&part(&mut bytes)?)?;
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        entries.push(decode_entry(&part(&mut bytes)?).map_err(|_| Error::Malformed)?);
    }
    if !follow_each_other(prev_log_id, &entries) {
        return Err(Error::Malformed);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

/// openraft takes it for granted; a gap would be acked, and be a hole in the log.
fn follow_each_other(prev: Option<LogId>, entries: &[Entry]) -> bool {
    let ids = || prev.into_iter().chain(entries.iter().map(|entry| entry.log_id));
    let is_first = prev.is_some() || entries.first().is_none_or(|entry| entry.log_id.index == 0);
    is_first && ids().zip(ids().skip(1)).all(|(one, next)| next.index == one.index + 1 && next > one)
}

fn part(bytes: &mut Bytes) -> Result<Bytes, Error> {
    if bytes.len() < 4 {
        return Err(Error::Malformed);
    }
    let len = bytes.get_u32_le() as usize;
    if bytes.len() < len {
        return Err(Error::Malformed);
    }
    Ok(bytes.split_to(len))
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::types::{LeaderId, Record};

    #[test]
    fn an_append_survives_its_bytes() {
        let id = |index| LogId { leader_id: LeaderId { term: 4, node_id: 1 }, index };
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(4, 1),
            prev_log_id: Some(id(6)),
            entries: vec![
                Entry { log_id: id(7), payload: EntryPayload::Blank },
                Entry { log_id: id(8), payload: EntryPayload::Normal(Record::received(Bytes::from_static(b"x"))) },
            ],
            leader_commit: Some(id(5)),
        };
        let again = decode_append(encode_append(&request)).unwrap();
        assert_eq!(
            (again.vote, again.prev_log_id, again.leader_commit),
            (request.vote, request.prev_log_id, request.leader_commit)
        );
        assert_eq!(again.entries, request.entries);
    }

    fn append(prev: Option<(u64, u64)>, entries: &[(u64, u64)]) -> Bytes {
        let id = |(term, index)| LogId { leader_id: LeaderId { term, node_id: 1 }, index };
        encode_append(&AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(4, 1),
            prev_log_id: prev.map(id),
            entries: entries.iter().map(|at| Entry { log_id: id(*at), payload: EntryPayload::Blank }).collect(),
            leader_commit: None,
        })
    }

    #[test]
    fn entries_that_do_not_follow_each_other_are_refused() {
        for (prev, entries) in [
            (Some((4, 6)), &[(4, 8)][..]),
            (Some((4, 6)), &[(4, 7), (4, 9)]),
            (Some((4, 6)), &[(4, 7), (3, 8)]),
            (None, &[(4, 1)]),
        ] {
            assert!(decode_append(append(prev, entries)).is_err(), "{prev:?} {entries:?}");
        }
        for (prev, entries) in
            [(None, &[][..]), (None, &[(0, 0), (1, 1)]), (Some((4, 6)), &[]), (Some((3, 6)), &[(4, 7)])]
        {
            assert!(decode_append(append(prev, entries)).is_ok(), "{prev:?} {entries:?}");
        }
    }

    #[test]
    fn a_cut_frame_is_malformed_not_a_panic() {
        let bytes = Frame::Append { session: 1, to: 2, body: Bytes::from_static(b"0123456789") }.encode();
        for len in 0..bytes.len() {
            if let Ok(Frame::Append { body, .. }) = Frame::decode(bytes.slice(..len)) {
                assert!(decode_append(body).is_err());
            }
        }
    }
}
