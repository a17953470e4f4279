//! Connections come and go: attempts, tokens, ends and their verdicts.

use std::time::Duration;

use cell_protocol::{ClientFrame, ClientMessage, Hello, limits};

use super::feed::Mark;
use super::io::{Now, Output};
use super::link::{Link, Phase};
use super::tokens::Freshness;
use super::verdict::Verdict;
use super::{Session, State};
use crate::error::{Error, SendFailure};
use crate::event::{ClientEvent, StopReason};

/// From the start of an attempt to a WebSocket: past it, another server may be quicker.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// What a token provider gets for its answer.
const TOKEN_TIME_MAX: Duration = Duration::from_secs(30);

/// The least wait when a server asks to come back later (41xx).
const LATER_WAIT_MIN: Duration = Duration::from_secs(1);

/// How soon to come back.
enum Wait {
    /// The server chose the moment for each of its clients.
    Planned,
    Backoff,
    Later,
}

impl Session {
    pub(super) fn tick(&mut self, now: Now) {
        for request in self.queries.expire(now.elapsed) {
            if let State::Open(link) = &mut self.state {
                link.forget_query(request);
            }
            self.outputs.push(Output::Answer { request, result: Err(Error::TimedOut) });
        }
        let is_reading = self.wants_text();
        match &mut self.state {
            State::Waiting { until } if *until <= now.elapsed => self.attempt(now),
            State::FetchingToken { until } if *until <= now.elapsed => {
                self.lost(now, Wait::Backoff, "the token provider gave no answer");
            }
            State::Connecting { until } if *until <= now.elapsed => self.leave(now, "no connection in time"),
            State::Open(link) => {
                if !is_reading {
                    // What is not read says nothing about the server.
                    link.heard = now.elapsed;
                }
                if link.leave_at.is_some_and(|at| at <= now.elapsed) {
                    self.outputs.push(Output::Disconnect);
                    self.lost(now, Wait::Planned, "the server asked to leave");
                } else if link.dead_at() <= now.elapsed {
                    self.leave(now, "the server fell silent");
                }
            }
            _ => {}
        }
    }

    /// Starts to connect, with a token at hand.
    fn attempt(&mut self, now: Now) {
        self.give_up_old(now);
        if self.tokens.is_empty() {
            self.state = State::FetchingToken { until: now.elapsed + TOKEN_TIME_MAX };
            self.outputs.push(Output::FetchToken);
        } else {
            self.state = State::Connecting { until: now.elapsed + CONNECT_TIME_MAX };
            self.outputs.push(Output::Connect { url: self.addresses.next() });
        }
    }

    pub(super) fn token(&mut self, now: Now, token: Result<String, String>) {
        if !matches!(self.state, State::FetchingToken { .. }) {
            return;
        }
        match token {
            Ok(jwt) => {
                self.tokens.set_jwt(jwt);
                self.attempt(now);
            }
            Err(why) => self.lost(now, Wait::Backoff, &format!("the token provider failed: {why}")),
        }
    }

    pub(super) fn connected(&mut self, now: Now) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        // An attempt starts only with a token.
        let (token, freshness) = self.tokens.show().unwrap_or((String::new(), Freshness::Kept));
        let resume = self.position.resume().cloned();
        let hello =
            Hello { version: limits::VERSION, device: self.config.device.clone(), token, resume: resume.clone() };
        self.state = State::Open(Box::new(Link::new(now.elapsed, freshness, resume)));
        let text = Self::write(&ClientFrame { ack: None, message: ClientMessage::Hello(hello) });
        self.outputs.push(Output::Transmit(text));
    }

    /// The connection ended by itself, or did not come about.
    pub(super) fn closed(&mut self, now: Now, code: Option<u16>, why: String) {
        let (refused, is_planned) = match &self.state {
            State::Connecting { .. } => (None, false),
            // A server that sends everybody away at once must not be called again at once.
            State::Open(link) => {
                (link.token_refused.clone().zip(Some(link.token)), link.leave_at.is_some() && link.phase == Phase::Live)
            }
            State::Waiting { .. } | State::FetchingToken { .. } | State::Stopped(_) => return,
        };
        if refused.is_some() {
            self.tokens.clear();
        }
        let why = code.map_or(why, |code| format!("closed with {code}"));
        match Verdict::of(code) {
            Verdict::Resume if is_planned => self.lost(now, Wait::Planned, &why),
            Verdict::Resume => self.lost(now, Wait::Backoff, &why),
            Verdict::Later => self.lost(now, Wait::Later, &why),
            Verdict::Refresh => {
                self.tokens.clear();
                self.lost(now, Wait::Backoff, &why);
            }
            Verdict::Resync => {
                self.position.drop_cursor();
                self.lost(now, Wait::Backoff, &why);
            }
            Verdict::Replaced => self.stop(StopReason::Replaced),
            Verdict::Terminal => match (refused, code) {
                // The provider may have a better one.
                (Some((_, Freshness::Kept)), _) => self.lost(now, Wait::Backoff, &why),
                (Some((message, Freshness::Fresh)), _) => self.stop(StopReason::TokenRefused { message }),
                (None, code) => self.stop(StopReason::Refused { code: code.unwrap_or_default() }),
            },
        }
    }

    /// Ends a connection that is no good and comes back later.
    pub(super) fn leave(&mut self, now: Now, why: &str) {
        self.outputs.push(Output::Disconnect);
        self.lost(now, Wait::Backoff, why);
    }

    fn lost(&mut self, now: Now, wait: Wait, why: &str) {
        let was_live = matches!(&self.state, State::Open(link) if link.phase == Phase::Live);
        let after = match wait {
            Wait::Planned if was_live => Duration::ZERO,
            Wait::Planned | Wait::Backoff => self.backoff.next(&mut self.rng),
            Wait::Later => LATER_WAIT_MIN + self.backoff.next(&mut self.rng),
        };
        self.sends.connection_lost();
        self.queries.connection_lost();
        self.state = State::Waiting { until: now.elapsed + after };
        self.feed.push_news(ClientEvent::Reconnecting { after, why: why.to_owned() });
    }

    /// Ends the session. Sends stay in the store.
    pub(super) fn stop(&mut self, why: StopReason) {
        match &self.state {
            State::Stopped(_) => return,
            State::Connecting { .. } | State::Open(_) => self.outputs.push(Output::Disconnect),
            State::Waiting { .. } | State::FetchingToken { .. } => {}
        }
        let stopped = || Error::Stopped(why.clone());
        for request in self.queries.drain() {
            self.outputs.push(Output::Answer { request, result: Err(stopped()) });
        }
        for request in self.sends.drain_requests() {
            self.outputs.push(Output::Sent { request, result: Err(stopped()) });
        }
        self.feed.push_news(match &why {
            StopReason::Replaced => ClientEvent::Replaced,
            _ => ClientEvent::Stopped { why: why.clone() },
        });
        self.state = State::Stopped(why);
    }

    /// The application ends the session: what it took is acked first.
    pub(super) fn close(&mut self, now: Now) {
        let last = self.final_ack(now);
        self.outputs.extend(last.map(Output::Transmit));
        self.stop(StopReason::Closed);
    }

    /// Reports the sends that are too old to be sent again.
    pub(super) fn give_up_old(&mut self, now: Now) {
        for entry in self.sends.expire(now.unix) {
            self.fail(entry, SendFailure::Unknown);
        }
    }

    /// A snapshot takes the place of everything that the application was not given yet.
    pub(super) fn reset(&mut self, event: ClientEvent, mark: Mark) {
        self.feed.push_reset(event, mark);
        self.note_taken();
    }
}
