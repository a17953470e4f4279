//! The golden vectors in `golden/`, which clients in other languages share.

use std::path::Path;

use cell_protocol::{
    CloseCode, ErrorCode, ParseError, ParseErrorKind, parse_client, parse_server, write_client, write_server,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valid {
    name: String,
    frame: String,
    canonical: Option<String>,
    fill: Option<usize>,
}

impl Valid {
    fn frame(&self) -> String {
        filled(&self.frame, self.fill, None)
    }

    fn canonical(&self) -> String {
        self.canonical.as_ref().map_or_else(|| self.frame(), |canonical| filled(canonical, self.fill, None))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    name: String,
    frame: String,
    verdict: Option<Verdict>,
    id: Option<u32>,
    ack: Option<u64>,
    #[serde(default)]
    hello: bool,
    fill: Option<usize>,
    fill_with: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Malformed,
    BadRequest,
    UnknownCommand,
    TooLarge,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ErrorLine {
    name: String,
    code: u16,
    temp: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct CloseLine {
    code: u16,
    reason: String,
}

fn read<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn filled(text: &str, fill: Option<usize>, with: Option<&str>) -> String {
    match fill {
        Some(times) => text.replacen('@', &with.unwrap_or("x").repeat(times), 1),
        None => text.to_owned(),
    }
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("frames are UTF-8")
}

#[test]
fn what_clients_say_is_understood_as_written_down() {
    for line in read::<Valid>("client_valid.jsonl") {
        let frame = parse_client(&line.frame()).unwrap_or_else(|error| panic!("{}: {error}", line.name));
        let mut out = Vec::new();
        write_client(&frame, &mut out);
        assert_eq!(text(out), line.canonical(), "{}", line.name);
    }
}

#[test]
fn what_clients_must_not_say_is_refused_with_the_verdict_written_down() {
    for line in read::<Invalid>("client_invalid.jsonl") {
        let frame = filled(&line.frame, line.fill, line.fill_with.as_deref());
        let Err(ParseError { kind, id, ack, hello, message }) = parse_client(&frame) else {
            panic!("{}: not refused", line.name);
        };
        let expected = match line.verdict.expect("every line of this file has a verdict") {
            Verdict::Malformed => ParseErrorKind::Malformed,
            Verdict::BadRequest => ParseErrorKind::BadRequest,
            Verdict::UnknownCommand => ParseErrorKind::UnknownCommand,
            Verdict::TooLarge => ParseErrorKind::TooLarge,
        };
        let ack = ack.map(|ack| ack.get());
        assert_eq!((kind, id, ack, hello), (expected, line.id, line.ack, line.hello), "{}: {message}", line.name);
    }
}

#[test]
fn what_servers_say_is_understood_as_written_down() {
    for line in read::<Valid>("server_valid.jsonl") {
        let frame = parse_server(&line.frame()).unwrap_or_else(|error| panic!("{}: {error:?}", line.name));
        let mut out = Vec::new();
        write_server(&frame, &mut out);
        assert_eq!(text(out), line.canonical(), "{}", line.name);
    }
}

#[test]
fn what_no_server_says_is_an_error_to_a_client() {
    for line in read::<Invalid>("server_invalid.jsonl") {
        assert!(parse_server(&line.frame).is_err(), "{}", line.name);
    }
}

#[test]
fn the_list_of_errors_is_closed() {
    let ours = ErrorCode::ALL.map(|error| ErrorLine {
        name: error.name().to_owned(),
        code: error.code(),
        temp: error.is_temporary(),
    });
    assert_eq!(read::<ErrorLine>("errors.jsonl"), ours);
}

#[test]
fn the_list_of_close_codes_is_closed() {
    let ours = CloseCode::ALL.map(|close| CloseLine { code: close.code(), reason: close.reason().to_owned() });
    assert_eq!(read::<CloseLine>("close_codes.jsonl"), ours);
}
