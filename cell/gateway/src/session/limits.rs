//! The session's own numbers, each with its reason. Those that clients know are in [`cell_protocol::limits`].

/// What `welcome` announces: a server that is idle speaks this often. Shorter than the idle time-out of usual proxies
/// and NATs (30 s and more).
pub const HEARTBEAT_MS: u64 = 25_000;

/// A client is closed as idle when nothing came from it for this long.
pub const IDLE_MS: u64 = 2 * HEARTBEAT_MS;

/// From the upgrade to the `hello`.
pub const HELLO_MS: u64 = 5_000;

/// A client waits this long for an answer, of whatever kind, before it is told that there will be none. Failovers and
/// moves end well within.
pub const ANSWER_MS: u64 = 10_000;

/// What a client that got `unavailable` should wait before it asks again: about an election.
pub const UNAVAILABLE_RETRY_MS: u64 = 500;

/// What a client with too many unanswered commands should wait: a few round trips inside the cluster.
pub const INFLIGHT_RETRY_MS: u64 = 100;

/// How soon a home that refused is asked again, unless a reset says sooner.
pub const HOME_RETRY_MS: u64 = 100;

/// Pages (`hist`, `convs`) of a session that are outstanding at homes: each may be 1 MiB.
pub const PAGES_OUTSTANDING_MAX: usize = 2;

/// While more bytes than this wait for the client, no further page is asked for.
pub const PAGE_BACKLOG_MAX: usize = 256 << 10;

/// While more bytes than this wait for the client, nothing is read from it: so its commands cannot make more.
pub const BACKLOG_MAX: usize = 1 << 20;

/// Bytes of frames that came together with a `hello` and wait for its `welcome`: one WebSocket message and the next.
pub const HELD_LEN_MAX: usize = 2 * cell_protocol::limits::FRAME_LEN_MAX;
