//! A bucket of a conversation's dedupe table, kept in memory as it is stored: entries of a fixed width.

use cell_types::{ConversationId, Cseq};

use crate::store::codec::Row;
use crate::store::key::take;
use crate::store::{Entity, KeyBytes, RowKey};

/// Print (4), `cseq` (8).
const ENTRY_LEN: usize = 12;

/// Where a message that was sent may be found. The message itself says whether it is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Hash of sender and message id, whose low bits also choose the bucket.
    pub(crate) print: u32,
    pub(crate) cseq: Cseq,
}

/// Entries in the order in which they came. Bytes, because searching, copying and writing them is what is done most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bucket(Vec<u8>);

impl Bucket {
    /// Messages with this print: nearly always none, or the one.
    pub(crate) fn find(&self, print: u32) -> impl Iterator<Item = Cseq> {
        let print = print.to_be_bytes();
        let entries = self.0.chunks_exact(ENTRY_LEN);
        entries.filter(move |entry| entry[..4] == print).map(|entry| Sent::read(entry).cseq)
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        self.0.extend_from_slice(&sent.to_bytes());
    }

    /// Removes one entry. False if it was not there.
    pub(crate) fn remove(&mut self, sent: Sent) -> bool {
        let bytes = sent.to_bytes();
        let Some(place) = self.0.chunks_exact(ENTRY_LEN).position(|entry| entry == bytes) else { return false };
        self.0.drain(place * ENTRY_LEN..(place + 1) * ENTRY_LEN);
        true
    }

    /// Takes out the entries that belong elsewhere.
    pub(crate) fn split_off(&mut self, belongs_elsewhere: impl Fn(u32) -> bool) -> Self {
        let (mut stay, mut go) = (Vec::with_capacity(self.0.len()), Vec::new());
        for entry in self.0.chunks_exact(ENTRY_LEN) {
            let to = if belongs_elsewhere(Sent::read(entry).print) { &mut go } else { &mut stay };
            to.extend_from_slice(entry);
        }
        self.0 = stay;
        Self(go)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len() / ENTRY_LEN
    }
}

impl Sent {
    fn read(entry: &[u8]) -> Self {
        let print = u32::from_be_bytes(take(&entry[..4]));
        Self { print, cseq: Cseq::new(u64::from_be_bytes(take(&entry[4..]))) }
    }

    fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..4].copy_from_slice(&self.print.to_be_bytes());
        bytes[4..].copy_from_slice(&self.cseq.get().to_be_bytes());
        bytes
    }
}

impl Row for Bucket {
    const NAME: &'static str = "dedupe";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(payload: &[u8]) -> Option<Self> {
        payload.len().is_multiple_of(ENTRY_LEN).then(|| Self(payload.to_vec()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BucketKey {
    pub(crate) conversation: ConversationId,
    pub(crate) bucket: u32,
}

impl RowKey for BucketKey {
    const KIND: u8 = 19;

    fn entity(&self) -> Entity {
        Entity::conversation(self.conversation)
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.bucket.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        Some(Self { conversation: entity.as_conversation()?, bucket: u32::from_be_bytes(numbers.try_into().ok()?) })
    }
}
