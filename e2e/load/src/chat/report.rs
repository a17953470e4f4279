//! What a run found: figures that add up over processes, and their summary for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::stats::Counters;
use crate::check::Violations;
use crate::measure::{Gap, Histogram, Quantiles, common_gaps};

/// A server's use of its machine in the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerUse {
    pub pid: u32,
    /// `None` when it was gone at the end.
    pub cpu_ms: Option<u64>,
    pub rss_start_kib: u64,
    pub rss_end_kib: u64,
}

/// What the check of the stored histories read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFigures {
    pub conversations: u64,
    pub pages: u64,
    pub messages: u64,
}

impl HistoryFigures {
    pub(super) fn add(&mut self, other: &Self) {
        self.conversations += other.conversations;
        self.pages += other.pages;
        self.messages += other.messages;
    }
}

/// A run's result. [`Report::add`] joins those of several processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub run: String,
    pub connections: u64,
    pub seed: u64,
    /// From the warm-up's end to the last new message.
    pub measured_seconds: f64,
    /// In the measured time.
    pub measured: Counters,
    /// From the start to the end of the tail.
    pub total: Counters,
    pub to_ack: Histogram,
    pub to_deliver: Histogram,
    pub to_done: Histogram,
    /// Times without any ack while messages were sent, oldest first.
    pub gaps: Vec<Gap>,
    pub gap_ms: u64,
    /// The longest time that a single sender waited for its next ack.
    pub sender_gap_max_ms: f64,
    /// Sends that were never answered: what became of them is not known, and not promised.
    pub unanswered: u64,
    pub errors: BTreeMap<String, u64>,
    pub closes: BTreeMap<u16, u64>,
    pub servers: Vec<ServerUse>,
    pub generator_cpu_ms: u64,
    pub history: HistoryFigures,
    pub violations: Violations,
}

impl Report {
    /// Adds another process' part of the same run.
    pub fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.measured_seconds = self.measured_seconds.max(other.measured_seconds);
        self.measured.add(&other.measured);
        self.total.add(&other.total);
        self.to_ack.add(&other.to_ack);
        self.to_deliver.add(&other.to_deliver);
        self.to_done.add(&other.to_done);
        self.gaps = common_gaps(&self.gaps, &other.gaps, self.gap_ms);
        self.sender_gap_max_ms = self.sender_gap_max_ms.max(other.sender_gap_max_ms);
        self.unanswered += other.unanswered;
        for (name, count) in other.errors {
            *self.errors.entry(name).or_default() += count;
        }
        for (code, count) in other.closes {
            *self.closes.entry(code).or_default() += count;
        }
        self.servers.extend(other.servers);
        self.generator_cpu_ms += other.generator_cpu_ms;
        self.history.add(&other.history);
        self.violations.add(other.violations);
    }

    /// Panics with the examples if a promise was broken. For tests.
    #[track_caller]
    pub fn assert_clean(&self) {
        let examples: Vec<_> = self.violations.examples.iter().map(ToString::to_string).collect();
        assert!(self.violations.is_empty(), "{:?}\n{}", self.violations.counts, examples.join("\n"));
    }

    pub fn summary(&self) -> Summary {
        let per_second = |count: u64| (count as f64 / self.measured_seconds * 10.0).round() / 10.0;
        let server_cpu_ms: u64 = self.servers.iter().filter_map(|server| server.cpu_ms).sum();
        let per_1000_done = |ms: u64| (self.measured.done > 0).then(|| ms as f64 / self.measured.done as f64);
        Summary {
            run: self.run.clone(),
            connections: self.connections,
            seed: self.seed,
            measured_seconds: self.measured_seconds,
            sent_per_s: per_second(self.measured.sent),
            acked_per_s: per_second(self.measured.acked),
            delivered_per_s: per_second(self.measured.delivered),
            done_per_s: per_second(self.measured.done),
            send_to_ack: self.to_ack.quantiles(),
            send_to_deliver: self.to_deliver.quantiles(),
            send_to_done: self.to_done.quantiles(),
            server_cpu_s_per_1000: per_1000_done(server_cpu_ms).filter(|_| !self.servers.is_empty()),
            generator_cpu_us_per_message: per_1000_done(self.generator_cpu_ms).map(|seconds| seconds * 1000.0),
            servers: self.servers.clone(),
            gaps: self.gaps.clone(),
            longest_gap_ms: self.gaps.iter().map(|gap| gap.length_ms).max().unwrap_or(0),
            sender_gap_max_ms: self.sender_gap_max_ms,
            total: self.total,
            unanswered: self.unanswered,
            errors: self.errors.clone(),
            closes: self.closes.clone(),
            history: self.history,
            violations: self.violations.clone(),
        }
    }
}

