//! The words of Chatcells as types: ids, placement keys, ranges, sequences, epochs. Pure data, no I/O.
//!
//! Everything that comes from outside is parsed here, once, into a type that cannot be wrong.

pub mod body;
pub mod conversation;
pub mod device;
pub mod directory;
pub mod message_id;
pub mod names;
pub mod placement;
pub mod range;
pub mod replica;
pub mod sequence;
pub mod text;
pub mod time;
pub mod user;

pub use body::Body;
pub use conversation::{ConversationId, ConversationKind};
pub use device::DeviceId;
pub use directory::{Claim, Directory};
pub use message_id::MessageId;
pub use names::{BootCount, CellName, ClusterId, Incarnation, NodeId, ReplicaName, VolumeId};
pub use placement::PlacementKey;
pub use range::KeyRange;
pub use replica::{Lifecycle, ReplicaCount, Role};
pub use sequence::{Cseq, Cursor, Epoch, Eseq, HistoryEpoch, Useq};
pub use text::Error;
pub use time::Timestamp;
pub use user::{UserId, UserKey};
