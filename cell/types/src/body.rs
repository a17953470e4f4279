//! Message bodies: JSON text kept byte for byte.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A body, checked once by the protocol (valid JSON, no raw CR or LF, bounded depth) and opaque from then on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Body(Bytes);

impl Body {
    /// Wraps bytes that the protocol has checked, or that were stored after such a check.
    pub fn from_checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}
