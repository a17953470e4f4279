//! WebSocket frames (RFC 6455) of a client: from bytes to messages. Pure.
//!
//! Our own rather than the library's, because it keeps no buffer between messages: an idle connection holds nothing,
//! and one that was sent something large once does not hold on to it. The library still reads the headers.

use std::io::Cursor;

use cell_protocol::limits::FRAME_LEN_MAX;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// A control frame's payload (RFC 6455, 5.5).
const CONTROL_LEN_MAX: usize = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Text(String),
    Binary,
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Why the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("a message past the limit")]
    TooLarge,
    #[error("text that is not UTF-8")]
    NotUtf8,
    #[error("against RFC 6455")]
    Protocol,
}

/// Puts messages together. Holds at most one message's bytes and what was pushed since.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Bytes from `consumed` on are not yet looked at.
    buffer: Vec<u8>,
    consumed: usize,
    /// The fragments so far of a message that is not complete.
    message: Option<Message>,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    payload: Vec<u8>,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, once it is complete. After an error there is none.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        while let Some((opcode, is_final, payload)) = self.frame()? {
            let incoming = match opcode {
                OpCode::Control(control) => Some(match control {
                    Control::Ping => Incoming::Ping(payload),
                    Control::Pong => Incoming::Pong,
                    Control::Close if payload.len() == 1 => return Err(Violation::Protocol),
                    Control::Close => Incoming::Close,
                    Control::Reserved(_) => return Err(Violation::Protocol),
                }),
                OpCode::Data(data) => self.data(data, is_final, payload)?,
            };
            if incoming.is_some() {
                return Ok(incoming);
            }
        }
        // What is left is the start of a frame; an idle connection has none, and keeps no memory.
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        Ok(None)
    }

    fn data(&mut self, data: Data, is_final: bool, payload: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        let message = match (data, self.message.take()) {
            (Data::Text, None) => Message { is_text: true, payload },
            (Data::Binary, None) => Message { is_text: false, payload },
            (Data::Continue, Some(mut message)) => {
                message.payload.extend_from_slice(&payload);
                message
            }
            _ => return Err(Violation::Protocol),
        };
        if !is_final {
            self.message = Some(message);
            return Ok(None);
        }
        if !message.is_text {
            return Ok(Some(Incoming::Binary));
        }
        String::from_utf8(message.payload).map(|text| Some(Incoming::Text(text))).map_err(|_| Violation::NotUtf8)
    }

    /// The next frame with its payload unmasked, once it is complete.
    fn frame(&mut self) -> Result<Option<(OpCode, bool, Vec<u8>)>, Violation> {
        let unread = &self.buffer[self.consumed..];
        let mut cursor = Cursor::new(unread);
        let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)? else {
            return Ok(None);
        };
        let FrameHeader { is_final, opcode, mask, rsv1, rsv2, rsv3 } = header;
        let is_control = matches!(opcode, OpCode::Control(_));
        // Refused by its header: what it announces is never waited for.
        if rsv1 || rsv2 || rsv3 || is_control && (!is_final || len > CONTROL_LEN_MAX as u64) {
            return Err(Violation::Protocol);
        }
        let Some(mask) = mask else { return Err(Violation::Protocol) };
        let before = if is_control { 0 } else { self.message.as_ref().map_or(0, |message| message.payload.len()) };
        let len = usize::try_from(len).ok().filter(|len| *len <= FRAME_LEN_MAX - before).ok_or(Violation::TooLarge)?;
        let start = usize::try_from(cursor.position()).expect("a position in a buffer");
        let Some(masked) = unread.get(start..start + len) else { return Ok(None) };
        let payload = unmask(masked, mask);
        self.consumed += start + len;
        Ok(Some((opcode, is_final, payload)))
    }
}

