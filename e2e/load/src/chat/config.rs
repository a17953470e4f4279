//! What a chat run does.

use serde::{Deserialize, Serialize};

use crate::cast::BODY_LEN_MIN;
use crate::net::Target;

/// The largest body that the protocol takes.
const BODY_LEN_MAX: usize = cell_protocol::limits::BODY_LEN_MAX;

/// The server announces its own limit; more than this is of no use with any.
const INFLIGHT_MAX: usize = 1024;

/// The configuration makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("at least one pair is needed")]
    NoPairs,
    #[error("a user has 1 to 32 devices, not {0}")]
    Devices(u32),
    #[error("1 to {INFLIGHT_MAX} sends may be in flight, not {0}")]
    Inflight(usize),
    #[error("the rate must be above 0")]
    Rate,
    #[error("a body has {BODY_LEN_MIN} to {BODY_LEN_MAX} bytes, not {0}")]
    BodyLen(usize),
    #[error("a run's name has 1 to 40 of A-Z a-z 0-9 . _ -, unlike {0:?}")]
    RunName(String),
    #[error("a run lasts longer than its warm-up")]
    Seconds,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Senders {
    /// One user of each pair.
    One,
    /// Both, into the same conversation.
    Both,
}

/// How sends follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// A new send whenever fewer than `inflight` of a sender are unanswered.
    Closed { inflight: usize },
    /// Sends at fixed times; latency counts from those, however late the send goes out.
    Open { inflight: usize, per_sender_per_s: f64 },
}

impl Load {
    pub fn inflight(&self) -> usize {
        match self {
            Self::Closed { inflight } | Self::Open { inflight, .. } => *inflight,
        }
    }
}

/// A chat run, or one process' share of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    pub target: Target,
    /// Names the users: a run needs a name that its cluster has not seen.
    pub run: String,
    /// The pairs of this process are `first_pair..first_pair + pairs`.
    pub first_pair: u32,
    pub pairs: u32,
    /// Connections of each user; the first one sends.
    pub devices: u32,
    pub senders: Senders,
    pub load: Load,
    /// Bytes of a body's JSON.
    pub body_len: usize,
    /// How long new messages are sent, warm-up included.
    pub seconds: f64,
    /// What is sent in this time counts for the checker, not for the figures.
    pub warmup_seconds: f64,
    /// A sender stops after this many.
    pub messages_per_sender: Option<u32>,
    /// Until every session is live at the start.
    pub connect_limit_ms: u64,
    /// For an opening, an answer, and any sign of life.
    pub answer_limit_ms: u64,
    /// After the last send, until everything has arrived.
    pub tail_limit_ms: u64,
    /// Cap of the back-off between connection attempts.
    pub backoff_max_ms: u64,
    /// A gap between acks that is worth a line in the report.
    pub gap_ms: u64,
    /// Events that are acked together, and how long the first may wait.
    pub ack_every: u32,
    pub ack_after_ms: u64,
    /// Servers whose CPU time and memory count.
    pub server_pids: Vec<u32>,
    /// Whether the stored histories are read at the end.
    pub verify: bool,
    /// Of jitter and schedules.
    pub seed: u64,
}

impl Config {
    /// Closed loop, 8 in flight for each of the pairs' senders, 10 seconds.
    pub fn new(target: Target, run: &str, pairs: u32) -> Self {
        Self {
            target,
            run: run.to_owned(),
            first_pair: 0,
            pairs,
            devices: 1,
            senders: Senders::One,
            load: Load::Closed { inflight: 8 },
            body_len: 150,
            seconds: 10.0,
            warmup_seconds: 0.0,
            messages_per_sender: None,
            connect_limit_ms: 30_000,
            answer_limit_ms: 5_000,
            tail_limit_ms: 30_000,
            backoff_max_ms: 2_000,
            gap_ms: 100,
            ack_every: 32,
            ack_after_ms: 20,
            server_pids: Vec::new(),
            verify: true,
            seed: 1,
        }
    }

    pub fn check(&self) -> Result<(), Error> {
        if self.pairs == 0 {
            return Err(Error::NoPairs);
        }
        if !(1..=32).contains(&self.devices) {
            return Err(Error::Devices(self.devices));
        }
        if !(1..=INFLIGHT_MAX).contains(&self.load.inflight()) {
            return Err(Error::Inflight(self.load.inflight()));
        }
        if let Load::Open { per_sender_per_s, .. } = self.load
            && !(per_sender_per_s.is_finite() && per_sender_per_s > 0.0)
        {
            return Err(Error::Rate);
        }
        if !(BODY_LEN_MIN..=BODY_LEN_MAX).contains(&self.body_len) {
            return Err(Error::BodyLen(self.body_len));
        }
        check_run_name(&self.run)?;
        if !(self.seconds.is_finite() && self.warmup_seconds >= 0.0 && self.seconds > self.warmup_seconds) {
            return Err(Error::Seconds);
        }
        Ok(())
    }

    pub fn connections(&self) -> u64 {
        u64::from(self.pairs) * 2 * u64::from(self.devices)
    }

    pub fn senders_count(&self) -> u64 {
        u64::from(self.pairs) * if self.senders == Senders::Both { 2 } else { 1 }
    }

    /// The shares of this many processes. The first one watches the servers.
    pub fn split(&self, processes: u32) -> Vec<Self> {
        let share = |i: u32| (u64::from(self.pairs) * u64::from(i) / u64::from(processes)) as u32;
        let part = |i: u32| Self {
            first_pair: self.first_pair + share(i),
            pairs: share(i + 1) - share(i),
            server_pids: if i == 0 { self.server_pids.clone() } else { Vec::new() },
            ..self.clone()
        };
        (0..processes).map(part).filter(|part| part.pairs > 0).collect()
    }
}

/// Names go into user ids and JSON as they are.
pub fn check_run_name(name: &str) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=40).contains(&name.len()) && name.bytes().all(fits) { Ok(()) } else { Err(Error::RunName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let target = Target::new(vec!["127.0.0.1:1".parse().unwrap()], "key").unwrap();
        Config::new(target, "r", 10)
    }

    #[test]
    fn the_shares_of_processes_are_all_pairs_once() {
        let parts = Config { server_pids: vec![7], ..config() }.split(3);
        let ranges: Vec<_> = parts.iter().map(|part| (part.first_pair, part.pairs)).collect();
        assert_eq!(ranges, [(0, 3), (3, 3), (6, 4)]);
        assert_eq!(parts.iter().filter(|part| !part.server_pids.is_empty()).count(), 1);
        assert_eq!(Config { pairs: 2, ..config() }.split(3).len(), 2);
    }

    #[test]
    fn senseless_configurations_are_refused() {
        assert_eq!(config().check(), Ok(()));
        assert_eq!(Config { pairs: 0, ..config() }.check(), Err(Error::NoPairs));
        assert_eq!(Config { devices: 33, ..config() }.check(), Err(Error::Devices(33)));
        assert_eq!(Config { body_len: 10, ..config() }.check(), Err(Error::BodyLen(10)));
        assert_eq!(Config { run: "a\"b".into(), ..config() }.check(), Err(Error::RunName("a\"b".into())));
        assert_eq!(Config { warmup_seconds: 10.0, ..config() }.check(), Err(Error::Seconds));
        assert_eq!(Config { load: Load::Closed { inflight: 0 }, ..config() }.check(), Err(Error::Inflight(0)));
        let open = Load::Open { inflight: 1, per_sender_per_s: 0.0 };
        assert_eq!(Config { load: open, ..config() }.check(), Err(Error::Rate));
    }
}
