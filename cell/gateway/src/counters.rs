//! What the gateway counts, as plain atomics; the server exports them.

use std::sync::atomic::{AtomicU64, Ordering};

use cell_protocol::{CloseCode, ErrorCode};

/// Kinds of commands, as metric labels; the last stands for frames that name no known command.
pub const COMMAND_KINDS: [&str; 6] = ["send", "hist", "convs", "read", "ping", "other"];

/// Why a connection did not become a WebSocket, as metric labels.
pub const REFUSALS: [&str; 7] =
    ["handshakes_max", "connections_max", "not_ready", "draining", "bad_request", "timeout", "gone"];

/// `ok` and every error.
const OUTCOMES: usize = 1 + ErrorCode::ALL.len();

/// The protocol's close codes, and one for everything else (the client went, WebSocket errors).
const CLOSES: usize = CloseCode::ALL.len() + 1;

/// Index into [`COMMAND_KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    Send,
    History,
    Conversations,
    Read,
    Ping,
    Other,
}

/// Index into [`REFUSALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    HandshakesMax,
    ConnectionsMax,
    NotReady,
    Draining,
    BadRequest,
    TimedOut,
    Gone,
}

/// Running totals (and two gauges) of one gateway.
#[derive(Debug, Default)]
pub struct Counters {
    /// WebSockets that are open now.
    pub(crate) connections: AtomicU64,
    /// Connections that are not yet WebSockets.
    pub(crate) handshakes: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) fresh: AtomicU64,
    pub(crate) reopened: AtomicU64,
    pub(crate) frames_in: AtomicU64,
    pub(crate) frames_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    refusals: [AtomicU64; REFUSALS.len()],
    closes: [AtomicU64; CLOSES],
    commands: [[AtomicU64; OUTCOMES]; COMMAND_KINDS.len()],
}

/// The totals at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Gauge: WebSockets that are open.
    pub connections: u64,
    /// Gauge: connections that are not yet WebSockets.
    pub handshakes: u64,
    /// WebSockets opened so far.
    pub accepted: u64,
    /// Sessions whose cursor was honoured.
    pub resumed: u64,
    /// Sessions that started from a snapshot.
    pub fresh: u64,
    /// Subscriptions taken up again after the home changed, without the client's noticing.
    pub reopened: u64,
    /// JSON objects from clients.
    pub frames_in: u64,
    /// JSON objects to clients.
    pub frames_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// By reason ([`REFUSALS`]).
    pub refusals: Vec<(&'static str, u64)>,
    /// By close code; 0 stands for clients that went by themselves and for WebSocket errors.
    pub closes: Vec<(u16, u64)>,
    /// By kind ([`COMMAND_KINDS`]) and outcome (`ok` or an error's name); those that never happened are left out.
    pub commands: Vec<(&'static str, &'static str, u64)>,
}

impl Counters {
    pub fn snapshot(&self) -> CountersSnapshot {
        let outcomes = || std::iter::once("ok").chain(ErrorCode::ALL.iter().map(|code| code.name()));
        let commands = COMMAND_KINDS.iter().zip(&self.commands).flat_map(|(kind, counts)| {
            outcomes()
                .zip(counts)
                .map(|(outcome, count)| (*kind, outcome, read(count)))
                .filter(|(.., count)| *count > 0)
        });
        let codes = CloseCode::ALL.iter().map(|code| code.code()).chain([0]);
        CountersSnapshot {
            connections: read(&self.connections),
            handshakes: read(&self.handshakes),
            accepted: read(&self.accepted),
            resumed: read(&self.resumed),
            fresh: read(&self.fresh),
            reopened: read(&self.reopened),
            frames_in: read(&self.frames_in),
            frames_out: read(&self.frames_out),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            refusals: REFUSALS.iter().copied().zip(self.refusals.iter().map(read)).collect(),
            closes: codes.zip(self.closes.iter().map(read)).collect(),
            commands: commands.collect(),
        }
    }

    pub(crate) fn command(&self, kind: CommandKind, error: Option<ErrorCode>) {
        let outcome = error.map_or(0, |error| 1 + position(&ErrorCode::ALL, error));
        count(&self.commands[kind as usize][outcome], 1);
    }

    pub(crate) fn refusal(&self, refusal: Refusal) {
        count(&self.refusals[refusal as usize], 1);
    }

    pub(crate) fn close(&self, code: Option<CloseCode>) {
        count(&self.closes[code.map_or(CLOSES - 1, |code| position(&CloseCode::ALL, code))], 1);
    }
}

/// Adds to a counter; nothing is ordered by it.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Takes one off a gauge.
pub(crate) fn discount(gauge: &AtomicU64) {
    gauge.fetch_sub(1, Ordering::Relaxed);
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|other| *other == one).expect("ALL lists every one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_names_what_was_counted() {
        let counters = Counters::default();
        counters.command(CommandKind::Send, None);
        counters.command(CommandKind::Send, None);
        counters.command(CommandKind::Other, Some(ErrorCode::UnknownCommand));
        counters.close(Some(CloseCode::Replaced));
        counters.close(None);
        counters.refusal(Refusal::Gone);

        let snapshot = counters.snapshot();
        assert_eq!(snapshot.commands, [("send", "ok", 2), ("other", "unknown_command", 1)]);
        assert!(snapshot.closes.contains(&(4105, 1)) && snapshot.closes.contains(&(0, 1)));
        assert!(snapshot.refusals.contains(&("gone", 1)));
    }
}
