//! Applying committed entries, one at a time under the lock, so that readers get in between.

use std::io;

use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::time::Instant;

use super::checkpoint::Builder;
use super::{Machine, Snapshot};
use crate::codec::{decode_membership, encode_membership};
use crate::types::{Entry, LogId, Replies, SnapshotMeta, StoredMembership, TypeConfig, log_id, position};

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Snapshot;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let (applied, membership) = self.read(|state| state.applied());
        Ok((applied.map(log_id), stored_membership(membership)?))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.wait_for_room().await?;
            let replies = self.apply_entry(&entry).map_err(|error| self.broken(error))?;
            if let Some(responder) = responder {
                responder.send(replies);
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        Some(Builder { machine: self.clone(), must_be_new: force })
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { machine: self.clone(), must_be_new: true }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Snapshot) -> Result<(), io::Error> {
        self.install(meta, snapshot).await
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::alias::SnapshotOf<TypeConfig, Snapshot>>, io::Error> {
        self.current_snapshot()
    }
}

impl Machine {
    fn apply_entry(&self, entry: &Entry) -> Result<Replies, cell_core::Error> {
        let at = position(&entry.log_id);
        let mut effects = Vec::new();
        let (replies, is_due) = {
            // Decoding needs no lock.
            let batch = match &entry.payload {
                EntryPayload::Normal(record) => Some(record.take_batch()?),
                _ => None,
            };
            let mut slot = self.slot();
            let replies = match (&entry.payload, batch) {
                (EntryPayload::Membership(membership), _) => {
                    slot.state.note(at, Some(encode_membership(membership)));
                    effects.push(cell_core::Effect::CellChanged);
                    Vec::new()
                }
                (_, Some(batch)) => slot.state.apply(at, &batch, &mut effects)?,
                (_, None) => {
                    slot.state.note(at, None);
                    Vec::new()
                }
            };
            let first = slot.unwritten_since.is_none();
            slot.unwritten_since.get_or_insert_with(Instant::now);
            (replies, first || self.shared.limits.is_due(slot.state.since_checkpoint()))
        };
        if is_due {
            self.shared.dirty.notify_one();
        }
        if !effects.is_empty() {
            self.shared.sink.applied(effects);
        }
        Ok(Replies(replies))
    }
}

pub(super) fn stored_membership(
    membership: Option<(cell_core::LogPosition, bytes::Bytes)>,
) -> io::Result<StoredMembership> {
    match membership {
        None => Ok(StoredMembership::default()),
        Some((at, bytes)) => Ok(StoredMembership::new(Some(log_id(at)), decode_membership(&bytes)?)),
    }
}
