//! What a connection has to write, and when it has to wake up for it.

use cell_protocol::limits::FRAME_LEN_MAX;

use super::config::Config;
use super::device::{Device, Sender};
use super::lines::{self, To};
use super::link::Link;
use super::shared::{Phase, Shared, lock};
use crate::cast::Side;
use crate::check::{DeviceIndex, Ledger, Pair};
use crate::clock::{MILLI, Nanos};

/// Messages of a sender that may be underway to slow devices: bounds what the checker remembers.
const UNDERWAY_MAX: u32 = 10_000;

/// Timers here and in the runtime are this coarse: a message this close to its time is sent.
const TIMER_GRAIN: Nanos = MILLI;

/// A message's envelope: two ids, two names, the rest.
const ENVELOPE_LEN: usize = 512;

impl Link {
    /// All that is due, as one WebSocket message.
    pub(super) fn fill(&mut self, device: &mut Device, phase: Phase, now: Nanos) {
        self.has_more = false;
        let Device { shared, pair, index, side, peer, sender, out, .. } = device;
        let config = &shared.config;
        let mut pair = lock(pair);
        if self.is_live {
            self.ping(config, now, out);
            if let Some(sender) = sender.as_mut().filter(|sender| !sender.is_broken) {
                if let Phase::Send(start) = phase {
                    self.issue(shared, sender, pair.ledger_mut(*side), start, now);
                }
                self.send(shared, sender, &pair, *side, peer, now, out);
            }
        }
        acknowledge(shared, &mut pair, *index, now, out);
    }

    /// A sign of life: of us for the server, and of the server for us.
    fn ping(&mut self, config: &Config, now: Nanos, out: &mut Vec<u8>) {
        let is_silent = now >= self.heard_at + config.answer_limit_ms * MILLI || now >= self.wrote_at + self.heartbeat;
        if is_silent && !self.pinged {
            self.pinged = true;
            lines::ping(out);
        }
    }

    /// New messages, as far as the load and the server's limit allow.
    fn issue(&self, shared: &Shared, sender: &mut Sender, ledger: &mut Ledger, start: Nanos, now: Nanos) {
        let config = &shared.config;
        let inflight = config.load.inflight().min(self.inflight_max);
        let issued_max = config.messages_per_sender.unwrap_or(u32::MAX);
        while sender.outbox.len() < inflight
            && sender.outbox.is_open(now)
            && ledger.issued() < issued_max
            && ledger.issued() - ledger.done_below() < UNDERWAY_MAX
        {
            let Some(due) = due_now(sender.schedule, start, ledger.issued(), now) else { break };
            sender.outbox.push(ledger.issue(due));
        }
        if !sender.is_finished && ledger.acked_total() >= u64::from(issued_max) {
            sender.is_finished = true;
            shared.moved.notify_one();
        }
    }

    /// What waits in the outbox, as far as one WebSocket message holds it.
    #[expect(clippy::too_many_arguments, reason = "the parts of a device, of which some are borrowed elsewhere")]
    fn send(
        &mut self,
        shared: &Shared,
        sender: &mut Sender,
        pair: &Pair,
        from: Side,
        peer: &str,
        now: Nanos,
        out: &mut Vec<u8>,
    ) {
        let body_len = shared.config.body_len;
        // Half of the pairs name their conversation, once they know it: both ways mean the same.
        let conversation = if pair.index % 2 == 1 { pair.conversation() } else { None };
        let to = conversation.map_or(To::User(peer), To::Conversation);
        let (mut sent, mut retries) = (0, 0);
        for outgoing in sender.outbox.take_waiting(now) {
            let number = outgoing.number;
            let is_pipelined = number > 0 && !pair.ledger(from).is_acked(number - 1);
            lines::send(&shared.cast, &lines::Send { pair: pair.index, from, number, body_len, to, is_pipelined }, out);
            *if outgoing.is_retry { &mut retries } else { &mut sent } += 1;
            if out.len() + body_len + ENVELOPE_LEN > FRAME_LEN_MAX {
                self.has_more = true;
                break;
            }
        }
        if sent + retries > 0 {
            let mut stats = shared.stats();
            stats.counters.sent += sent;
            stats.counters.retries += retries;
        }
    }

    /// When there is something to do, if nothing is heard before.
    pub(super) fn wakes_at(&self, device: &Device, phase: Phase, now: Nanos) -> Nanos {
        let config = &device.shared.config;
        let limit = config.answer_limit_ms * MILLI;
        let ping_at = (self.heard_at + limit).min(self.wrote_at + self.heartbeat);
        let mut at = if self.is_live && !self.pinged { ping_at } else { self.heard_at + self.silence_max(limit) };
        at = at.min(self.leaves_at.unwrap_or(Nanos::MAX));
        let pair = lock(&device.pair);
        if let Some((since, _)) = pair.mailbox(device.index).unacked() {
            at = at.min(since + config.ack_after_ms * MILLI);
        }
        if let Some(sender) = device.sender.as_ref().filter(|_| self.is_live) {
            at = at.min(sender.outbox.wakes_at().unwrap_or(Nanos::MAX));
            at = at.min(sender.outbox.oldest_sent().map_or(Nanos::MAX, |sent| sent + limit));
            let ledger = pair.ledger(device.side);
            if let Phase::Send(start) = phase
                && !sender.is_broken
                && ledger.issued() < config.messages_per_sender.unwrap_or(u32::MAX)
                && sender.outbox.len() < config.load.inflight().min(self.inflight_max)
            {
                at = at.min(match sender.schedule {
                    Some((first, interval)) => start + first + u64::from(ledger.issued()) * interval,
                    // A closed loop has room only when too much is underway to slow devices.
                    None => now + 10 * MILLI,
                });
            }
        }
        at
    }
}

/// An ack, if enough events came or the first has waited long enough: half as long when something goes out anyway.
fn acknowledge(shared: &Shared, pair: &mut Pair, device: DeviceIndex, now: Nanos, out: &mut Vec<u8>) {
    let config = &shared.config;
    let mailbox = pair.mailbox_mut(device);
    let Some((since, count)) = mailbox.unacked() else { return };
    let wait = config.ack_after_ms * MILLI / if out.is_empty() { 1 } else { 2 };
    if count < config.ack_every && now < since + wait {
        return;
    }
    let from = mailbox.side.other();
    lines::ack(mailbox.ack(), out);
    let mut stats = shared.stats();
    let stats = &mut *stats;
    pair.settle(from, |due| {
        stats.counters.done += 1;
        stats.to_done.record_nanos(now.saturating_sub(due));
    });
}

/// The time from which the next message's latency counts, if it is due.
fn due_now(schedule: Option<(Nanos, Nanos)>, start: Nanos, number: u32, now: Nanos) -> Option<Nanos> {
    let Some((first, interval)) = schedule else { return Some(now) };
    let due = start + first + u64::from(number) * interval;
    (due <= now + TIMER_GRAIN).then_some(due.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_message_counts_from_its_time_and_an_early_one_from_when_it_goes_out() {
        let schedule = Some((5 * MILLI, 10 * MILLI));
        let start = 100 * MILLI;
        assert_eq!(due_now(schedule, start, 0, 103 * MILLI), None);
        assert_eq!(due_now(schedule, start, 0, 104 * MILLI), Some(104 * MILLI));
        assert_eq!(due_now(schedule, start, 3, 900 * MILLI), Some(135 * MILLI));
        assert_eq!(due_now(None, start, 3, 900 * MILLI), Some(900 * MILLI));
    }
}
