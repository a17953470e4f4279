//! What a log entry says: a batch of commands under one stamp of the leader's clock.

use bytes::Bytes;
use cell_types::{
    Body, BootCount, CellName, ClusterId, ConversationId, Cseq, DeviceId, Epoch, Incarnation, KeyRange, MessageId,
    NodeId, ReplicaName, Timestamp, Useq, UserId, VolumeId,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::view::{Setting, SigningKey};

/// One log entry: many clients' commands, one fsync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The leader's clock; log time is the maximum of these so far.
    pub stamp: Timestamp,
    pub commands: Vec<Command>,
}

/// Version of a log entry's bytes.
const RECORD_FORMAT: u8 = 1;

impl Batch {
    /// One byte of format version, then postcard.
    pub fn encode(&self) -> Bytes {
        let weight: u64 = self.commands.iter().map(Command::weight).sum();
        let mut start = Vec::with_capacity(16 + weight as usize);
        start.push(RECORD_FORMAT);
        postcard::to_extend(self, start).expect("writing to memory cannot fail").into()
    }

    /// Reads what [`Self::encode`] wrote, by this program or an older one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (format, payload) = bytes.split_first().ok_or_else(|| Error::BadRecord("it is empty".to_owned()))?;
        if *format > RECORD_FORMAT {
            return Err(Error::NewerFormat { found: u32::from(*format), known: u32::from(RECORD_FORMAT) });
        }
        match postcard::take_from_bytes(payload) {
            Ok((batch, [])) => Ok(batch),
            Ok(_) => Err(Error::BadRecord("something follows it".to_owned())),
            Err(error) => Err(Error::BadRecord(error.to_string())),
        }
    }
}

impl Command {
    /// Roughly its bytes in the log.
    pub fn weight(&self) -> u64 {
        let bytes = match self {
            Self::Send(send) => 64 + send.sender.as_str().len() + send.body.as_bytes().len(),
            Self::Acknowledge(acks) => 48 * acks.devices.len(),
            _ => 64,
        };
        bytes as u64
    }
}

/// What a cell can be asked to change. One file each under `command/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Found(Found),
    Send(SendMessage),
    MarkRead(MarkRead),
    Acknowledge(Acknowledge),
    Sweep(Sweep),
    ChangeSetting(Setting),
    Activate(Activate),
    CompareDigest(CompareDigest),
    RegisterVolume(RegisterVolume),
    ReportBoot(ReportBoot),
    RetireNode(RetireNode),
    AddSigningKey(SigningKey),
    RetireSigningKey(RetireSigningKey),
}

/// The first command of a cell: who it is and what it owns. Applied once; repeated, it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub cluster: ClusterId,
    pub cell: CellName,
    pub incarnation: Incarnation,
    /// The first cell owns everything at epoch 1; every later one is born empty.
    pub ranges: Vec<(KeyRange, Epoch)>,
    /// The founders: their slots, volumes and node ids.
    pub founders: Vec<(ReplicaName, VolumeId, NodeId)>,
    /// How many voters the cell is to have: 1, 3 or 5.
    pub voters: u32,
}

/// Where a message goes; both ways of naming one conversation are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipient {
    User(UserId),
    Conversation(ConversationId),
}

/// A message to be stored, numbered and delivered. Led by the conversation's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessage {
    pub sender: UserId,
    pub to: Recipient,
    pub mid: MessageId,
    pub body: Body,
    /// Applied only if this one of the sender's is already in the conversation.
    pub after: Option<MessageId>,
}

/// A member has read up to here: a monotonic maximum, clamped to the head. Led by the conversation's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRead {
    pub reader: UserId,
    pub conversation: ConversationId,
    pub upto: Cseq,
}

/// What devices acked since the last flush. Led by the users' homes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    pub devices: Vec<DeviceAck>,
}

/// One device's cumulative ack. Also makes the device known, and marks it as seen at log time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAck {
    pub user: UserId,
    pub device: DeviceId,
    pub acked: Useq,
}

/// Trims mailboxes, forgets devices and dedupe entries past their window, for the next entities in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Where the last sweep ended ([`crate::reply::Reply::Swept`]); empty to begin anew.
    pub from: Vec<u8>,
    /// Entities (users and conversations) to look at.
    pub entities_max: u32,
}

/// Switches every replica to a later behaviour at the same entry; proposed when every voter supports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activate {
    pub version: u32,
}

/// The proposer's digest after an earlier entry; a replica whose own differs there is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareDigest {
    pub index: u64,
    pub digest: u64,
}

/// Gives the volume in a slot a node id that was never used before; idempotent by volume id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterVolume {
    pub replica: ReplicaName,
    pub volume: VolumeId,
}

/// A replica started for the `boot`th time on its volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportBoot {
    pub node: NodeId,
    pub boot: BootCount,
}

/// The node has left the membership for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireNode {
    pub node: NodeId,
}

/// A signing key's last token has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireSigningKey {
    pub id: u32,
}
