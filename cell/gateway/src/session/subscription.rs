//! The session and its home: opening, events, acks, and going on at another home without the client's noticing.

use cell_protocol::limits::{BODY_LEN_MAX, FRAME_LEN_MAX, INFLIGHT_MAX, WINDOW_EVENTS_MAX};
use cell_protocol::{CloseCode, ErrorCode, Event, Limits, ServerFrame, Welcome};
use cell_types::{HistoryEpoch, PlacementKey, Useq};

use super::limits::{ANSWER_MS, HEARTBEAT_MS, HELD_LEN_MAX, HOME_RETRY_MS};
use super::{Phase, Session, Turn};
use crate::counters::count;
use crate::home::{Open, OpenFrom, Opened, ToHome};

/// What is kept from the `hello` to the `welcome`.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) from: OpenFrom,
    pub(super) deadline_ms: u64,
    /// Lines that came with the `hello`: they wait, so that `welcome` is the first answer.
    held: Vec<Box<str>>,
    held_len: usize,
}

impl Opening {
    pub(super) fn new(from: OpenFrom, now_ms: u64) -> Self {
        Self { from, deadline_ms: now_ms + ANSWER_MS, held: Vec::new(), held_len: 0 }
    }

    /// Keeps a line for later; false when there are too many.
    pub(super) fn hold(&mut self, line: &str) -> bool {
        self.held_len += line.len();
        if self.held_len > HELD_LEN_MAX {
            return false;
        }
        self.held.push(line.into());
        true
    }
}

/// A welcomed client's place in its mailbox.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) ep: HistoryEpoch,
    /// The client was sent everything up to here on this connection, or has it from before.
    pub(super) sent: Useq,
    /// The client has everything up to here.
    pub(super) acked: Useq,
    /// What the home was told of `acked`.
    told: Useq,
    /// `live` comes once `sent` is here.
    head: Useq,
    is_live: bool,
}

impl Session {
    /// Asks the home for the subscription, from where the client is.
    pub(super) fn open(&mut self, turn: &mut Turn<'_>) {
        let Some(peer) = &self.peer else { return };
        let from = match &mut self.phase {
            Phase::Opening(opening) => opening.from,
            Phase::Open(at) => {
                at.told = at.acked;
                OpenFrom::Sent { ep: at.ep, sent: at.sent, acked: at.acked }
            }
            Phase::Hello { .. } | Phase::Closed => return,
        };
        self.attempt = self.attempt.wrapping_add(1);
        self.awaits_opened = true;
        // In case that the home neither answers nor resets us.
        self.open_at_ms = Some(turn.ms() + ANSWER_MS);
        let open = Open {
            session: self.id,
            user: peer.user().clone(),
            device: peer.device.clone(),
            hello_at: peer.hello_at,
            hello_nonce: peer.hello_nonce,
            attempt: self.attempt,
            from,
        };
        turn.home(peer.key, ToHome::Open(open));
    }

    /// Homes whose keys are `affected` have a new leader, or the way to them broke: what they were told may be lost.
    pub fn reset(&mut self, turn: &mut Turn<'_>, affected: &dyn Fn(PlacementKey) -> bool) {
        if self.peer.as_ref().is_some_and(|peer| affected(peer.key)) {
            if matches!(self.phase, Phase::Open(_)) {
                count(&turn.counters().reopened, 1);
            }
            self.open(turn);
        }
        self.pending.forget_sent(affected);
        self.dispatch(turn);
    }

