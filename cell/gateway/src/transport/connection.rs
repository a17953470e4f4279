//! One client's connection: reads, feeds the session, writes everything that is ready in one go.
//!
//! A hand-written future: nothing is held across a wait but the session and what is half read or half written, so an
//! idle connection takes about a kilobyte. Bytes are read into one buffer per thread.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::http;
use super::outgoing::Outgoing;
use super::talk::{Input, Talk, poll_read};
use crate::counters::{Refusal, count, discount};
use crate::gateway::Shared;
use crate::home::SessionId;
use crate::mailbox::Mailbox;
use crate::session::{Now, Turn};

/// From the TCP connection to the end of the request's head.
const HANDSHAKE_MS: u64 = 5_000;

/// From the decision to close to the end of the connection: for the last bytes to go out and for the client's own
/// close to come in. Closing a socket on unread bytes would destroy what is on its way to the client.
const CLOSING_MS: u64 = 3_000;

/// Bytes that are read and thrown away while closing: what a client had sent before it knew, a few messages.
const DISCARDED_MAX: usize = 4 * cell_protocol::limits::FRAME_LEN_MAX;

/// Reads in a row before other connections get their turn.
const READS_MAX: u32 = 8;

/// RFC 6455: protocol error.
const PROTOCOL_ERROR: (u16, &str) = (1002, "protocol error");

/// A connection's task.
pub(crate) struct Connection<S> {
    stream: S,
    peer: SocketAddr,
    stage: Stage,
    outgoing: Outgoing,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    /// Set once this is a WebSocket; until then it counts as a handshake.
    session: Option<SessionId>,
    /// When the wheel wakes this task; `u64::MAX`: not at all.
    armed_ms: u64,
}