fn unmask(masked: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut payload = masked.to_vec();
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        let value = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]) ^ u32::from_ne_bytes(mask);
        word.copy_from_slice(&value.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;

    use super::*;

    const TEXT: OpCode = OpCode::Data(Data::Text);
    const BINARY: OpCode = OpCode::Data(Data::Binary);
    const CONTINUE: OpCode = OpCode::Data(Data::Continue);
    const PING: OpCode = OpCode::Control(Control::Ping);

    fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader { is_final, opcode, mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).unwrap();
        bytes
    }

    fn decode(bytes: &[u8]) -> (Vec<Incoming>, Option<Violation>) {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        let mut messages = Vec::new();
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }

    #[test]
    fn control_frames_may_come_between_fragments() {
        let bytes = [
            frame(TEXT, false, b"hel"),
            frame(PING, true, b"x"),
            frame(CONTINUE, false, b""),
            frame(CONTINUE, true, b"lo"),
            frame(OpCode::Control(Control::Pong), true, b""),
            frame(BINARY, true, b"\xff"),
            frame(OpCode::Control(Control::Close), true, &[3, 232]),
        ]
        .concat();
        let messages = [
            Incoming::Ping(b"x".to_vec()),
            Incoming::Text("hello".into()),
            Incoming::Pong,
            Incoming::Binary,
            Incoming::Close,
        ];
        assert_eq!(decode(&bytes), (messages.into(), None));
    }

    #[test]
    fn a_message_is_measured_whole_fragments_together() {
        let most = vec![b'x'; FRAME_LEN_MAX];
        assert_eq!(decode(&frame(TEXT, true, &most)).0.len(), 1);
        let parts = [frame(TEXT, false, &most[1..]), frame(CONTINUE, true, b"x")].concat();
        assert_eq!(decode(&parts).0.len(), 1);

        let over = [frame(TEXT, false, &most), frame(CONTINUE, true, b"x")].concat();
        assert_eq!(decode(&over).1, Some(Violation::TooLarge));
        // Only the header has come.
        assert_eq!(decode(&frame(TEXT, true, &[b'x'; FRAME_LEN_MAX + 1])[..14]).1, Some(Violation::TooLarge));
        assert_eq!(decode(&frame(BINARY, true, &[b'x'; FRAME_LEN_MAX + 1])[..14]).1, Some(Violation::TooLarge));
    }

    #[test]
    fn text_must_be_utf8_as_a_whole_message() {
        let euro = "€".as_bytes();
        let parts = [frame(TEXT, false, &euro[..1]), frame(CONTINUE, true, &euro[1..])].concat();
        assert_eq!(decode(&parts).0, [Incoming::Text("€".into())]);
        assert_eq!(decode(&frame(TEXT, true, &euro[..1])).1, Some(Violation::NotUtf8));
    }

    #[test]
    fn what_rfc_6455_forbids_ends_the_connection() {
        let mut reserved = frame(TEXT, true, b"x");
        reserved[0] |= 0x40;
        let mut unknown = frame(TEXT, true, b"x");
        unknown[0] |= 0x03;
        for bytes in [
            b"\x81\x01x".to_vec(), // not masked
            reserved,
            unknown,
            frame(CONTINUE, true, b"x"),
            [frame(TEXT, false, b"x"), frame(TEXT, true, b"x")].concat(),
            frame(PING, false, b""),
            frame(PING, true, &[0; 126]),
            frame(OpCode::Control(Control::Close), true, &[3]),
        ] {
            assert_eq!(decode(&bytes), (Vec::new(), Some(Violation::Protocol)), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_kept_between_messages() {
        let mut decoder = Decoder::default();
        decoder.push(&frame(TEXT, true, &[b'x'; 100_000]));
        while decoder.next().unwrap().is_some() {}
        assert_eq!(decoder.buffer.capacity(), 0);
        assert!(decoder.message.is_none());
    }

    proptest! {
        #[test]
        fn bytes_may_come_in_any_pieces(payloads in proptest::collection::vec(".{0,300}", 1..5), cut in 1usize..64) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|text| frame(TEXT, true, text.as_bytes())).collect();
            let mut decoder = Decoder::default();
            let mut texts = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(message) = decoder.next().unwrap() {
                    texts.push(message);
                }
            }
            prop_assert_eq!(texts, payloads.into_iter().map(Incoming::Text).collect::<Vec<_>>());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes);
        }
    }
}
