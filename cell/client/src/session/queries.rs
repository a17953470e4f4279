//! Commands other than sends: asked again on the next connection until they are answered or out of time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cell_protocol::Command;

use super::io::RequestId;

/// Queries without an answer; more are refused at once.
pub const QUERIES_MAX: usize = 64;

/// How long a query may take, reconnections included: longer than a change of leader, shorter than a person's patience.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Queries {
    waiting: VecDeque<(RequestId, Query)>,
    asked: BTreeMap<RequestId, Query>,
}

#[derive(Debug, Clone)]
struct Query {
    command: Command,
    until: Duration,
}

impl Queries {
    /// Takes a query in; false when there are too many.
    #[must_use]
    pub(super) fn push(&mut self, request: RequestId, command: Command, now: Duration) -> bool {
        if self.waiting.len() + self.asked.len() >= QUERIES_MAX {
            return false;
        }
        self.waiting.push_back((request, Query { command, until: now + QUERY_TIME_MAX }));
        true
    }

    pub(super) fn next(&mut self) -> Option<(RequestId, Command)> {
        let (request, query) = self.waiting.pop_front()?;
        let command = query.command.clone();
        self.asked.insert(request, query);
        Some((request, command))
    }

    /// The answer came; false when nobody waits for it any more.
    #[must_use]
    pub(super) fn answered(&mut self, request: RequestId) -> bool {
        self.asked.remove(&request).is_some()
    }

    pub(super) fn connection_lost(&mut self) {
        for (request, query) in std::mem::take(&mut self.asked).into_iter().rev() {
            self.waiting.push_front((request, query));
        }
    }

    /// Takes out those whose time is over.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<RequestId> {
        let mut expired: Vec<_> = self.asked.extract_if(.., |_, query| query.until <= now).map(|(id, _)| id).collect();
        let waiting = self.waiting.iter().filter(|(_, query)| query.until <= now);
        expired.extend(waiting.map(|(request, _)| *request));
        self.waiting.retain(|(_, query)| query.until > now);
        expired
    }

    /// Takes all of them out, for the end of the session.
    pub(super) fn drain(&mut self) -> Vec<RequestId> {
        self.connection_lost();
        std::mem::take(&mut self.waiting).into_iter().map(|(request, _)| request).collect()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let waiting = self.waiting.iter().map(|(_, query)| query.until);
        self.asked.values().map(|query| query.until).chain(waiting).min()
    }
}