enum Stage {
    /// The bytes of the request's head so far.
    Handshake {
        head: Vec<u8>,
        deadline_ms: u64,
    },
    Open(Box<Talk>),
    /// What is in `outgoing` goes out; what comes in is thrown away.
    Closing {
        deadline_ms: u64,
        is_shut: bool,
        discarded: usize,
    },
    Done,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        count(&shared.counters().handshakes, 1);
        let deadline_ms = shared.now().monotonic_ms + HANDSHAKE_MS;
        Self {
            stream,
            peer,
            stage: Stage::Handshake { head: Vec::new(), deadline_ms },
            outgoing: Outgoing::default(),
            shared,
            mailbox: Arc::default(),
            session: None,
            armed_ms: u64::MAX,
        }
    }

    /// One pass over everything that may have happened. True: there is more to do at once.
    fn step(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        match &self.stage {
            Stage::Handshake { .. } => self.shake_hands(cx, now),
            Stage::Open(_) => self.talk(cx, now),
            Stage::Closing { .. } => self.finish(cx, now),
            Stage::Done => false,
        }
    }

    fn shake_hands(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Stage::Handshake { head, deadline_ms } = &mut self.stage else { return false };
        if *deadline_ms <= now.monotonic_ms {
            return self.refused(Refusal::TimedOut);
        }
        let read = match poll_read(cx, &mut self.stream, |bytes| head.extend_from_slice(bytes)) {
            Poll::Pending => return false,
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(_)) => 0,
        };
        if read == 0 {
            return self.refused(Refusal::Gone);
        }
        count(&self.shared.counters().bytes_in, read as u64);
        let Some(reply) = http::answer(head, || self.shared.admits()) else { return true };
        self.outgoing.push_raw(&reply.bytes);
        if let Some(refusal) = reply.refusal {
            self.refused(refusal);
            self.stage = closing(now);
            return true;
        }
        let id = self.shared.enter(&self.mailbox);
        let talk = Talk::new(id, now, &head[reply.head_len..]);
        self.session = Some(id);
        let counters = self.shared.counters();
        discount(&counters.handshakes);
        count(&counters.connections, 1);
        count(&counters.accepted, 1);
        tracing::debug!(session = id.0, peer = %self.peer, "connection opened");
        self.stage = Stage::Open(Box::new(talk));
        true
    }

    /// The connection does not become a WebSocket.
    fn refused(&mut self, refusal: Refusal) -> bool {
        self.shared.counters().refusal(refusal);
        tracing::debug!(peer = %self.peer, ?refusal, "handshake refused");
        self.stage = Stage::Done;
        false
    }

    fn talk(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Stage::Open(talk) = &mut self.stage else { return false };
        let shared = &*self.shared;
        talk.hear(self.mailbox.take(), shared, now);
        let (input, wanted) = talk.read(cx, &mut self.stream, &mut self.outgoing, shared, now);
        talk.tell_homes(shared);
        match input {
            Input::Gone => return self.end_talk(now, None, false),
            Input::Closed => return self.end_talk(now, None, true),
            Input::Violated => return self.end_talk(now, Some(PROTOCOL_ERROR), true),
            Input::Some | Input::None => {}
        }
        if let Some(code) = talk.outputs.close {
            return self.end_talk(now, Some((code.code(), code.reason())), true);
        }
        if !talk.write(cx, &mut self.stream, &mut self.outgoing, shared, now) {
            return self.end_talk(now, None, false);
        }
        talk.tell_homes(shared);
        // More to read, perhaps because what was written made room for it.
        matches!(input, Input::Some) || (!wanted && talk.session.wants_input(talk.backlog(&self.outgoing)))
    }

    /// The session is over; its client is told by a close frame if it can still be reached.
    fn end_talk(&mut self, now: Now, code: Option<(u16, &str)>, is_reachable: bool) -> bool {
        let Stage::Open(talk) = &mut self.stage else { return false };
        let turn = &mut Turn { now, environment: &self.shared.environment, out: &mut talk.outputs };
        talk.session.gone(turn);
        talk.tell_homes(&self.shared);
        let mut lines = std::mem::take(&mut talk.outputs.frames);
        self.shared.counters().close(talk.outputs.close);
        tracing::debug!(session = ?self.session, code = code.map(|(code, _)| code), "connection closed");
        self.stage = Stage::Done;
        if is_reachable {
            self.outgoing.push_close(&mut lines, code);
            self.stage = closing(now);
        }
        is_reachable
    }

    fn finish(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Stage::Closing { deadline_ms, is_shut, discarded } = &mut self.stage else { return false };
        drop(self.mailbox.take());
        let mut written = 0;
        let mut is_over = *deadline_ms <= now.monotonic_ms;
        if !*is_shut {
            match self.outgoing.poll_write(cx, &mut self.stream, &mut Vec::new(), &mut written) {
                Poll::Pending => {}
                Poll::Ready(Err(_)) => is_over = true,
                Poll::Ready(Ok(())) => match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => *is_shut = true,
                    Poll::Ready(Err(_)) => is_over = true,
                },
            }
            count(&self.shared.counters().bytes_out, written as u64);
        }
        let mut has_more = false;
        if *discarded < DISCARDED_MAX {
            match poll_read(cx, &mut self.stream, |_| {}) {
                Poll::Pending => {}
                Poll::Ready(Ok(read)) if read > 0 => {
                    *discarded += read;
                    has_more = true;
                }
                Poll::Ready(_) => is_over = true,
            }
        } else {
            is_over |= *is_shut;
        }
        if is_over {
            self.stage = Stage::Done;
        }
        has_more && !is_over
    }

    /// Sees to it that this task is polled at its next deadline.
    fn arm(&mut self, now: Now) {
        let next = match &self.stage {
            Stage::Handshake { deadline_ms, .. } | Stage::Closing { deadline_ms, .. } => Some(*deadline_ms),
            Stage::Open(talk) => talk.session.next_wake_ms(now),
            Stage::Done => None,
        };
        if self.armed_ms <= now.monotonic_ms {
            self.armed_ms = u64::MAX;
        }
        if let Some(next) = next.filter(|next| *next < self.armed_ms) {
            self.armed_ms = self.shared.wheel.arm(next, &self.mailbox);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox.register(cx.waker());
        let now = self.shared.now();
        let mut steps = 0;
        while self.step(cx, now) {
            steps += 1;
            if steps == READS_MAX {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if matches!(self.stage, Stage::Done) {
            return Poll::Ready(());
        }
        self.arm(now);
        Poll::Pending
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let counters = self.shared.counters();
        match self.session {
            None => discount(&counters.handshakes),
            Some(id) => {
                discount(&counters.connections);
                self.shared.leave(id);
            }
        }
    }
}

fn closing(now: Now) -> Stage {
    Stage::Closing { deadline_ms: now.monotonic_ms + CLOSING_MS, is_shut: false, discarded: 0 }
}
