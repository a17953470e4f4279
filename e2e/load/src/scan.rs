//! Reads a server's frequent frames by a scan that copies nothing: the generator shares its machine with the servers,
//! so a message may cost it a few microseconds in all. Rare frames are left to `cell_protocol::parse_server`.

/// A server's line, as far as the checker looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// `ev` with `k: msg`.
    Message { useq: u64, covers: u64, message: Message<'a> },
    /// `ev` with `k: dlvd` or `read`.
    Watermark { useq: u64, covers: u64, kind: Watermark, user: &'a [u8], upto: u64 },
    /// `ev` with `k: conv`.
    Conversation { useq: u64, covers: u64, conversation: &'a [u8] },
    /// `ev` of another kind.
    OtherEvent { useq: u64, covers: u64 },
    /// `ok` to a send.
    Sent { id: u32, conversation: &'a [u8], cseq: u64, again: bool },
    /// `page`; its `msgs` are still raw JSON.
    Page { id: u32, messages: &'a [u8], more: bool },
    /// Every other frame.
    Other,
}

/// A message's fields, as they lie in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    pub conversation: &'a [u8],
    pub cseq: u64,
    pub from: &'a [u8],
    pub mid: &'a [u8],
    /// Raw JSON.
    pub body: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {
    Delivered,
    Read,
}

/// The line is not the JSON that the protocol promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not one JSON object")]
    NotAnObject,
    #[error("a number of the frame is none")]
    NotANumber,
}

#[derive(Default)]
struct Found<'a> {
    t: &'a [u8],
    k: &'a [u8],
    u: u64,
    n: u64,
    id: u64,
    user: &'a [u8],
    upto: u64,
    again: bool,
    more: bool,
    messages: &'a [u8],
    message: Message<'a>,
}

/// Reads one line.
pub fn scan(line: &[u8]) -> Result<Line<'_>, Error> {
    let found = fields(line)?;
    let covers = found.n.max(1);
    let useq = found.u;
    Ok(match found.t {
        b"ev" => match found.k {
            b"msg" => Line::Message { useq, covers, message: found.message },
            b"dlvd" => found.watermark(Watermark::Delivered),
            b"read" => found.watermark(Watermark::Read),
            b"conv" => Line::Conversation { useq, covers, conversation: found.message.conversation },
            _ => Line::OtherEvent { useq, covers },
        },
        b"ok" if found.message.cseq > 0 => Line::Sent {
            id: id(found.id)?,
            conversation: found.message.conversation,
            cseq: found.message.cseq,
            again: found.again,
        },
        b"page" => Line::Page { id: id(found.id)?, messages: found.messages, more: found.more },
        _ => Line::Other,
    })
}

/// The messages of a page's raw `msgs`.
pub fn messages(array: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Error>> {
    let mut rest = array.strip_prefix(b"[").unwrap_or(array);
    std::iter::from_fn(move || {
        rest = skip(rest, b",");
        if rest.first() != Some(&b'{') {
            return None;
        }
        let Some(len) = value_len(rest) else {
            rest = &[];
            return Some(Err(Error::NotAnObject));
        };
        let (object, after) = rest.split_at(len);
        rest = after;
        Some(fields(object).map(|found| found.message))
    })
}

impl<'a> Found<'a> {
    fn watermark(&self, kind: Watermark) -> Line<'a> {
        Line::Watermark { useq: self.u, covers: self.n.max(1), kind, user: self.user, upto: self.upto }
    }
}

fn id(number: u64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::NotANumber)
}

