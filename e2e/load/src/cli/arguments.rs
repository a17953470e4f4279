//! The arguments of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use e2e_load::clock::unix_ms;
use e2e_load::net::Url;

/// Load and checks for a chat cluster, over its client protocol.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Pairs of users chat; every promise about messages is checked on every device.
    Chat(ChatArguments),
    /// Chat while somebody kills servers; says how long nobody was answered after each kill.
    Failover(FailoverArguments),
    /// Fill a store with messages, fast.
    Fill(FillArguments),
    /// Open sessions that say nothing; says what one costs.
    Idle(IdleArguments),
    /// Devices come back: connect, hello, replay, live.
    Resume(ResumeArguments),
    /// Read random pages of what `fill` wrote.
    History(HistoryArguments),
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// A server's client address, like 127.0.0.1:8080; repeat it for more, connections are spread over them
    #[arg(long = "url", value_name = "URL")]
    pub(super) urls: Vec<Url>,
    /// File with the text of the cluster's HS256 key
    #[arg(long, value_name = "FILE")]
    pub(super) token_key: Option<PathBuf>,
    /// Folder of a local cluster: addresses, key and server pids come from it
    #[arg(long, value_name = "DIR", required_unless_present = "urls")]
    pub(super) data: Option<PathBuf>,
    /// The `chatctl` that knows the local cluster [default: beside this program, else from PATH]
    #[arg(long, value_name = "PATH", requires = "data")]
    pub(super) chatctl: Option<PathBuf>,
    /// A server whose CPU time and memory count; repeatable
    #[arg(long = "server-pid", value_name = "PID")]
    pub(super) server_pids: Vec<u32>,
    /// Names the users [default: a name that was not used before]
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Of jitter, schedules and random choices
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Seconds to wait for an answer before the connection is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = above_zero)]
    answer_limit: f64,
}

impl Common {
    /// A name that no other run has, unless one was given.
    pub(super) fn run_name(&self) -> String {
        self.run.clone().unwrap_or_else(|| format!("r{:x}-{:x}", unix_ms(), std::process::id()))
    }

    pub(super) fn answer_limit_ms(&self) -> u64 {
        (self.answer_limit * 1000.0) as u64
    }
}

#[derive(Debug, Args)]
pub(super) struct Shape {
    /// Bytes of a message's body
    #[arg(long, value_name = "BYTES", default_value_t = 150)]
    pub(super) size: usize,
    /// Connections of each user
    #[arg(long, default_value_t = 1)]
    pub(super) devices: u32,
    /// Both users of each pair send, instead of one
    #[arg(long)]
    pub(super) both: bool,
    /// Generator processes [default: one for every 15,000 connections]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) processes: Option<u32>,
    /// Seconds to wait at the end until everything has arrived
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = above_zero)]
    pub(super) tail: f64,
    /// Milliseconds without an ack that make a gap
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub(super) gap_ms: u64,
    /// Milliseconds that an event may wait for its ack
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pub(super) ack_after_ms: u64,
    /// Events that are acked at once
    #[arg(long, value_name = "EVENTS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) ack_every: u32,
    /// Do not read the histories at the end
    #[arg(long)]
    pub(super) no_verify: bool,
}

#[derive(Debug, Args)]
pub(super) struct ChatArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// Pairs of users who chat with each other
    #[arg(long, default_value_t = 100)]
    pub(super) pairs: u32,
    /// Unanswered sends of one sender [default: 8, with --rate 32]
    #[arg(long)]
    pub(super) inflight: Option<usize>,
    /// Offer this many messages per second in all, whatever the answers; without it the next send waits for an answer
    #[arg(long, value_name = "PER_SECOND", value_parser = above_zero)]
    pub(super) rate: Option<f64>,
    /// Seconds in which messages are sent
    #[arg(long, default_value_t = 10.0, value_parser = above_zero)]
    pub(super) seconds: f64,
    /// The first of these seconds do not count for the figures
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(super) warmup: f64,
}

#[derive(Debug, Args)]
pub(super) struct FailoverArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) shape: Shape,
    #[arg(long, default_value_t = 50)]
    pub(super) pairs: u32,
    #[arg(long, default_value_t = 4)]
    pub(super) inflight: usize,
    /// Stop some seconds after this many kills
    #[arg(long)]
    pub(super) kills: usize,
    /// Stop after this many seconds in any case
    #[arg(long, default_value_t = 300.0, value_parser = above_zero)]
    pub(super) seconds: f64,
    /// Read the lines `kill <unix milliseconds>` from this file at the end, instead of from stdin as they happen
    #[arg(long, value_name = "FILE")]
    pub(super) mark_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct FillArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// Messages in all; the last ones make the pairs even
    #[arg(long)]
    pub(super) messages: u64,
    #[arg(long, default_value_t = 1000)]
    pub(super) pairs: u32,
    #[arg(long, default_value_t = 32)]
    pub(super) inflight: usize,
}

#[derive(Debug, Args)]
pub(super) struct IdleArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Sessions, each of another user
    #[arg(long)]
    pub(super) connections: u32,
    /// Hold them for this long
    #[arg(long, default_value_t = 10.0, value_parser = above_zero)]
    pub(super) seconds: f64,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Devices that come and go
    #[arg(long, default_value_t = 500)]
    pub(super) connections: u32,
    /// Events that each resume replays
    #[arg(long, default_value_t = 10)]
    pub(super) events: u32,
    /// Resumes per second in all [default: as many as go]
    #[arg(long, value_name = "PER_SECOND", value_parser = above_zero)]
    pub(super) rate: Option<f64>,
    /// Resumes at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) at_a_time: u32,
    #[arg(long, default_value_t = 10.0, value_parser = above_zero)]
    pub(super) seconds: f64,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[arg(long)]
    pub(super) pages: u64,
    /// Messages of a page
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(super) limit: u64,
    /// As the store was filled
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) pairs: u32,
    /// As the store was filled
    #[arg(long, value_name = "BYTES", default_value_t = 150)]
    pub(super) size: usize,
    /// Pages asked for at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) at_a_time: u32,
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be above 0".into()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn refusal(line: &str) -> String {
        Arguments::try_parse_from(line.split(' ')).expect_err(line).to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn bad_arguments_are_refused_with_the_reason() {
        assert!(refusal("load chat").contains("--data <DIR>"));
        assert!(refusal("load chat --url chat.example").contains("is no server's address"));
        assert!(refusal("load chat --url 127.0.0.1:1 --rate 0").contains("must be above 0"));
        assert!(refusal("load chat --url 127.0.0.1:1 --seconds soon").contains("is no number"));
        assert!(refusal("load fill --url 127.0.0.1:1").contains("--messages"));
        assert!(refusal("load history --url 127.0.0.1:1 --pages 1 --limit 500").contains("1..=100"));
        assert!(refusal("load dance --url 127.0.0.1:1").contains("unrecognized subcommand"));
    }

    #[test]
    fn the_least_that_is_needed_is_an_address() {
        assert!(Arguments::try_parse_from("load chat --url 127.0.0.1:1".split(' ')).is_ok());
    }
}
