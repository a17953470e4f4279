//! The lines that a device writes, without a tree in between.

use std::io::Write as _;

use cell_protocol::limits::VERSION;
use cell_protocol::{ClientFrame, ClientMessage, Hello, Resume, write_client};
use cell_types::Useq;

use crate::cast::{Cast, Side};
use crate::check::Cursor;

/// Ids of sends are their numbers; those of pings lie above.
pub(super) const PING_ID: u32 = u32::MAX;

const IN_MEMORY: &str = "writing to memory does not fail";

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum To<'a> {
    User(&'a str),
    Conversation(&'a str),
}

/// A message on its way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Send<'a> {
    pub(super) pair: u32,
    pub(super) from: Side,
    pub(super) number: u32,
    pub(super) body_len: usize,
    pub(super) to: To<'a>,
    /// Whether the one before is still unanswered: then this one says that it comes after it.
    pub(super) is_pipelined: bool,
}

fn line(out: &mut Vec<u8>) -> &mut Vec<u8> {
    if !out.is_empty() {
        out.push(b'\n');
    }
    out
}

pub(super) fn hello(device: &str, token: String, cursor: Option<&Cursor>, out: &mut Vec<u8>) {
    let device = device.parse().expect("device names here are letters and digits");
    let resume = cursor.map(|cursor| Resume { ep: cursor.ep.clone(), useq: Useq::new(cursor.useq) });
    let hello = Hello { version: VERSION, device, token, resume };
    write_client(&ClientFrame { ack: None, message: ClientMessage::Hello(hello) }, line(out));
}

pub(super) fn send(cast: &Cast, send: &Send<'_>, out: &mut Vec<u8>) {
    let out = line(out);
    let Send { pair, from, number, body_len, to, is_pipelined } = *send;
    match to {
        To::User(user) => write!(out, r#"{{"t":"send","id":{number},"to":{{"user":"{user}"}},"mid":""#),
        To::Conversation(id) => write!(out, r#"{{"t":"send","id":{number},"to":{{"conv":"{id}"}},"mid":""#),
    }
    .expect(IN_MEMORY);
    cast.write_mid(pair, from, number, out);
    out.extend_from_slice(b"\",\"body\":");
    cast.write_body(pair, from, number, body_len, out);
    if is_pipelined {
        out.extend_from_slice(b",\"after\":\"");
        cast.write_mid(pair, from, number - 1, out);
        out.push(b'"');
    }
    out.push(b'}');
}

pub(super) fn ack(useq: u64, out: &mut Vec<u8>) {
    write!(line(out), r#"{{"t":"ack","u":{useq}}}"#).expect(IN_MEMORY);
}

pub(super) fn ping(out: &mut Vec<u8>) {
    write!(line(out), r#"{{"t":"ping","id":{PING_ID}}}"#).expect(IN_MEMORY);
}

#[cfg(test)]
mod tests {
    use cell_protocol::{Command, Target, parse_client};

    use super::*;

    #[test]
    fn every_line_is_what_the_protocol_says() {
        let cast = Cast::new("r");
        let mut out = Vec::new();
        let cursor = Cursor { ep: "k1".into(), useq: 7 };
        hello("d0", "token".into(), Some(&cursor), &mut out);
        let first = Send { pair: 1, from: Side::A, number: 4, body_len: 100, to: To::User("r-1b"), is_pipelined: true };
        send(&cast, &first, &mut out);
        send(&cast, &Send { number: 5, to: To::Conversation("c"), is_pipelined: false, ..first }, &mut out);
        ack(9, &mut out);
        ping(&mut out);

        let text = String::from_utf8(out).unwrap();
        let frames: Vec<_> = text.lines().map(|line| parse_client(line).unwrap()).collect();
        assert_eq!(frames.len(), 5);
        assert!(matches!(&frames[0].message, ClientMessage::Hello(hello) if hello.resume.is_some()));
        let command = |i: usize| match &frames[i].message {
            ClientMessage::Command { id, command: Command::Send { to, after, .. } } => {
                (*id, to.clone(), after.is_some())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(command(1), (4, Target::User("r-1b".parse().unwrap()), true));
        assert!(matches!(command(2), (5, Target::Conversation(_), false)));
        assert_eq!(frames[3].ack, Some(Useq::new(9)));
        assert!(matches!(frames[4].message, ClientMessage::Command { command: Command::Ping, .. }));
    }
}
