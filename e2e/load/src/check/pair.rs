//! Two users, their devices and their conversation: joins what senders were told with what devices were shown.

use std::fmt;

use cell_protocol::{ConversationView, Snapshot};

use super::ledger::{Entry, Ledger};
use super::view::with_message;
use super::{Kind, Mailbox, Violations};
use crate::cast::{Cast, Side};
use crate::clock::Nanos;
use crate::scan::{Message, Watermark};

/// A device among those of a pair: A's first, then B's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceIndex(pub usize);

/// Two users who chat with each other only.
#[derive(Debug)]
pub struct Pair {
    pub index: u32,
    names: [String; 2],
    conversation: Vec<u8>,
    ledgers: [Ledger; 2],
    mailboxes: Vec<Mailbox>,
    body_len: usize,
}

/// Where a violation was seen.
struct Place<'a>(&'a str, u32);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, device_name(self.1))
    }
}

/// A device's name in `hello`.
pub fn device_name(device: u32) -> String {
    format!("d{device}")
}

/// What a message's arrival means for the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub from: Side,
    pub number: u32,
}

impl Pair {
    pub fn new(cast: &Cast, index: u32, devices_per_user: u32, body_len: usize) -> Self {
        let devices = |side| (0..devices_per_user).map(move |device| Mailbox::new(side, device));
        Self {
            index,
            names: Side::BOTH.map(|side| cast.user(index, side)),
            conversation: Vec::new(),
            ledgers: [Ledger::default(), Ledger::default()],
            mailboxes: devices(Side::A).chain(devices(Side::B)).collect(),
            body_len,
        }
    }

    pub fn name(&self, side: Side) -> &str {
        &self.names[side.index()]
    }

    /// The conversation's id, once a server said it.
    pub fn conversation(&self) -> Option<&str> {
        std::str::from_utf8(&self.conversation).ok().filter(|id| !id.is_empty())
    }

    pub fn ledger(&self, side: Side) -> &Ledger {
        &self.ledgers[side.index()]
    }

    pub fn ledger_mut(&mut self, side: Side) -> &mut Ledger {
        &mut self.ledgers[side.index()]
    }

    pub fn mailbox(&self, device: DeviceIndex) -> &Mailbox {
        &self.mailboxes[device.0]
    }

    pub fn mailbox_mut(&mut self, device: DeviceIndex) -> &mut Mailbox {
        &mut self.mailboxes[device.0]
    }

    /// For reports: `alice/d0`.
    pub fn place(&self, device: DeviceIndex) -> impl fmt::Display {
        let mailbox = self.mailbox(device);
        Place(self.name(mailbox.side), mailbox.device)
    }

    /// Adds a violation that a device saw.
    pub fn blame(&self, device: DeviceIndex, kind: Kind, detail: impl fmt::Display, violations: &mut Violations) {
        violations.push(kind, &self.place(device), detail);
    }

