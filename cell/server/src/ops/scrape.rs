//! Everything that `/metrics` shows: what was counted, and what is read when somebody asks.

use std::fmt;
use std::sync::Arc;

use cell_gateway::{CountersSnapshot, Gateway};
use cell_raft::{Replica, Role, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::meters::Meters;
use crate::home::Home;

/// Writes the metrics of this process.
pub struct Scrape {
    registry: Registry,
}

impl Scrape {
    pub fn new(meters: &Meters, gateway: Arc<Gateway>, home: Arc<Home>, replica: Replica) -> Self {
        let mut registry = Registry::with_prefix("chatcells");
        meters.register(&mut registry);
        registry.register_collector(Box::new(Live { gateway, home, replica }));
        Self { registry }
    }

    /// In the OpenMetrics text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What is read when somebody asks.
struct Live {
    gateway: Arc<Gateway>,
    home: Arc<Home>,
    replica: Replica,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Collector for Live {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut write = Write { encoder };
        write.gateway(&self.gateway.counters())?;
        let home = self.home.stats();
        write.gauge("home_sessions", "Sessions whose home is led by this replica", home.sessions as u64)?;
        write.gauge("home_acks_waiting", "Devices whose acks wait to be written", home.acks_waiting as u64)?;
        write.replica(&self.replica.status().borrow())?;
        if let Some(stats) = self.replica.read(|state| state.stats()) {
            write.gauge(
                "state_rows_changed",
                "Rows in memory that no checkpoint has written",
                stats.rows_changed as u64,
            )?;
            write.gauge(
                "state_rows_cached",
                "Rows in memory that a checkpoint has written",
                stats.rows_clean as u64,
            )?;
            write.gauge(
                "state_command_bytes_changed",
                "Bytes of commands behind the changed rows",
                stats.bytes_changed,
            )?;
            write.gauge("state_command_bytes_cached", "Bytes of commands behind the cached rows", stats.bytes_clean)?;
        }
        Ok(())
    }
}

/// Shapes of metrics, so that the lists below are only names and numbers.
struct Write<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Write<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self.encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let encoder = self.encoder.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(encoder)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let kind = ConstCounter::new(0u64).metric_type();
        let mut encoder = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let kind = ConstGauge::new(0i64).metric_type();
        let mut encoder = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gateway(&mut self, counts: &CountersSnapshot) -> fmt::Result {
        self.gauge("connections", "Open WebSockets", counts.connections)?;
        self.gauge("handshakes", "Connections that are not WebSockets yet", counts.handshakes)?;
        self.counter("connections_accepted", "WebSockets opened", counts.accepted)?;
        self.counter("sessions_resumed", "Sessions whose cursor was honoured", counts.resumed)?;
        self.counter("sessions_fresh", "Sessions that started from a snapshot", counts.fresh)?;
        self.counter("sessions_reopened", "Sessions moved to a new leader without a reconnect", counts.reopened)?;
        self.counter("frames_in", "JSON objects from clients", counts.frames_in)?;
        self.counter("frames_out", "JSON objects to clients", counts.frames_out)?;
        self.counter("client_bytes_in", "Bytes from clients", counts.bytes_in)?;
        self.counter("client_bytes_out", "Bytes to clients", counts.bytes_out)?;
        let commands =
            counts.commands.iter().map(|(kind, outcome, count)| ([("command", *kind), ("outcome", *outcome)], *count));
        self.counters("commands", "Commands by kind and outcome", commands)?;
        let sheds = counts.refusals.iter().map(|(reason, count)| ([("reason", *reason)], *count));
        self.counters("connections_shed", "Connections turned away before a session, by reason", sheds)?;
        let closes = counts.closes.iter().map(|(code, count)| ([("code", code.to_string())], *count));
        self.counters("connections_closed", "Closed WebSockets by close code; 0: the client went", closes)
    }

    fn replica(&mut self, status: &Status) -> fmt::Result {
        self.gauge("raft_term", "Term of the cell's Raft group", status.term)?;
        let roles = [Role::Leader, Role::Follower, Role::Candidate, Role::Learner, Role::Down];
        let roles = roles.map(|role| ([("role", name(role))], u64::from(status.role == role)));
        self.gauges("raft_role", "1 for the role that this replica has", roles)?;
        self.gauge("raft_last_log_index", "Last entry of the log", status.last_log)?;
        self.gauge("raft_committed_index", "Last entry known to be committed", status.committed)?;
        self.gauge("raft_applied_index", "Last entry applied", status.applied)?;
        self.gauge("raft_durable_index", "Last entry in a durable checkpoint", status.durable)?;
        self.gauge("raft_log_bytes", "Bytes of log entries that are kept", status.log_bytes)?;
        let lags =
            status.members.iter().filter_map(|member| Some(([("replica", member.replica.to_string())], member.lag?)));
        self.gauges("raft_follower_lag_entries", "At the leader: entries a member has not confirmed", lags)
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Down => "down",
    }
}
