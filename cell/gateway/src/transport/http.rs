//! The HTTP request that opens a WebSocket, and its answer. Pure.

use std::fmt::Write as _;

use cell_protocol::limits::{SUBPROTOCOL, WEBSOCKET_PATH};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::counters::Refusal;

/// Bytes of a request's head: browsers send cookies along, but no more than this by their own limits.
pub(super) const HEAD_LEN_MAX: usize = 8 << 10;

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Bytes to write.
    pub(super) bytes: Vec<u8>,
    /// `None`: what follows is WebSocket.
    pub(super) refusal: Option<Refusal>,
    /// Length of the request's head; what follows it belongs to the WebSocket.
    pub(super) head_len: usize,
}

/// Answers the request whose bytes so far these are; `None` while its head is not complete. `admit` is asked last, for
/// a request that is in order.
pub(super) fn answer(received: &[u8], admit: impl FnOnce() -> Result<(), Refusal>) -> Option<Reply> {
    let Some(head_len) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else {
        return (received.len() > HEAD_LEN_MAX).then(too_large);
    };
    if head_len > HEAD_LEN_MAX {
        return Some(too_large());
    }
    let head = &received[..head_len];
    let result = upgrade(head).and_then(|bytes| match admit() {
        Ok(()) => Ok(bytes),
        Err(refusal) => Err(Status { refusal, ..UNAVAILABLE }),
    });
    Some(match result {
        Ok(bytes) => Reply { bytes, refusal: None, head_len },
        Err(status) => Reply { bytes: status.response(), refusal: Some(status.refusal), head_len },
    })
}

/// An answer other than the upgrade.
struct Status {
    code: u16,
    reason: &'static str,
    headers: &'static str,
    body: &'static str,
    refusal: Refusal,
}

impl Status {
    const fn new(code: u16, reason: &'static str, headers: &'static str, body: &'static str) -> Self {
        Self { code, reason, headers, body, refusal: Refusal::BadRequest }
    }

    fn response(&self) -> Vec<u8> {
        let Self { code, reason, headers, body, .. } = self;
        let mut text = String::new();
        let length = body.len() + 1;
        write!(
            text,
            "HTTP/1.1 {code} {reason}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}\n"
        )
        .expect("writing to memory does not fail");
        text.into_bytes()
    }
}

const BAD_REQUEST: Status = Status::new(400, "Bad Request", "", "not a valid WebSocket upgrade");
const BAD_SUBPROTOCOL: Status = Status::new(400, "Bad Request", "", "this server speaks the subprotocol chat.v1.json");
const NOT_FOUND: Status = Status::new(404, "Not Found", "", "the WebSocket is at /v1/ws");
const BAD_METHOD: Status = Status::new(405, "Method Not Allowed", "Allow: GET\r\n", "a WebSocket is opened by GET");
const NO_UPGRADE: Status = Status::new(
    426,
    "Upgrade Required",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "a WebSocket upgrade (version 13) is required",
);
const HEAD_TOO_LARGE: Status =
    Status::new(431, "Request Header Fields Too Large", "", "the request's head is too large");
const UNAVAILABLE: Status =
    Status::new(503, "Service Unavailable", "Retry-After: 1\r\n", "this replica takes no connections now");

fn too_large() -> Reply {
    Reply { bytes: HEAD_TOO_LARGE.response(), refusal: Some(HEAD_TOO_LARGE.refusal), head_len: 0 }
}

/// The response that makes a WebSocket of the connection, if the request asks well.
fn upgrade(head: &[u8]) -> Result<Vec<u8>, Status> {
    // The library tells neither paths nor methods apart for requests that it does not take.
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(BAD_REQUEST);
    };
    if !version.starts_with(b"HTTP/1.") {
        return Err(BAD_REQUEST);
    }
    if target.split(|byte| *byte == b'?').next() != Some(WEBSOCKET_PATH.as_bytes()) {
        return Err(NOT_FOUND);
    }
    if method != b"GET" {
        return Err(BAD_METHOD);
    }
    let Ok(Some((_, request))) = Request::try_parse(head) else { return Err(BAD_REQUEST) };
    let mut response = create_response(&request).map_err(|error| match error {
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        ) => NO_UPGRADE,
        _ => BAD_REQUEST,
    })?;
    match offers_subprotocol(&request) {
        Some(true) => {
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        }
        Some(false) => return Err(BAD_SUBPROTOCOL),
        // A client that names none gets none named, and is served all the same.
        None => {}
    }
    let mut bytes = Vec::new();
    write_response(&mut bytes, &response).map_err(|_| BAD_REQUEST)?;
    Ok(bytes)
}