    /// Which message of which sender this is, after a look at its id and every byte of its body.
    pub fn identify(
        &self,
        cast: &Cast,
        message: &Message<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(Side, u32), (Kind, String)> {
        let wrong = |what: &str| {
            let body = String::from_utf8_lossy(&message.body[..message.body.len().min(40)]);
            (Kind::WrongContent, format!("message {}: {what}, its body begins with {body}", message.cseq))
        };
        let from = Side::BOTH.into_iter().find(|side| self.name(*side).as_bytes() == message.from);
        let Some(from) = from else { return Err(wrong("from somebody else")) };
        let Some(number) = Cast::number(message.body) else { return Err(wrong("a body that nobody sent")) };
        scratch.clear();
        cast.write_body(self.index, from, number, self.body_len, scratch);
        if scratch != message.body {
            return Err(wrong("another body than the sent one"));
        }
        scratch.clear();
        cast.write_mid(self.index, from, number, scratch);
        if scratch != message.mid {
            return Err(wrong("another mid than the sent one"));
        }
        Ok((from, number))
    }

    /// A conversation's id, wherever it is said: the two have one.
    pub fn check_conversation(&mut self, device: DeviceIndex, id: &[u8], violations: &mut Violations) {
        if self.conversation.is_empty() {
            self.conversation = id.to_vec();
        } else if self.conversation != id {
            let detail = format!("{} is not theirs", String::from_utf8_lossy(id));
            self.blame(device, Kind::WrongConversation, detail, violations);
        }
    }

    /// Any event's place in the mailbox.
    pub fn on_event(&mut self, device: DeviceIndex, useq: u64, covers: u64, now: Nanos, violations: &mut Violations) {
        if let Err((kind, detail)) = self.mailbox_mut(device).event(useq, covers, now) {
            self.blame(device, kind, detail, violations);
        }
    }

    /// A `msg` event, or a message that a snapshot shows.
    pub fn on_message(
        &mut self,
        cast: &Cast,
        device: DeviceIndex,
        message: &Message<'_>,
        scratch: &mut Vec<u8>,
        violations: &mut Violations,
    ) -> Option<Arrival> {
        self.check_conversation(device, message.conversation, violations);
        let (from, number) = match self.identify(cast, message, scratch) {
            Ok(sent) => sent,
            Err((kind, detail)) => {
                self.blame(device, kind, detail, violations);
                return None;
            }
        };
        let Ok(cseq @ 1..) = u32::try_from(message.cseq) else {
            self.blame(device, Kind::BadFrame, format_args!("cseq {}", message.cseq), violations);
            return None;
        };
        if let Err((kind, detail)) = self.mailbox_mut(device).message(from, number, cseq) {
            self.blame(device, kind, detail, violations);
        }
        let entry = self.ledger_mut(from).place(number, cseq);
        self.check_entry(device, from, number, cseq, entry, violations);
        Some(Arrival { from, number })
    }

    /// A snapshot, with the conversation of the two if it shows that one.
    pub fn on_snapshot(
        &mut self,
        cast: &Cast,
        device: DeviceIndex,
        ep: &str,
        snapshot: &Snapshot,
        scratch: &mut Vec<u8>,
        violations: &mut Violations,
    ) {
        let other = self.name(self.mailbox(device).side.other());
        let theirs = |view: &&ConversationView| view.with.as_ref().is_some_and(|user| user.as_str() == other);
        let shown = snapshot.conversations.iter().find(theirs);
        let head = shown.map(|view| u32::try_from(view.head.get()).unwrap_or(u32::MAX - 1));
        self.mailbox_mut(device).snapshot(ep, snapshot.at.get(), head);
        let Some(shown) = shown else { return };
        self.check_conversation(device, shown.id.to_string().as_bytes(), violations);
        for view in &shown.last {
            with_message(view, |message| match self.identify(cast, message, scratch) {
                Ok((from, number)) => {
                    let cseq = u32::try_from(message.cseq).unwrap_or(u32::MAX);
                    let entry = self.ledger_mut(from).place(number, cseq);
                    self.check_entry(device, from, number, cseq, entry, violations);
                }
                Err((kind, detail)) => self.blame(device, kind, detail, violations),
            });
        }
    }

    /// An `ok` to a send.
    pub fn on_sent(&mut self, device: DeviceIndex, number: u32, cseq: u64, violations: &mut Violations) {
        let from = self.mailbox(device).side;
        let Ok(cseq @ 1..) = u32::try_from(cseq) else {
            return self.blame(device, Kind::BadFrame, format_args!("cseq {cseq}"), violations);
        };
        let entry = self.ledger_mut(from).ack(number, cseq);
        self.check_entry(device, from, number, cseq, entry, violations);
    }

    fn check_entry(
        &self,
        device: DeviceIndex,
        from: Side,
        number: u32,
        cseq: u32,
        entry: Entry,
        violations: &mut Violations,
    ) {
        match entry {
            Entry::Fits => {}
            Entry::Differs(known) => {
                let detail = format_args!("{from:?}'s {number} is {cseq}, {known} was said before");
                self.blame(device, Kind::CseqMismatch, detail, violations);
            }
            Entry::NeverSent => {
                let detail = format_args!("{from:?} never sent {number}");
                self.blame(device, Kind::WrongContent, detail, violations);
            }
        }
    }

    /// `dlvd` and `read`: the other user cannot have what none of its devices acked.
    pub fn on_watermark(
        &mut self,
        device: DeviceIndex,
        kind: Watermark,
        user: &[u8],
        upto: u64,
        violations: &mut Violations,
    ) {
        let side = self.mailbox(device).side.other();
        if user != self.name(side).as_bytes() || kind == Watermark::Read {
            return;
        }
        let acked = self.devices_of(side).map(Mailbox::acked_cseq).max().unwrap_or(0);
        if upto > u64::from(acked) {
            let detail = format_args!("dlvd up to {upto}, acked up to {acked}");
            self.blame(device, Kind::DeliveredTooEarly, detail, violations);
        }
    }

    fn devices_of(&self, side: Side) -> impl Iterator<Item = &Mailbox> {
        self.mailboxes.iter().filter(move |mailbox| mailbox.side == side)
    }

    /// Moves on what is done: acked, delivered to all devices of both, acked by the recipient's. Calls `each` with due times.
    pub fn settle(&mut self, from: Side, each: impl FnMut(Nanos)) {
        for mailbox in &mut self.mailboxes {
            // What only a snapshot showed counts as shown once its number in the conversation is known.
            let ledger = &self.ledgers[from.index()];
            while ledger.cseq(mailbox.next_number(from)).is_some_and(|cseq| cseq < mailbox.snapshot_below()) {
                mailbox.caught_up(from);
            }
        }
        let shown = self.mailboxes.iter().map(|mailbox| mailbox.next_number(from)).min().unwrap_or(0);
        let taken = self.devices_of(from.other()).map(|mailbox| mailbox.acked_number(from)).min().unwrap_or(0);
        let ledger = self.ledger_mut(from);
        ledger.done(ledger.acked_below().min(shown).min(taken), each);
    }

    /// Whether nothing that was sent is still on its way.
    pub fn is_settled(&self) -> bool {
        self.ledgers.iter().all(|ledger| ledger.done_below() == ledger.issued())
    }

    /// The run is over: what was acked and is still not everywhere will not come.
    pub fn finish(&self, violations: &mut Violations) {
        for (index, mailbox) in self.mailboxes.iter().enumerate() {
            for from in Side::BOTH {
                let ledger = self.ledger(from);
                let never = (mailbox.next_number(from)..ledger.issued()).filter(|number| ledger.is_acked(*number));
                for number in never {
                    let detail = format_args!("{from:?}'s {number}, acked as {}", ledger.cseq(number).unwrap_or(0));
                    self.blame(DeviceIndex(index), Kind::Undelivered, detail, violations);
                }
            }
            for (low, high) in mailbox.missing() {
                self.blame(DeviceIndex(index), Kind::Undelivered, format_args!("messages {low} to {high}"), violations);
            }
        }
    }
}
