//! What one step of a session is given, and what it leaves behind.

use std::fmt;
use std::sync::Arc;

use cell_protocol::{CloseCode, ServerFrame, write_server};
use cell_types::{PlacementKey, Timestamp};

use crate::Verifier;
use crate::counters::{Counters, count};
use crate::home::ToHome;

/// What all sessions of a process share.
pub struct Environment {
    pub verifier: Verifier,
    /// Random numbers, good enough for names that must not be guessed.
    pub entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub counters: Counters,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The time of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the process started; never jumps.
    pub monotonic_ms: u64,
    /// What the protocol calls time; may jump.
    pub wall: Timestamp,
}

/// What a session wants done. The transport appends nothing, and takes things out from the front.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Frames for the client, each ended by a line feed. What is not yet taken is the session's backlog.
    pub frames: Vec<u8>,
    /// In order per key.
    pub to_home: Vec<(PlacementKey, ToHome)>,
    /// Set once, when the session is over: what is in `frames` goes out first.
    pub close: Option<CloseCode>,
}

/// One step: its time, its surroundings, its outputs.
#[derive(Debug)]
pub struct Turn<'a> {
    pub now: Now,
    pub environment: &'a Environment,
    pub out: &'a mut Outputs,
}

impl Turn<'_> {
    pub(super) fn counters(&self) -> &Counters {
        &self.environment.counters
    }

    pub(super) fn ms(&self) -> u64 {
        self.now.monotonic_ms
    }

    pub(super) fn random(&self) -> u64 {
        (self.environment.entropy)()
    }

    pub(super) fn frame(&mut self, frame: &ServerFrame) {
        count(&self.counters().frames_out, 1);
        write_server(frame, &mut self.out.frames);
        self.out.frames.push(b'\n');
    }

    pub(super) fn home(&mut self, key: PlacementKey, message: ToHome) {
        // Acks are cumulative: of several in one step the last says it all.
        if let ToHome::Acknowledge { upto, .. } = &message
            && let Some((_, ToHome::Acknowledge { upto: last, .. })) = self.out.to_home.last_mut()
        {
            *last = *upto;
            return;
        }
        self.out.to_home.push((key, message));
    }
}
