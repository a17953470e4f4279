//! One connection of a device: reads all that is there, then writes all that is due in one WebSocket message.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Message;

use super::device::Device;
use super::lines;
use super::shared::{Phase, lock};
use crate::clock::{MILLI, Nanos, SECOND};
use crate::net::Connection;

/// WebSocket messages handled before it is written again: a flood must not keep acks from going out.
const READS_MAX: usize = 64;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    RunOver,
    /// We left, as `goaway` asked.
    Left,
    /// The server said nothing for too long.
    Silent,
    /// The socket failed.
    Broken,
    Closed(u16),
}

/// A connection's state.
#[derive(Debug)]
pub(super) struct Link {
    /// Held until live: the server opens so many sessions at a time.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) is_live: bool,
    pub(super) ep: String,
    /// The head that `welcome` promised.
    pub(super) head: u64,
    pub(super) offered_resume: bool,
    pub(super) heartbeat: Nanos,
    pub(super) inflight_max: usize,
    /// `goaway`: when to go.
    pub(super) leaves_at: Option<Nanos>,
    pub(super) heard_at: Nanos,
    pub(super) wrote_at: Nanos,
    pub(super) pinged: bool,
    /// Written, and not yet taken by the socket.
    is_dirty: bool,
    /// More is due than one WebSocket message holds.
    pub(super) has_more: bool,
}

impl Link {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self {
            permit: Some(permit),
            is_live: false,
            ep: String::new(),
            head: 0,
            offered_resume: false,
            heartbeat: 25 * SECOND,
            inflight_max: 1,
            leaves_at: None,
            heard_at: 0,
            wrote_at: 0,
            pinged: false,
            is_dirty: false,
            has_more: false,
        }
    }

    /// Until the connection or the run ends.
    pub(super) async fn hold(
        mut self,
        device: &mut Device,
        mut connection: Connection,
        phase: &mut watch::Receiver<Phase>,
    ) -> End {
        let clock = device.shared.clock;
        self.heard_at = clock.now();
        self.hello(device);
        let mut armed = self.heard_at;
        let mut timer = pin!(sleep_until(clock.at(armed)));
        let end = loop {
            let now = clock.now();
            let current = *phase.borrow_and_update();
            if let Some(end) = self.verdict(device, current, now) {
                break end;
            }
            if !self.is_dirty {
                self.fill(device, current, now);
                if !device.out.is_empty() {
                    self.wrote_at = now;
                    let text = String::from_utf8(std::mem::take(&mut device.out)).expect("lines are written as UTF-8");
                    if connection.start_send_unpin(Message::text(text)).is_err() {
                        break End::Broken;
                    }
                    self.is_dirty = true;
                }
            }
            let wakes_at = self.wakes_at(device, current, now);
            if wakes_at < armed || armed <= now {
                armed = wakes_at.max(now + MILLI / 10);
                timer.as_mut().reset(clock.at(armed));
            }
            tokio::select! {
                biased;
                end = poll_fn(|cx| self.poll(device, &mut connection, cx)) => if let Some(end) = end {
                    break end;
                },
                () = &mut timer => {}
                changed = phase.changed() => if changed.is_err() {
                    break End::RunOver;
                },
            }
        };
        if self.is_live {
            device.shared.stats().live -= 1;
        }
        if end == End::RunOver {
            // The run is over: whether the goodbye arrives changes nothing.
            drop(connection.close(None).await);
        }
        end
    }

    fn hello(&mut self, device: &mut Device) {
        let mut pair = lock(&device.pair);
        let mailbox = pair.mailbox_mut(device.index);
        self.offered_resume = mailbox.cursor().is_some();
        // A resume acks.
        if self.offered_resume {
            mailbox.ack();
        }
        let token = device.resume_token.clone().filter(|_| self.offered_resume);
        let token = token.unwrap_or_else(|| device.shared.config.target.token(&device.user));
        lines::hello(&device.name, token, mailbox.cursor(), &mut device.out);
    }

    /// Reads what is there. `Some(end)` when the connection ended, `None` when something may have to be written.
    fn poll(&mut self, device: &mut Device, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let mut handled = 0;
        if self.is_dirty {
            match connection.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => {
                    self.is_dirty = false;
                    handled += usize::from(self.has_more);
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Some(End::Broken)),
                // What comes due meanwhile is written when the socket has room.
                Poll::Pending => self.has_more = true,
            }
        }
        while handled < READS_MAX {
            match connection.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    let now = device.shared.clock.now();
                    self.heard_at = now;
                    self.pinged = false;
                    self.take(device, text.as_str(), now);
                    handled += 1;
                }
                Poll::Ready(Some(Ok(Message::Close(close)))) => {
                    let code = close.map_or(1005, |close| close.code.into());
                    return Poll::Ready(Some(End::Closed(code)));
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Some(End::Broken)),
                Poll::Pending if handled == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(None)
    }

    /// Whether this connection is to end now.
    fn verdict(&self, device: &Device, phase: Phase, now: Nanos) -> Option<End> {
        let limit = device.shared.config.answer_limit_ms * MILLI;
        if phase == Phase::End {
            return Some(End::RunOver);
        }
        if self.leaves_at.is_some_and(|at| now >= at) {
            return Some(End::Left);
        }
        let oldest = device.sender.as_ref().and_then(|sender| sender.outbox.oldest_sent());
        let waits = oldest.is_some_and(|sent| now >= sent + limit);
        (waits || now >= self.heard_at + self.silence_max(limit)).then_some(End::Silent)
    }

    /// An open session says something at each of our pings; half of the limit passes before the ping.
    pub(super) fn silence_max(&self, limit: Nanos) -> Nanos {
        if self.is_live { limit * 2 } else { limit }
    }
}