    /// The home has no subscription of ours. An open session believes it, too: if it is an earlier home's news, asking
    /// once more changes nothing, and silence would last.
    pub(super) fn not_now(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Opening(_) | Phase::Open(_)) {
            self.open_at_ms = Some(turn.ms() + HOME_RETRY_MS);
        }
    }

    pub(super) fn opened(&mut self, turn: &mut Turn<'_>, opened: Opened) {
        if !self.awaits_opened || opened.attempt != self.attempt {
            return;
        }
        self.awaits_opened = false;
        self.open_at_ms = None;
        match &self.phase {
            Phase::Opening(_) => self.welcome(turn, opened),
            Phase::Open(at) if opened.fresh.is_some() || opened.ep != at.ep => {
                // What this client was told does not go on: it has to start from a snapshot.
                self.close(turn, CloseCode::CursorTrimmed);
            }
            Phase::Open(_) => self.tell_acked(turn),
            Phase::Hello { .. } | Phase::Closed => {}
        }
    }

    fn welcome(&mut self, turn: &mut Turn<'_>, opened: Opened) {
        let Some(peer) = &self.peer else { return };
        let Some(resume_token) = turn.environment.verifier.resume_token(&peer.bearer, &peer.device, opened.ep) else {
            return self.unavailable(turn);
        };
        let welcome = Welcome {
            user: peer.user().clone(),
            session: format!("{:016x}{:016x}", turn.random(), turn.random()),
            resume_token,
            ep: opened.ep.to_string(),
            head: opened.head,
            fresh: opened.fresh.as_ref().map(|(why, _)| *why),
            heartbeat_ms: HEARTBEAT_MS,
            limits: LIMITS,
            now: turn.now.wall,
        };
        let (sent, fresh) = match opened.fresh {
            Some((_, snapshot)) => (snapshot.at, Some(snapshot)),
            None => (self.resumed_at(), None),
        };
        let at = Subscription { ep: opened.ep, sent, acked: sent, told: sent, head: opened.head, is_live: false };
        let held = match std::mem::replace(&mut self.phase, Phase::Open(at)) {
            Phase::Opening(opening) => opening.held,
            _ => Vec::new(),
        };
        // Nothing was read meanwhile, so the client's silence does not count.
        self.heard_ms = turn.ms();
        count(if fresh.is_some() { &turn.counters().fresh } else { &turn.counters().resumed }, 1);
        self.say(turn, &ServerFrame::Welcome(welcome));
        if let Some(snapshot) = fresh {
            self.say(turn, &ServerFrame::Snapshot(snapshot));
        }
        self.announce_live(turn);
        for line in held {
            self.line(turn, &line);
        }
    }

    /// The cursor that a resumed session goes on from.
    fn resumed_at(&self) -> Useq {
        match &self.phase {
            Phase::Opening(opening) => match opening.from {
                OpenFrom::Cursor(cursor) => cursor.useq,
                OpenFrom::Sent { sent, .. } => sent,
                OpenFrom::Nothing | OpenFrom::ForeignCursor => Useq::ZERO,
            },
            _ => Useq::ZERO,
        }
    }

    /// A home, old or new, may repeat events but never leave one out.
    pub(super) fn events(&mut self, turn: &mut Turn<'_>, events: Vec<Event>) {
        for mut event in events {
            let Phase::Open(at) = &mut self.phase else { return };
            if event.useq <= at.sent {
                continue;
            }
            let next = event.useq.get() - at.sent.get();
            if event.covers < next {
                // Something got lost on the way: ask anew for what comes after `sent`.
                if !self.awaits_opened {
                    self.open_at_ms.get_or_insert(turn.ms() + HOME_RETRY_MS);
                }
                return;
            }
            // It may reach back before what was sent: the numbers in between are void either way.
            event.covers = next;
            at.sent = event.useq;
            self.say(turn, &ServerFrame::Event(event));
        }
        self.announce_live(turn);
    }

    fn announce_live(&mut self, turn: &mut Turn<'_>) {
        let Phase::Open(at) = &mut self.phase else { return };
        if !at.is_live && at.sent >= at.head {
            at.is_live = true;
            let head = at.sent;
            self.say(turn, &ServerFrame::Live { head });
        }
    }

    /// Takes an ack; false when it is for something that was not sent on this connection.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn<'_>, upto: Useq) -> bool {
        let Phase::Open(at) = &mut self.phase else { return false };
        if upto > at.sent {
            return false;
        }
        at.acked = at.acked.max(upto);
        if !self.awaits_opened {
            self.tell_acked(turn);
        }
        true
    }

    fn tell_acked(&mut self, turn: &mut Turn<'_>) {
        let (Phase::Open(at), Some(peer)) = (&mut self.phase, &self.peer) else { return };
        if at.acked > at.told {
            at.told = at.acked;
            turn.home(peer.key, ToHome::Acknowledge { session: self.id, upto: at.acked });
        }
    }

    /// There is no `welcome` to be had now.
    pub(super) fn unavailable(&mut self, turn: &mut Turn<'_>) {
        self.error(turn, None, ErrorCode::Unavailable, "the session cannot be opened now");
        self.close(turn, CloseCode::Overload);
    }
}

/// What `welcome` announces.
const LIMITS: Limits = Limits {
    frame: FRAME_LEN_MAX as u64,
    body: BODY_LEN_MAX as u64,
    inflight: INFLIGHT_MAX as u64,
    window: WINDOW_EVENTS_MAX,
};
