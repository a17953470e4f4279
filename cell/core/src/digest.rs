//! A running digest of everything decided, by which replicas find that one of them went another way.

use std::collections::VecDeque;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::reply::Reply;
use crate::view::{MailboxEntry, MailboxKind};
use crate::{Effect, LogPosition};

/// Entries whose digests are remembered: a comparison is proposed some entries after it was taken.
const REMEMBERED_MAX: usize = 1_024;

/// The digests after the last entries. Lost by a restart, and then filled again.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<(u64, u64)>);

impl Recent {
    pub(crate) fn push(&mut self, index: u64, digest: u64) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((index, digest));
    }

    /// The digest after an entry, if it is remembered.
    pub(crate) fn get(&self, index: u64) -> Option<u64> {
        let place = self.0.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(self.0[place].1)
    }
}

/// The digest after an entry: of the one before, where the entry stands, and what it decided.
///
/// Written by hand, field by field: it must be the same in every version of this program.
pub(crate) fn chain(before: u64, at: LogPosition, replies: &[Reply], effects: &[Effect], decisions: &[u64]) -> u64 {
    let mut decided = Decided(Vec::with_capacity(64 + 32 * replies.len() + 64 * effects.len() + 8 * decisions.len()));
    decided.number(at.term).number(at.node.get()).number(at.index);
    replies.iter().for_each(|reply| decided.reply(reply));
    effects.iter().for_each(|effect| decided.effect(effect));
    for decision in decisions {
        decided.number(*decision);
    }
    xxh3_64_with_seed(&decided.0, before)
}

struct Decided(Vec<u8>);

impl Decided {
    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64).number(xxh3_64(bytes))
    }

    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Done => {
                self.number(1);
            }
            Reply::Sent { conversation, cseq, ts, again } => {
                self.number(2)
                    .bytes(&conversation.to_bytes())
                    .number(cseq.get())
                    .number(ts.as_millis())
                    .number((*again).into());
            }
            Reply::Registered { node } => {
                self.number(3).number(node.get());
            }
            Reply::Swept { next } => {
                self.number(4).bytes(next);
            }
            Reply::Rejected(rejection) => {
                self.number(5).bytes(rejection.code().as_bytes());
            }
        }
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Appended { user, useq, entry } => {
                self.number(6).number(user.placement.get()).number(user.tag as u64).number(useq.get()).entry(entry);
            }
            Effect::Trimmed { user, floor } => {
                self.number(7).number(user.placement.get()).number(user.tag as u64).number(floor.get());
            }
            Effect::CellChanged => {
                self.number(8);
            }
            Effect::KeyringChanged => {
                self.number(9);
            }
        }
    }

    fn entry(&mut self, entry: &MailboxEntry) {
        self.number(entry.at.as_millis());
        match &entry.kind {
            MailboxKind::Conversation { conversation, with } => {
                self.number(1).bytes(&conversation.to_bytes()).bytes(with.as_str().as_bytes());
            }
            MailboxKind::Message { conversation, message } => {
                self.number(2).bytes(&conversation.to_bytes()).number(message.cseq.get()).number(message.eseq.get());
                self.number(message.ts.as_millis())
                    .number(message.revision.into())
                    .bytes(message.sender.as_str().as_bytes());
                self.bytes(&message.mid.map_or([0; 16], |mid| mid.as_u128().to_be_bytes()));
                self.bytes(message.body.as_ref().map_or(&[], |body| body.as_bytes()));
            }
            MailboxKind::Read { conversation, user, upto } => {
                self.number(3).bytes(&conversation.to_bytes()).bytes(user.as_str().as_bytes()).number(upto.get());
            }
            MailboxKind::Delivered { conversation, user, upto } => {
                self.number(4).bytes(&conversation.to_bytes()).bytes(user.as_str().as_bytes()).number(upto.get());
            }
        }
    }
}
