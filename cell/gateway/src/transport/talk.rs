//! An open WebSocket: between the bytes of a socket and the messages of a session.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::{Decoder, Incoming, Violation};
use super::outgoing::Outgoing;
use crate::counters::count;
use crate::gateway::Shared;
use crate::home::SessionId;
use crate::mailbox::Signal;
use crate::session::{Now, Outputs, Session, Turn};

/// Bytes read at a time, per thread.
const SCRATCH_LEN: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_LEN].into());
}

/// A WebSocket with its session.
pub(super) struct Talk {
    pub(super) session: Session,
    decoder: Decoder,
    pub(super) outputs: Outputs,
}

/// What reading came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    /// Nothing to read, or nothing wanted.
    None,
    Some,
    /// The connection broke.
    Gone,
    /// The client closed the WebSocket.
    Closed,
    Violated,
}

impl Talk {
    /// `early` came right behind the handshake.
    pub(super) fn new(id: SessionId, now: Now, early: &[u8]) -> Self {
        let mut decoder = Decoder::default();
        decoder.push(early);
        Self { session: Session::new(id, now), decoder, outputs: Outputs::default() }
    }

    /// Tells the session what others want from it, and what time it is.
    pub(super) fn hear(&mut self, signals: VecDeque<Signal>, shared: &Shared, now: Now) {
        let Self { session, outputs, .. } = self;
        let turn = &mut Turn { now, environment: &shared.environment, out: outputs };
        for signal in signals {
            match signal {
                Signal::Home(message) => session.from_home(turn, message),
                Signal::Reset(affected) => session.reset(turn, &*affected),
                Signal::Drain { within, why } => session.drain(turn, within, why),
                Signal::Close(code) => session.close(turn, code),
            }
        }
        if session.next_wake_ms(now).is_some_and(|at| at <= now.monotonic_ms) {
            session.wake(turn);
        }
    }

    /// Hands over what the session has for homes.
    pub(super) fn tell_homes(&mut self, shared: &Shared) {
        // Taken, so that an idle connection keeps no room for messages.
        for (key, message) in std::mem::take(&mut self.outputs.to_home) {
            shared.homes.send(key, message);
        }
    }

    /// Reads once, if the session wants anything, and feeds it. Also says whether it wanted.
    pub(super) fn read<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        outgoing: &mut Outgoing,
        shared: &Shared,
        now: Now,
    ) -> (Input, bool) {
        // What was read before may be waiting for the session to want it.
        let before = self.feed(outgoing, shared, now);
        if !matches!(before, Input::None) {
            return (before, true);
        }
        if !self.session.wants_input(self.backlog(outgoing)) {
            return (Input::None, false);
        }
        let read = match poll_read(cx, stream, |bytes| self.decoder.push(bytes)) {
            Poll::Pending => return (Input::None, true),
            Poll::Ready(Ok(read)) if read > 0 => read,
            Poll::Ready(_) => return (Input::Gone, true),
        };
        count(&shared.counters().bytes_in, read as u64);
        let input = self.feed(outgoing, shared, now);
        (if matches!(input, Input::None) { Input::Some } else { input }, true)
    }

    /// Gives the session the messages that are complete, as long as it wants them.
    fn feed(&mut self, outgoing: &mut Outgoing, shared: &Shared, now: Now) -> Input {
        let mut input = Input::None;
        while self.session.wants_input(self.backlog(outgoing)) {
            let turn = &mut Turn { now, environment: &shared.environment, out: &mut self.outputs };
            match self.decoder.next() {
                Ok(None) => break,
                Ok(Some(Incoming::Text(text))) => self.session.text(turn, &text),
                Ok(Some(Incoming::Binary)) => self.session.binary(turn),
                Ok(Some(Incoming::Ping(payload))) => outgoing.set_pong(payload),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close)) => return Input::Closed,
                Err(Violation::TooLarge) => self.session.oversize(turn),
                Err(Violation::NotUtf8) => self.session.not_utf8(turn),
                Err(Violation::Protocol) => return Input::Violated,
            }
            input = Input::Some;
        }
        input
    }

    /// Writes what can be written; false when the connection broke.
    pub(super) fn write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        outgoing: &mut Outgoing,
        shared: &Shared,
        now: Now,
    ) -> bool {
        let mut written = 0;
        let result = outgoing.poll_write(cx, stream, &mut self.outputs.frames, &mut written);
        if written > 0 {
            count(&shared.counters().bytes_out, written as u64);
            let backlog = self.backlog(outgoing);
            let turn = &mut Turn { now, environment: &shared.environment, out: &mut self.outputs };
            self.session.wrote(turn, backlog);
        }
        !matches!(result, Poll::Ready(Err(_)))
    }

    /// Bytes that wait for the client.
    pub(super) fn backlog(&self, outgoing: &Outgoing) -> usize {
        self.outputs.frames.len() + outgoing.len()
    }
}

/// Reads once into this thread's buffer.
pub(super) fn poll_read<S: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    stream: &mut S,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|()| {
            take(buffer.filled());
            buffer.filled().len()
        })
    })
}
