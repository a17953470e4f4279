//! What goes out: queries, sends, acks and signs of life, several frames to a message.

use cell_protocol::{ClientFrame, ClientMessage, Command, write_client};
use cell_types::Useq;

use super::io::{Now, Output};
use super::link::{ACK_BATCH_LEN, ACK_DELAY_MAX, Asked, Link, Phase};
use super::{Session, State};
use crate::error::SendFailure;
use crate::store::Record;

/// Bytes of a message that collects several frames: one segment's worth or a few, and far below every frame limit.
const MESSAGE_LEN: usize = 16 * 1024;

/// Room for `"a":<u64>` in a frame.
const ACK_FIELD_LEN: usize = 32;

impl Session {
    /// Everything that can go out now, as text messages. What must be kept before is in `records`.
    pub(super) fn flush(&mut self, now: Now) -> Vec<String> {
        let mut frames = Vec::new();
        self.flush_queries(now, &mut frames);
        self.flush_sends(now, &mut frames);
        self.save_sends();
        self.flush_ack(now, &mut frames);
        self.save_cursor(frames.iter().any(|frame| frame.ack.is_some()));
        match &mut self.state {
            State::Open(link) if !frames.is_empty() => {
                link.said = now.elapsed;
                Self::join(&frames, MESSAGE_LEN.min(frame_limit(link)))
            }
            _ => Vec::new(),
        }
    }

    fn flush_queries(&mut self, now: Now, frames: &mut Vec<ClientFrame>) {
        let State::Open(link) = &mut self.state else { return };
        while link.is_welcome() && link.room() > 0 {
            let Some((request, command)) = self.queries.next() else { return };
            let id = link.ask(Asked::Query(request), now.elapsed);
            frames.push(ClientFrame { ack: None, message: ClientMessage::Command { id, command } });
        }
    }

    fn flush_sends(&mut self, now: Now, frames: &mut Vec<ClientFrame>) {
        let mut too_large = Vec::new();
        match &mut self.state {
            // Sends wait for `live`, so that what is unanswered goes first.
            State::Open(link) if link.phase == Phase::Live => {
                let limit = frame_limit(link).saturating_sub(ACK_FIELD_LEN);
                for outgoing in self.sends.next_batch(now, link.room_for_sends(), &mut self.records) {
                    let mid = outgoing.send.mid;
                    let command = Command::Send {
                        to: outgoing.send.to.into(),
                        mid,
                        body: outgoing.send.body,
                        after: outgoing.after,
                    };
                    let id = link.ask(Asked::Send(mid), now.elapsed);
                    let frame = ClientFrame { ack: None, message: ClientMessage::Command { id, command } };
                    // The server would close the connection for good.
                    if Self::write(&frame).len() > limit {
                        link.answered(id);
                        too_large.push(mid);
                    } else {
                        frames.push(frame);
                    }
                }
            }
            _ => return,
        }
        for mid in too_large {
            if let Some(entry) = self.sends.remove(mid) {
                self.fail(entry, SendFailure::TooLarge);
            }
        }
    }

    /// New sends go to the store, with the fact that they go out now where they do.
    fn save_sends(&mut self) {
        let unsaved = self.sends.unsaved();
        let mut in_outbox = Vec::new();
        for (send, request) in unsaved {
            in_outbox.extend(request.map(|request| Output::InOutbox { request, mid: send.mid }));
            self.records.push(Record::Send(send));
        }
        // Before any answer to them.
        self.outputs.splice(..0, in_outbox);
    }

    /// Acks ride on other frames; alone they go when many are due, or one for long.
    fn flush_ack(&mut self, now: Now, frames: &mut Vec<ClientFrame>) {
        let cursor = self.position.resume().map(|cursor| cursor.useq);
        let State::Open(link) = &mut self.state else { return };
        if !link.is_welcome() {
            return;
        }
        let ack = due_ack(link, cursor);
        let is_keepalive_due = link.keepalive_at() <= now.elapsed;
        if ack.is_none() {
            link.ack_due = None;
        }
        if let Some(ack) = ack {
            let due = *link.ack_due.get_or_insert(now.elapsed + ACK_DELAY_MAX);
            if frames.is_empty() && (due <= now.elapsed || ack.get() - link.acked.get() >= ACK_BATCH_LEN) {
                frames.push(ClientFrame { ack: None, message: ClientMessage::Ack });
            }
        }
        if frames.is_empty() && is_keepalive_due {
            frames.push(ClientFrame { ack: None, message: ClientMessage::KeepAlive });
        }
        if let (Some(ack), Some(frame)) = (ack, frames.first_mut()) {
            frame.ack = Some(ack);
            (link.acked, link.ack_due) = (ack, None);
        }
    }

    /// The ack that is due when the application closes the session.
    pub(super) fn final_ack(&mut self, now: Now) -> Option<String> {
        self.save_cursor(true);
        let cursor = self.position.resume().map(|cursor| cursor.useq);
        let State::Open(link) = &mut self.state else { return None };
        let ack = due_ack(link, cursor).filter(|_| link.is_welcome())?;
        (link.acked, link.said) = (ack, now.elapsed);
        Some(Self::write(&ClientFrame { ack: Some(ack), message: ClientMessage::Ack }))
    }

    /// The cursor goes to the store before the server may trim what is below it.
    fn save_cursor(&mut self, is_acked: bool) {
        if !self.config.keep_cursor || !is_acked {
            return;
        }
        if let Some(taken) = self.position.taken() {
            self.records.push(Record::Cursor(taken.clone()));
        }
    }

    pub(super) fn write(frame: &ClientFrame) -> String {
        let mut line = Vec::new();
        write_client(frame, &mut line);
        String::from_utf8(line).expect("frames are JSON, which is UTF-8")
    }

    fn join(frames: &[ClientFrame], len_max: usize) -> Vec<String> {
        let mut messages: Vec<String> = Vec::new();
        for frame in frames {
            let line = Self::write(frame);
            match messages.last_mut() {
                Some(message) if message.len() + 1 + line.len() <= len_max => {
                    message.push('\n');
                    message.push_str(&line);
                }
                _ => messages.push(line),
            }
        }
        messages
    }
}

/// What is taken and not acked, as far as this connection may ack.
fn due_ack(link: &Link, cursor: Option<Useq>) -> Option<Useq> {
    // Entries of an earlier connection count only once this one has sent them again.
    cursor.map(|cursor| cursor.min(link.received)).filter(|ack| *ack > link.acked)
}

fn frame_limit(link: &Link) -> usize {
    usize::try_from(link.limits.frame).unwrap_or(usize::MAX)
}
