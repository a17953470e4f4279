//! The dedupe table of a conversation: exact, by linear hashing, one bucket a row.
//!
//! A bucket holds about 192 entries however many there are: when there are more, one bucket more is made by splitting
//! the next one in turn, so that no insertion ever moves more than one bucket. An entry is small, because a busy
//! conversation writes all its buckets at every checkpoint: it names a message, whose own row has sender, message id,
//! time and the hash of the body that was sent. So a message's row stays at its home for as long as it is remembered.

use std::sync::Arc;

use cell_types::{ConversationId, Cseq, MessageId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Error;
use crate::row::{BodyHash, Bucket, BucketKey, Conversation, MessageBlockKey, Sent};
use crate::store::Table;
use crate::tables::{Tables, expect_row};
use crate::view::Message;

/// Entries per bucket on average: 2.3 KB, so that most buckets fit a page.
const BUCKET_ENTRIES: u64 = 192;

type Dedupe = Table<BucketKey, Bucket>;

/// A message that was sent before.
pub(crate) struct First {
    pub(crate) message: Arc<Message>,
    /// Of the body that was sent.
    pub(crate) hash: BodyHash,
}

/// This sender's message, if it was sent within the window.
pub(crate) fn find(
    tables: &Tables,
    id: ConversationId,
    conversation: &Conversation,
    sender: usize,
    mid: MessageId,
) -> Result<Option<First>, Error> {
    let print = print(id, sender, mid);
    let Some(bucket) = tables.dedupe.get(&bucket_key(id, conversation.buckets, print))? else { return Ok(None) };
    for cseq in bucket.find(print) {
        let block = expect_row(tables.messages.get(&MessageBlockKey::of(id, cseq))?, "message")?;
        let message = expect_row(block.get(cseq), "message")?;
        if message.mid == Some(mid) && message.sender == conversation.participants[sender].user {
            let hash = *expect_row(block.hash(cseq), "message")?;
            return Ok(Some(First { message: Arc::clone(message), hash }));
        }
    }
    Ok(None)
}

/// Remembers a message that is not there yet.
pub(crate) fn insert(
    dedupe: &mut Dedupe,
    id: ConversationId,
    conversation: &mut Conversation,
    sender: usize,
    (mid, cseq): (MessageId, Cseq),
) -> Result<(), Error> {
    let print = print(id, sender, mid);
    dedupe.get_mut_or(&bucket_key(id, conversation.buckets, print), Bucket::default)?.push(Sent { print, cseq });
    conversation.entries += 1;
    conversation.participants[sender].entries += 1;
    if conversation.entries > u64::from(conversation.buckets) * BUCKET_ENTRIES && conversation.buckets < u32::MAX {
        split(dedupe, id, conversation)?;
    }
    Ok(())
}

/// Forgets a message. The buckets stay as many as they are; an empty one has no row.
pub(crate) fn forget(
    dedupe: &mut Dedupe,
    id: ConversationId,
    conversation: &mut Conversation,
    sender: usize,
    (mid, cseq): (MessageId, Cseq),
) -> Result<(), Error> {
    let print = print(id, sender, mid);
    let key = bucket_key(id, conversation.buckets, print);
    let Some(bucket) = dedupe.get_mut(&key)? else { return Ok(()) };
    if bucket.remove(Sent { print, cseq }) {
        conversation.entries -= 1;
        conversation.participants[sender].entries -= 1;
    }
    if bucket.is_empty() {
        dedupe.remove(&key);
    }
    Ok(())
}

/// Makes one bucket more out of the one whose turn it is.
fn split(dedupe: &mut Dedupe, id: ConversationId, conversation: &mut Conversation) -> Result<(), Error> {
    let new = conversation.buckets;
    let old = new - (1 << new.ilog2());
    conversation.buckets += 1;
    let key = BucketKey { conversation: id, bucket: old };
    let Some(bucket) = dedupe.get_mut(&key)? else { return Ok(()) };
    let moved = bucket.split_off(|print| bucket_key(id, new + 1, print).bucket == new);
    if bucket.is_empty() {
        dedupe.remove(&key);
    }
    if !moved.is_empty() {
        dedupe.insert_new(BucketKey { conversation: id, bucket: new }, moved);
    }
    Ok(())
}

/// Where an entry is while there are this many buckets: by as many bits of its print as they need, or one bit less
/// if that bucket was not made yet.
fn bucket_key(conversation: ConversationId, buckets: u32, print: u32) -> BucketKey {
    let bits = u64::from(print);
    let level = buckets.ilog2();
    let (long, short) = (bits & ((2 << level) - 1), bits & ((1 << level) - 1));
    let bucket = if long < u64::from(buckets) { long } else { short };
    BucketKey { conversation, bucket: u32::try_from(bucket).expect("below the number of buckets") }
}

/// Depends on the conversation, so that ids that fall together in one do not in the next.
fn print(conversation: ConversationId, sender: usize, mid: MessageId) -> u32 {
    let seed = u64::from_be_bytes(crate::store::key::take(&conversation.to_bytes()[17..]));
    let mut key = [0; 24];
    key[..16].copy_from_slice(&mid.as_u128().to_be_bytes());
    key[16..].copy_from_slice(&(sender as u64).to_be_bytes());
    // The low half is as good as any.
    xxh3_64_with_seed(&key, seed) as u32
}

#[cfg(test)]
mod tests {
    use cell_types::{Eseq, Timestamp, UserId};
    use proptest::prelude::*;

    use super::*;
    use crate::row::MessageBlock;
    use crate::store::Disk;
    use crate::test_cell::Memory;

    struct Known {
        id: ConversationId,
        conversation: Conversation,
        tables: Tables,
    }

    impl Known {
        fn new() -> Self {
            let (alice, bob): (UserId, UserId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
            Self {
                id: ConversationId::direct(&alice, &bob),
                conversation: Conversation::direct(&alice, &bob),
                tables: Tables::open(Disk::open(Memory::default().database()).unwrap()).unwrap(),
            }
        }

        fn insert(&mut self, sender: usize, mid: u128) -> Cseq {
            let (mid, cseq) = (MessageId::from_u128(mid), self.conversation.head.next());
            self.conversation.head = cseq;
            let message = Message {
                cseq,
                eseq: Eseq::ZERO,
                sender: self.conversation.participants[sender].user.clone(),
                mid: Some(mid),
                ts: Timestamp::default(),
                body: None,
                revision: 0,
            };
            let key = MessageBlockKey::of(self.id, cseq);
            self.tables.messages.get_mut_or(&key, MessageBlock::default).unwrap().push(Arc::new(message), [7; 16]);
            insert(&mut self.tables.dedupe, self.id, &mut self.conversation, sender, (mid, cseq)).unwrap();
            cseq
        }

        fn forget(&mut self, sender: usize, mid: u128, cseq: Cseq) {
            let sent = (MessageId::from_u128(mid), cseq);
            forget(&mut self.tables.dedupe, self.id, &mut self.conversation, sender, sent).unwrap();
        }

        fn find(&self, sender: usize, mid: u128) -> Option<Cseq> {
            let first = find(&self.tables, self.id, &self.conversation, sender, MessageId::from_u128(mid)).unwrap();
            first.map(|first| first.message.cseq)
        }

        fn bucket_lens(&self) -> Vec<usize> {
            let bucket = |bucket| self.tables.dedupe.get(&BucketKey { conversation: self.id, bucket }).unwrap();
            (0..self.conversation.buckets).map(|n| bucket(n).map_or(0, |bucket| bucket.len())).collect()
        }
    }

    #[test]
    fn buckets_stay_small_however_many_entries_there_are() {
        let mut known = Known::new();
        for n in 0..10_000_u128 {
            // As clients make them: a time in the upper bits.
            known.insert(0, ((1_790_000_000_000 + n) << 80) | (n * 7));
        }
        let lens = known.bucket_lens();
        assert_eq!(lens.iter().sum::<usize>(), 10_000);
        assert!(known.conversation.buckets >= 50 && *lens.iter().max().unwrap() < 500, "{lens:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_entry_is_ever_lost_and_none_comes_back(
            steps in proptest::collection::vec((0..4_u8, 0..2_usize, 0..1_000_u128), 1..2_000),
        ) {
            let mut known = Known::new();
            let mut model = std::collections::BTreeMap::new();
            for (step, sender, mid) in steps {
                if step == 0 {
                    if let Some(cseq) = model.remove(&(sender, mid)) {
                        known.forget(sender, mid, cseq);
                    }
                } else {
                    model.entry((sender, mid)).or_insert_with(|| known.insert(sender, mid));
                }
            }
            for sender in 0..2 {
                for mid in 0..1_000 {
                    prop_assert_eq!(known.find(sender, mid), model.get(&(sender, mid)).copied());
                }
            }
            prop_assert_eq!(known.conversation.entries, model.len() as u64);
            prop_assert_eq!(known.bucket_lens().iter().sum::<usize>(), model.len());
        }
    }
}
