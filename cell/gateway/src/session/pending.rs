//! Commands without an answer yet, in the order in which they came.
//!
//! **Invariant:** commands with an effect (sends, reads) of one placement key go to their home in the order in which
//! they came, however often they are sent. One that its home refused waits for those behind it that are at the home
//! already: if one of these was carried out, order forbids to send it again, and its client is told so.

use std::collections::VecDeque;

use cell_types::PlacementKey;

use super::limits::PAGES_OUTSTANDING_MAX;
use crate::counters::CommandKind;
use crate::home::{HomeCommand, RequestId};

/// A command that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    /// The client's.
    pub(super) id: u32,
    pub(super) request: RequestId,
    pub(super) key: PlacementKey,
    pub(super) command: HomeCommand,
    pub(super) deadline_ms: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not at its home.
    Waiting,
    /// At its home, as far as is known.
    Sent,
    /// Its home refused it; to be sent again then.
    Refused { again_at_ms: u64 },
}

impl Pending {
    pub(super) fn kind(&self) -> CommandKind {
        match self.command {
            HomeCommand::Send { .. } => CommandKind::Send,
            HomeCommand::History { .. } => CommandKind::History,
            HomeCommand::Conversations { .. } => CommandKind::Conversations,
            HomeCommand::Read { .. } => CommandKind::Read,
        }
    }

    fn is_page(&self) -> bool {
        matches!(self.command, HomeCommand::History { .. } | HomeCommand::Conversations { .. })
    }
}

/// At most [`cell_protocol::limits::INFLIGHT_MAX`] of them; the session sees to that.
#[derive(Debug, Default)]
pub(super) struct PendingCommands {
    /// Requests and deadlines ascend.
    commands: VecDeque<Pending>,
    requests: u64,
    /// How many are not `Sent`: nothing is looked through while there are none.
    unsent: usize,
}

impl PendingCommands {
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(super) fn push(&mut self, id: u32, key: PlacementKey, command: HomeCommand, deadline_ms: u64) {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.unsent += 1;
        self.commands.push_back(Pending { id, request, key, command, deadline_ms, state: State::Waiting });
    }

    /// Marks as sent, and shows to `send`, whatever may go to its home now, in order.
    pub(super) fn dispatch(&mut self, now_ms: u64, may_page: bool, mut send: impl FnMut(&Pending)) {
        if self.unsent == 0 {
            return;
        }
        let is_outstanding = |pending: &&Pending| pending.is_page() && pending.state == State::Sent;
        let outstanding = self.commands.iter().filter(is_outstanding).count();
        let mut pages_left = if may_page { PAGES_OUTSTANDING_MAX.saturating_sub(outstanding) } else { 0 };
        // Keys whose earlier commands are not at their home: later ones do not overtake them.
        let mut blocked: Vec<PlacementKey> = Vec::new();
        for at in 0..self.commands.len() {
            let is_overtaking = self.is_followed(at);
            let pending = &mut self.commands[at];
            let is_due = match pending.state {
                State::Sent => continue,
                State::Waiting => true,
                State::Refused { again_at_ms } => again_at_ms <= now_ms,
            };
            let is_free =
                if pending.is_page() { pages_left > 0 } else { !is_overtaking && !blocked.contains(&pending.key) };
            match (is_due, is_free) {
                (true, true) => {
                    pages_left -= usize::from(pending.is_page());
                    pending.state = State::Sent;
                    self.unsent -= 1;
                    send(pending);
                    continue;
                }
                // Time alone will not change that any more: it goes when what it waits for has gone.
                (true, false) => pending.state = State::Waiting,
                (false, _) => {}
            }
            if !pending.is_page() {
                blocked.push(pending.key);
            }
        }
    }

    /// A later command with an effect on the same key is at its home.
    fn is_followed(&self, at: usize) -> bool {
        let this = &self.commands[at];
        let mut later = self.commands.range(at + 1..);
        later.any(|other| other.key == this.key && !other.is_page() && other.state == State::Sent)
    }

    /// Sends that `done`, which came after them, has overtaken: its home refused them, and then carried it out.
    pub(super) fn take_overtaken(&mut self, done: &Pending) -> Vec<Pending> {
        if self.unsent == 0 || !matches!(done.command, HomeCommand::Send { .. }) {
            return Vec::new();
        }
        let is_overtaken = |pending: &Pending| {
            pending.request < done.request
                && pending.key == done.key
                && pending.state != State::Sent
                && matches!(pending.command, HomeCommand::Send { .. })
        };
        let mut overtaken = Vec::new();
        while let Some(at) = self.commands.iter().position(is_overtaken) {
            overtaken.extend(self.commands.remove(at));
            self.unsent -= 1;
        }
        overtaken
    }

    /// The command of an answer, which is pending no more; `None` when its answer came before, or too late.
    pub(super) fn take(&mut self, request: RequestId) -> Option<Pending> {
        let at = self.position(request)?;
        let pending = self.commands.remove(at)?;
        self.note_gone(&pending);
        Some(pending)
    }

    /// Its home refused it without doing anything.
    pub(super) fn refuse(&mut self, request: RequestId, again_at_ms: u64) {
        let Some(at) = self.position(request) else { return };
        let pending = &mut self.commands[at];
        if pending.state == State::Sent {
            self.unsent += 1;
        }
        pending.state = State::Refused { again_at_ms };
    }

    /// What was sent to these homes may be lost.
    pub(super) fn forget_sent(&mut self, affected: &dyn Fn(PlacementKey) -> bool) {
        for pending in self.commands.iter_mut().filter(|pending| affected(pending.key)) {
            if pending.state == State::Sent {
                self.unsent += 1;
            }
            pending.state = State::Waiting;
        }
    }

    /// The oldest command, if its time is over.
    pub(super) fn expired(&mut self, now_ms: u64) -> Option<Pending> {
        let pending = self.commands.pop_front_if(|pending| pending.deadline_ms <= now_ms)?;
        self.note_gone(&pending);
        Some(pending)
    }

    /// When [`Self::expired`] or [`Self::dispatch`] has something to do next.
    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        let deadline = self.commands.front()?.deadline_ms;
        if self.unsent == 0 {
            return Some(deadline);
        }
        let again = self.commands.iter().filter_map(|pending| match pending.state {
            State::Refused { again_at_ms } => Some(again_at_ms),
            State::Waiting | State::Sent => None,
        });
        Some(again.fold(deadline, u64::min))
    }

    /// Gives memory back that an idle session does not need.
    pub(super) fn shrink(&mut self) {
        if self.commands.is_empty() {
            self.commands.shrink_to_fit();
        }
    }

    fn position(&self, request: RequestId) -> Option<usize> {
        self.commands.binary_search_by_key(&request, |pending| pending.request).ok()
    }

    fn note_gone(&mut self, pending: &Pending) {
        if pending.state != State::Sent {
            self.unsent -= 1;
        }
    }
}
