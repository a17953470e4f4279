//! Bytes on their way to a client: JSON lines joined into WebSocket messages, many to a write.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Lines are joined into one text message up to this many bytes: clients parse a message as a whole.
const MESSAGE_LEN_MAX: usize = 64 << 10;

/// Bytes that are framed ahead of the socket: enough for one write to fill any send buffer.
const WIRE_LEN_MAX: usize = 256 << 10;

/// A buffer that is empty and larger than this is given back; a heartbeat fits.
const IDLE_CAPACITY_MAX: usize = 128;

/// The framed bytes, and a pong that waits for its turn.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    wire: Vec<u8>,
    /// Bytes of `wire` before this are written.
    written: usize,
    /// Only the answer to the latest ping is owed (RFC 6455, 5.5.3), so a flood of pings costs nothing.
    pong: Option<Vec<u8>>,
}

impl Outgoing {
    /// Bytes not yet written.
    pub(super) fn len(&self) -> usize {
        self.wire.len() - self.written
    }

    pub(super) fn set_pong(&mut self, payload: Vec<u8>) {
        self.pong = Some(payload);
    }

    /// Bytes as they are, before anything is framed.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
    }

    /// Frames all that is left of `lines`, then a close frame: nothing comes after it.
    pub(super) fn push_close(&mut self, lines: &mut Vec<u8>, code: Option<(u16, &str)>) {
        while self.push_message(lines) {}
        let mut payload = Vec::new();
        if let Some((code, reason)) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.pong = None;
        self.push_frame(OpCode::Control(Control::Close), &payload);
    }

    /// Writes until the socket takes no more (`Pending`) or there is nothing left (`Ready`). `lines` are framed as
    /// they are due; those that stay are the session's to count. Adds to `count` what was written.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        lines: &mut Vec<u8>,
        count: &mut usize,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.len() == 0 {
                self.refill(lines);
                if self.wire.is_empty() {
                    return Pin::new(stream).poll_flush(cx);
                }
            }
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &self.wire[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            *count += written;
        }
    }

    fn refill(&mut self, lines: &mut Vec<u8>) {
        self.wire.clear();
        self.written = 0;
        if let Some(payload) = self.pong.take() {
            self.push_frame(OpCode::Control(Control::Pong), &payload);
        }
        while self.wire.len() < WIRE_LEN_MAX && self.push_message(lines) {}
        if self.wire.is_empty() && self.wire.capacity() > IDLE_CAPACITY_MAX {
            self.wire = Vec::new();
        }
    }

    /// Takes whole lines off the front of `lines` as one message; false when there are none.
    fn push_message(&mut self, lines: &mut Vec<u8>) -> bool {
        if lines.is_empty() {
            return false;
        }
        let end = message_end(lines);
        // The last line feed separates nothing.
        self.push_frame(OpCode::Data(Data::Text), &lines[..end - 1]);
        if end < lines.len() {
            lines.drain(..end);
        } else if lines.capacity() > IDLE_CAPACITY_MAX {
            *lines = Vec::new();
        } else {
            lines.clear();
        }
        true
    }

    fn push_frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut self.wire).expect("writing to memory does not fail");
        self.wire.extend_from_slice(payload);
    }
}

/// Where the lines end that fit into one message; at least one line does, however long it is.
fn message_end(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    if lines.len() <= MESSAGE_LEN_MAX {
        return lines.len();
    }
    let fitting = lines[..MESSAGE_LEN_MAX].iter().rposition(is_end);
    fitting.or_else(|| lines.iter().position(is_end)).map_or(lines.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_the_last_line_that_fits_and_holds_at_least_one() {
        assert_eq!(message_end(b"{}\n{}\n"), 6);
        let long = [vec![b'x'; MESSAGE_LEN_MAX], b"\n{}\n".to_vec()].concat();
        assert_eq!(message_end(&long), MESSAGE_LEN_MAX + 1);
        let many = b"0123456789\n".repeat(MESSAGE_LEN_MAX);
        let end = message_end(&many);
        assert!(end <= MESSAGE_LEN_MAX && end > MESSAGE_LEN_MAX - 11 && many[end - 1] == b'\n');
    }

    #[test]
    fn lines_leave_whole_and_in_order() {
        let mut lines = b"{\"a\":1}\n{\"b\":2}\n".to_vec();
        let mut outgoing = Outgoing::default();
        assert!(outgoing.push_message(&mut lines));
        assert!(!outgoing.push_message(&mut lines));
        assert_eq!(outgoing.wire, b"\x81\x0f{\"a\":1}\n{\"b\":2}");
    }
}