/// Whether our subprotocol is among those offered; `None` when none is.
fn offers_subprotocol(request: &Request) -> Option<bool> {
    let mut offers = request.headers().get_all("Sec-WebSocket-Protocol").iter().peekable();
    offers.peek()?;
    Some(offers.any(|offer| {
        offer.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == SUBPROTOCOL.as_bytes())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn request(line: &str, headers: &str) -> Vec<u8> {
        format!("{line}\r\n{headers}\r\n").into_bytes()
    }

    fn status(request: &[u8]) -> u16 {
        let reply = answer(request, || Ok(())).unwrap();
        let text = String::from_utf8(reply.bytes).unwrap();
        assert_eq!(reply.refusal.is_none(), text.starts_with("HTTP/1.1 101"), "{text}");
        text[9..12].parse().unwrap()
    }

    #[test]
    fn a_good_request_is_upgraded_with_the_key_and_the_subprotocol_confirmed() {
        let headers = format!("{HEADERS}Sec-WebSocket-Protocol: other, chat.v1.json\r\n");
        let mut bytes = request("GET /v1/ws?x=1 HTTP/1.1", &headers);
        let head_len = bytes.len();
        bytes.extend_from_slice(b"frames");

        let reply = answer(&bytes, || Ok(())).unwrap();
        assert_eq!((reply.refusal, reply.head_len), (None, head_len));
        let text = String::from_utf8(reply.bytes).unwrap().to_ascii_lowercase();
        assert!(text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{text}");
        assert!(text.contains("sec-websocket-protocol: chat.v1.json"), "{text}");
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn the_subprotocol_may_be_left_out_but_not_be_another() {
        assert_eq!(status(&request("GET /v1/ws HTTP/1.1", HEADERS)), 101);
        assert_eq!(status(&request("GET /v1/ws HTTP/1.1", &format!("{HEADERS}Sec-WebSocket-Protocol: mqtt\r\n"))), 400);
    }

    #[test]
    fn other_paths_methods_and_plain_requests_are_told_what_is_wrong() {
        for (line, headers, expected) in [
            ("GET / HTTP/1.1", HEADERS, 404),
            ("POST /v1/poll HTTP/1.1", "Content-Length: 2\r\n", 404),
            ("POST /v1/ws HTTP/1.1", HEADERS, 405),
            ("GET /v1/ws HTTP/1.1", "Host: x\r\n", 426),
            ("GET /v1/ws HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 426),
            ("GET /v1/ws HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", 400),
            ("GET /v1/ws HTTP/1.0", HEADERS, 400),
            ("GET /v1/ws", HEADERS, 400),
            ("hello", "", 400),
            ("GET /v1/ws HTTP/1.1", "no colon\r\n", 400),
        ] {
            assert_eq!(status(&request(line, headers)), expected, "{line} {headers}");
        }
    }

    #[test]
    fn a_head_is_waited_for_up_to_its_limit() {
        let whole = request("GET /v1/ws HTTP/1.1", HEADERS);
        assert_eq!(answer(&whole[..whole.len() - 1], || Ok(())), None);
        let long = request("GET /v1/ws HTTP/1.1", &format!("{HEADERS}Cookie: {}\r\n", "x".repeat(HEAD_LEN_MAX)));
        assert_eq!(status(&long), 431);
        assert_eq!(status(&vec![b'x'; HEAD_LEN_MAX + 1]), 431);
    }

    #[test]
    fn a_gateway_that_takes_nobody_says_503() {
        let reply = answer(&request("GET /v1/ws HTTP/1.1", HEADERS), || Err(Refusal::Draining)).unwrap();
        assert_eq!(reply.refusal, Some(Refusal::Draining));
        assert!(reply.bytes.starts_with(b"HTTP/1.1 503 "));
    }
}