/// What people and scripts read (`--json`).
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub run: String,
    pub connections: u64,
    pub seed: u64,
    pub measured_seconds: f64,
    pub sent_per_s: f64,
    pub acked_per_s: f64,
    pub delivered_per_s: f64,
    /// Sent, acked, shown to every device of both, acked by the recipient.
    pub done_per_s: f64,
    pub send_to_ack: Quantiles,
    pub send_to_deliver: Quantiles,
    pub send_to_done: Quantiles,
    /// CPU-seconds of all servers for 1,000 done messages.
    pub server_cpu_s_per_1000: Option<f64>,
    pub generator_cpu_us_per_message: Option<f64>,
    pub servers: Vec<ServerUse>,
    pub gaps: Vec<Gap>,
    pub longest_gap_ms: u64,
    pub sender_gap_max_ms: f64,
    pub total: Counters,
    pub unanswered: u64,
    pub errors: BTreeMap<String, u64>,
    pub closes: BTreeMap<u16, u64>,
    pub history: HistoryFigures,
    pub violations: Violations,
}

/// Gaps that the table shows; `--json` has all.
const GAPS_SHOWN: usize = 20;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<34} {value}");
        let connections = format_args!(
            "{} connections, {:.1} s measured, seed {}",
            self.connections, self.measured_seconds, self.seed
        );
        row(f, &format!("run {}", self.run), &connections)?;
        row(f, "sent /s", &self.sent_per_s)?;
        row(f, "acked /s", &self.acked_per_s)?;
        row(f, "delivered to recipients /s", &self.delivered_per_s)?;
        row(
            f,
            "done /s",
            &format_args!("{} (acked, on every device of both, acked by the recipient)", self.done_per_s),
        )?;
        for (name, q) in [
            ("send to ack", &self.send_to_ack),
            ("send to deliver", &self.send_to_deliver),
            ("send to done", &self.send_to_done),
        ] {
            let Quantiles { p50_ms, p99_ms, p999_ms, max_ms, .. } = q;
            let value = format_args!("p50 {p50_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2}");
            row(f, &format!("{name}, ms"), &value)?;
        }
        if let Some(seconds) = self.server_cpu_s_per_1000 {
            row(f, "server CPU-seconds per 1,000 done", &format_args!("{seconds:.4}"))?;
        }
        if let Some(us) = self.generator_cpu_us_per_message {
            row(f, "generator CPU per done message", &format_args!("{us:.1} us"))?;
        }
        for ServerUse { pid, cpu_ms, rss_start_kib, rss_end_kib } in &self.servers {
            let cpu = cpu_ms.map_or("gone".to_owned(), |ms| format!("{:.2} s CPU", ms as f64 / 1000.0));
            let value = format_args!("{cpu}, RSS {} -> {} MiB", rss_start_kib / 1024, rss_end_kib / 1024);
            row(f, &format!("server {pid}"), &value)?;
        }
        let Counters { sent, retries, acked, acked_again, done, .. } = self.total;
        let total = format_args!(
            "sent {sent}, again {retries}, acked {acked} ({acked_again} dup), done {done}, unanswered {}",
            self.unanswered
        );
        row(f, "in all", &total)?;
        let Counters { opened, resumed, fresh, reconnects, connect_failures, timeouts, goaways, replaced, .. } =
            self.total;
        let sessions = format_args!("{opened} live, {resumed} resumed, {fresh} fresh, {reconnects} reconnects");
        row(f, "sessions", &sessions)?;
        let trouble = format_args!(
            "{connect_failures} failed connects, {timeouts} silent, {goaways} goaways, {replaced} replaced"
        );
        row(f, "trouble", &trouble)?;
        if !self.errors.is_empty() || !self.closes.is_empty() {
            row(f, "temporary errors, closes", &format_args!("{:?}, {:?}", self.errors, self.closes))?;
        }
        let gaps = format_args!(
            "{} ms, {} in all; one sender's longest {:.0} ms",
            self.longest_gap_ms,
            self.gaps.len(),
            self.sender_gap_max_ms
        );
        row(f, "longest gap between acks", &gaps)?;
        for gap in self.gaps.iter().take(GAPS_SHOWN) {
            row(f, "  gap", &format_args!("{} ms from {}", gap.length_ms, gap.start_unix_ms))?;
        }
        let history =
            format_args!("{} messages of {} conversations", self.history.messages, self.history.conversations);
        row(f, "history read", &history)?;
        row(f, "violations", &self.violations.total())?;
        for (kind, count) in &self.violations.counts {
            row(f, &format!("  {kind:?}"), count)?;
        }
        for violation in &self.violations.examples {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}