fn fields(line: &[u8]) -> Result<Found<'_>, Error> {
    let mut found = Found::default();
    let mut rest = skip(line, b"").strip_prefix(b"{").ok_or(Error::NotAnObject)?;
    loop {
        rest = skip(rest, b",");
        let Some(after_quote) = rest.strip_prefix(b"\"") else {
            let closed = rest.strip_prefix(b"}").is_some_and(|tail| skip(tail, b"").is_empty());
            return if closed { Ok(found) } else { Err(Error::NotAnObject) };
        };
        let end = memchr::memchr(b'"', after_quote).ok_or(Error::NotAnObject)?;
        let (key, after_key) = (&after_quote[..end], &after_quote[end + 1..]);
        let value = skip(after_key, b":");
        let len = value_len(value).ok_or(Error::NotAnObject)?;
        let (raw, after_value) = value.split_at(len);
        match key {
            b"t" => found.t = text(raw),
            b"k" => found.k = text(raw),
            b"u" => found.u = number(raw)?,
            b"n" => found.n = number(raw)?,
            b"id" => found.id = number(raw)?,
            b"conv" => found.message.conversation = text(raw),
            b"cseq" => found.message.cseq = number(raw)?,
            b"from" => found.message.from = text(raw),
            b"mid" => found.message.mid = text(raw),
            b"body" => found.message.body = raw,
            b"user" => found.user = text(raw),
            b"upto" => found.upto = number(raw)?,
            b"dup" => found.again = raw == b"true",
            b"more" => found.more = raw == b"true",
            b"msgs" => found.messages = raw,
            _ => {}
        }
        rest = after_value;
    }
}

/// Without white space, and without one of `also` among it.
fn skip<'a>(text: &'a [u8], also: &[u8]) -> &'a [u8] {
    let start = text.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n') && !also.contains(b));
    &text[start.unwrap_or(text.len())..]
}

/// Bytes of the JSON value that the text begins with.
fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_len(text),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = 0;
            while at < text.len() {
                match text[at] {
                    b'"' => {
                        at += string_len(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            None
        }
        _ => text.iter().position(|b| matches!(b, b',' | b'}' | b']')).filter(|len| *len > 0),
    }
}

fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The inside of a JSON string; a value of another type stays as it is and equals no text of ours.
fn text(raw: &[u8]) -> &[u8] {
    raw.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(raw)
}

fn number(raw: &[u8]) -> Result<u64, Error> {
    let digits = raw.trim_ascii_end();
    if digits.is_empty() || digits.len() > 19 {
        return Err(Error::NotANumber);
    }
    digits.iter().try_fold(0_u64, |sum, b| {
        if b.is_ascii_digit() { Ok(sum * 10 + u64::from(b - b'0')) } else { Err(Error::NotANumber) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_event_is_read_whatever_the_order_of_its_fields() {
        let line = br#"{"k":"msg","body":"5.x \"}{","extra":{"a":[1,"]"]},"cseq":9,"from":"al","mid":"m","conv":"c","u":7, "n": 2 ,"t":"ev"}"#;
        let message = Message { conversation: b"c", cseq: 9, from: b"al", mid: b"m", body: br#""5.x \"}{""# };
        assert_eq!(scan(line), Ok(Line::Message { useq: 7, covers: 2, message }));
    }

    #[test]
    fn answers_and_watermarks_are_read() {
        assert_eq!(
            scan(br#"{"t":"ok","id":7,"conv":"c","cseq":914,"ts":1,"dup":true}"#),
            Ok(Line::Sent { id: 7, conversation: b"c", cseq: 914, again: true })
        );
        assert_eq!(
            scan(br#"{"t":"ev","u":3,"k":"dlvd","conv":"c","user":"bob","upto":4}"#),
            Ok(Line::Watermark { useq: 3, covers: 1, kind: Watermark::Delivered, user: b"bob", upto: 4 })
        );
        assert_eq!(scan(b"{}"), Ok(Line::Other));
        assert_eq!(scan(br#"{"t":"live","u":4}"#), Ok(Line::Other));
    }

    #[test]
    fn a_page_gives_its_messages_in_turn() {
        let line =
            br#"{"t":"page","id":1,"conv":"c","msgs":[{"cseq":1,"body":"a"}, {"cseq":2,"body":[1,2]}],"more":true}"#;
        let Ok(Line::Page { id: 1, messages: raw, more: true }) = scan(line) else { panic!("no page") };
        let bodies: Vec<_> = messages(raw).map(|message| message.unwrap().body).collect();
        assert_eq!(bodies, [&b"\"a\""[..], b"[1,2]"]);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for line in
            [&b"["[..], b"{", b"{\"t\"", b"{\"t\":", b"{\"t\":\"ev", b"{}x", b"", b"{\"u\":\"7\"}", b"{\"u\":-1}"]
        {
            assert!(scan(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
