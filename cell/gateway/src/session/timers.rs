//! What a session does when time passes.

use std::time::Duration;

use cell_protocol::{CloseCode, ServerFrame};

use super::limits::{HEARTBEAT_MS, IDLE_MS};
use super::{Now, Phase, Session, Turn};

impl Session {
    /// Time has passed, perhaps less than [`Self::next_wake_ms`] said.
    pub fn wake(&mut self, turn: &mut Turn<'_>) {
        let now = turn.ms();
        if self.is_closed() {
            return;
        }
        if self.goaway_at_ms.is_some_and(|at| at <= now) {
            return self.close(turn, CloseCode::GoAway);
        }
        if self.peer.as_ref().is_some_and(|peer| peer.bearer.ends_at <= turn.now.wall) {
            return self.close(turn, CloseCode::TokenExpired);
        }
        match &self.phase {
            Phase::Hello { deadline_ms } if *deadline_ms <= now => return self.close(turn, CloseCode::NoHello),
            Phase::Opening(opening) if opening.deadline_ms <= now => return self.unavailable(turn),
            Phase::Open(_) if self.heard_ms + IDLE_MS <= now => return self.close(turn, CloseCode::Idle),
            _ => {}
        }
        if self.open_at_ms.is_some_and(|at| at <= now) {
            self.open(turn);
        }
        self.give_up(turn);
        self.dispatch(turn);
        self.pending.shrink();
        if matches!(self.phase, Phase::Open(_)) && self.said_ms + HEARTBEAT_MS <= now {
            if turn.out.frames.is_empty() {
                self.say(turn, &ServerFrame::KeepAlive);
            } else {
                // The client has more than this to read; another line would not reach it sooner.
                self.said_ms = now;
            }
        }
    }

    /// When to call [`Self::wake`], on the monotonic clock; `None` when the session is over.
    pub fn next_wake_ms(&self, now: Now) -> Option<u64> {
        let phase = match &self.phase {
            Phase::Hello { deadline_ms } => *deadline_ms,
            Phase::Opening(opening) => opening.deadline_ms,
            Phase::Open(_) => (self.heard_ms + IDLE_MS).min(self.said_ms + HEARTBEAT_MS),
            Phase::Closed => return None,
        };
        let token_end = self.peer.as_ref().map(|peer| {
            let left = peer.bearer.ends_at.since(now.wall);
            now.monotonic_ms.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
        });
        let others = [token_end, self.open_at_ms, self.goaway_at_ms, self.pending.next_wake_ms()];
        Some(others.into_iter().flatten().fold(phase, u64::min))
    }

    /// Announces a planned end at a moment within `within`, at random so that not all clients come back at once, and
    /// closes then.
    pub fn drain(&mut self, turn: &mut Turn<'_>, within: Duration, why: &'static str) {
        if self.is_closed() || self.goaway_at_ms.is_some() {
            return;
        }
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let after_ms = turn.random() % within_ms.saturating_add(1).max(1);
        self.goaway_at_ms = Some(turn.ms() + after_ms);
        if matches!(self.phase, Phase::Open(_)) {
            self.say(turn, &ServerFrame::GoAway { after_ms, url: None, why: Some(why.to_owned()) });
        }
    }
}
