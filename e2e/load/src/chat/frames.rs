//! What a device does with each of a server's lines: the checker first, then the figures.

use cell_protocol::{ErrorFrame, ServerFrame, Snapshot, Welcome, parse_server};

use super::device::{Device, Sender};
use super::lines::PING_ID;
use super::link::Link;
use super::shared::{Shared, lock};
use super::stats::Stats;
use crate::cast::Side;
use crate::check::{DeviceIndex, Kind, Pair};
use crate::clock::{MILLI, Nanos};
use crate::mix::Dice;
use crate::net::Backoff;
use crate::scan::{Line, scan};

/// The wait after a temporary refusal that names none, and as much again at random.
const RETRY_MS: u64 = 20;

/// A device with what it shares locked, for the lines of one WebSocket message.
struct Reader<'a> {
    shared: &'a Shared,
    pair: &'a mut Pair,
    stats: &'a mut Stats,
    index: DeviceIndex,
    side: Side,
    sender: &'a mut Option<Sender>,
    dice: &'a mut Dice,
    backoff: &'a mut Backoff,
    resume_token: &'a mut Option<String>,
    was_live: &'a mut bool,
    scratch: &'a mut Vec<u8>,
    link: &'a mut Link,
    now: Nanos,
}

impl Link {
    /// A WebSocket message came.
    pub(super) fn take(&mut self, device: &mut Device, text: &str, now: Nanos) {
        let Device { shared, pair, index, side, sender, dice, backoff, resume_token, was_live, scratch, .. } = device;
        let mut pair = lock(pair);
        let mut stats = shared.stats();
        let mut reader = Reader {
            shared,
            pair: &mut pair,
            stats: &mut stats,
            index: *index,
            side: *side,
            sender,
            dice,
            backoff,
            resume_token,
            was_live,
            scratch,
            link: self,
            now,
        };
        for line in text.split('\n') {
            reader.line(line);
        }
        for from in Side::BOTH {
            let Reader { pair, stats, now, .. } = &mut reader;
            pair.settle(from, |due| {
                stats.counters.done += 1;
                stats.to_done.record_nanos(now.saturating_sub(due));
            });
        }
    }
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        match scan(line.as_bytes()) {
            Ok(Line::Message { useq, covers, message }) => {
                self.event(useq, covers);
                let violations = &mut self.stats.violations;
                let arrival = self.pair.on_message(&self.shared.cast, self.index, &message, self.scratch, violations);
                match arrival {
                    Some(arrival) if arrival.from != self.side => {
                        self.stats.counters.delivered += 1;
                        if let Some(due) = self.pair.ledger(arrival.from).due(arrival.number) {
                            self.stats.to_deliver.record_nanos(self.now.saturating_sub(due));
                        }
                    }
                    Some(_) => self.stats.counters.echoed += 1,
                    None => {}
                }
            }
            Ok(Line::Sent { id, conversation, cseq, again }) => self.sent(id, conversation, cseq, again),
            Ok(Line::Watermark { useq, covers, kind, user, upto }) => {
                self.event(useq, covers);
                self.pair.on_watermark(self.index, kind, user, upto, &mut self.stats.violations);
            }
            Ok(Line::Conversation { useq, covers, conversation }) => {
                self.event(useq, covers);
                self.pair.mailbox_mut(self.index).announce();
                self.pair.check_conversation(self.index, conversation, &mut self.stats.violations);
            }
            Ok(Line::OtherEvent { useq, covers }) => self.event(useq, covers),
            Ok(Line::Page { .. }) => self.blame(Kind::BadFrame, "a page that nobody asked for"),
            Ok(Line::Other) => match parse_server(line) {
                Ok(frame) => self.frame(frame),
                Err(error) => self.blame(Kind::BadFrame, format_args!("{error:?}: {line}")),
            },
            // A message may end in a line break.
            Err(_) if line.trim().is_empty() => {}
            Err(error) => self.blame(Kind::BadFrame, format_args!("{error}: {line}")),
        }
    }

    fn blame(&mut self, kind: Kind, detail: impl std::fmt::Display) {
        self.pair.blame(self.index, kind, detail, &mut self.stats.violations);
    }

    fn event(&mut self, useq: u64, covers: u64) {
        self.stats.counters.events += 1;
        self.pair.on_event(self.index, useq, covers, self.now, &mut self.stats.violations);
    }

    fn sent(&mut self, id: u32, conversation: &[u8], cseq: u64, again: bool) {
        let answered = self.sender.as_mut().filter(|_| id != PING_ID).and_then(|sender| {
            let is_known = sender.outbox.answered(id);
            is_known.then_some(sender)
        });
        let Some(sender) = answered else {
            return self.blame(Kind::BadFrame, format_args!("an answer to {id}, which is not asked"));
        };
        self.stats.counters.acked += 1;
        self.stats.counters.acked_again += u64::from(again);
        self.stats.gaps.ack(self.now);
        if let Some(due) = self.pair.ledger(self.side).due(id) {
            self.stats.to_ack.record_nanos(self.now.saturating_sub(due));
            let gap = self.now.saturating_sub(due.max(sender.last_ack));
            self.stats.sender_gap_max_ns = self.stats.sender_gap_max_ns.max(gap);
        }
        sender.last_ack = self.now;
        self.pair.check_conversation(self.index, conversation, &mut self.stats.violations);
        self.pair.on_sent(self.index, id, cseq, &mut self.stats.violations);
    }

    fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Welcome(welcome) => self.welcome(welcome),
            ServerFrame::Snapshot(snapshot) => self.snapshot(&snapshot),
            ServerFrame::Live { head } => self.live(head.get()),
            ServerFrame::Error(error) => self.error(&error),
            ServerFrame::GoAway { after_ms, .. } => {
                self.stats.counters.goaways += 1;
                self.link.leaves_at = Some(self.now + after_ms * MILLI);
            }
            ServerFrame::Answer { id: PING_ID, .. } | ServerFrame::KeepAlive | ServerFrame::Unknown => {}
            ServerFrame::Answer { .. } | ServerFrame::Event(_) => {
                self.blame(Kind::BadFrame, format_args!("not expected: {frame:?}"));
            }
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        let cursor = self.pair.mailbox(self.index).cursor().map(|cursor| cursor.useq);
        match (&welcome.fresh, cursor.filter(|_| self.link.offered_resume)) {
            (Some(why), Some(useq)) => self.blame(Kind::ResumeRefused, format_args!("from {useq}: {why:?}")),
            (None, None) => self.blame(Kind::BadFrame, "resumed, though no cursor was sent"),
            (None, Some(useq)) if welcome.head.get() < useq => {
                self.blame(Kind::HeadTooLow, format_args!("welcome's head {} is below {useq}", welcome.head));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if welcome.user.as_str() != self.pair.name(self.side) {
            self.blame(Kind::WrongContent, format_args!("welcome to {}", welcome.user));
        }
        let counters = &mut self.stats.counters;
        *if welcome.fresh.is_some() { &mut counters.fresh } else { &mut counters.resumed } += 1;
        self.link.head = welcome.head.get();
        self.link.ep = welcome.ep;
        self.link.heartbeat = welcome.heartbeat_ms.max(1) * MILLI;
        // One is kept for the ping.
        self.link.inflight_max = (welcome.limits.inflight as usize).saturating_sub(1).max(1);
        *self.resume_token = Some(welcome.resume_token);
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        let violations = &mut self.stats.violations;
        self.pair.on_snapshot(&self.shared.cast, self.index, &self.link.ep, snapshot, self.scratch, violations);
    }

    fn live(&mut self, head: u64) {
        let useq = self.pair.mailbox(self.index).cursor().map_or(0, |cursor| cursor.useq);
        if head < self.link.head || useq < head {
            let promised = self.link.head;
            self.blame(
                Kind::HeadTooLow,
                format_args!("live at {head} with events up to {useq}, welcome said {promised}"),
            );
        }
        if self.link.is_live {
            return self.blame(Kind::BadFrame, "live twice");
        }
        self.link.is_live = true;
        self.link.permit = None;
        self.backoff.reset();
        self.stats.live += 1;
        self.stats.counters.opened += 1;
        self.stats.counters.reconnects += u64::from(*self.was_live);
        *self.was_live = true;
        self.shared.moved.notify_one();
    }

    fn error(&mut self, error: &ErrorFrame) {
        let is_temporary = error.code.is_temporary();
        if is_temporary {
            self.stats.counters.refusals += 1;
            *self.stats.errors.entry(error.code.name().to_owned()).or_default() += 1;
        } else {
            self.blame(Kind::Refused, format_args!("{}: {}", error.code.name(), error.message));
        }
        let Some(id) = error.id.filter(|id| *id != PING_ID) else { return };
        let wait = error.retry_ms.unwrap_or(RETRY_MS) + self.dice.below(RETRY_MS);
        let Some(sender) = self.sender else { return };
        let is_known = if is_temporary {
            sender.outbox.refused(id, self.now + wait * MILLI)
        } else {
            sender.is_broken = true;
            sender.outbox.answered(id)
        };
        if !is_known {
            self.blame(Kind::BadFrame, format_args!("a refusal of {id}, which is not asked"));
        }
    }
}
