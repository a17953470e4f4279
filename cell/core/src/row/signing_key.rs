//! A key of the cluster's keyring: a cluster-wide row.

use crate::store::codec::postcard_row;
use crate::store::{Entity, KeyBytes, RowKey};
use crate::view::SigningKey;

postcard_row!(SigningKey, "signing key");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SigningKeyId(pub(crate) u32);

impl RowKey for SigningKeyId {
    const KIND: u8 = 32;

    fn entity(&self) -> Entity {
        Entity::CLUSTER
    }

    fn to_bytes(&self) -> KeyBytes {
        self.head().with(&self.0.to_be_bytes())
    }

    fn from_parts(entity: Entity, numbers: &[u8]) -> Option<Self> {
        entity.is_cluster().then(|| numbers.try_into().ok().map(|id| Self(u32::from_be_bytes(id))))?
    }
}
