//! Reads what a client says: one JSON object, in one pass over it and a second over the fields that its command has.

use std::borrow::Cow;

use cell_types::{Cseq, Eseq, Useq};

use crate::body::check_body;
use crate::client::{
    ClientFrame, ClientMessage, Command, ConversationRef, Hello, NoSuchConversation, Page, Resume, Target,
};
use crate::limits::{CONVERSATION_ID_LEN_MAX, CURSOR_LEN_MAX, EP_LEN_MAX};
use crate::object::{Field, Object};
use crate::parse_error::{Fault, ParseError, ParseErrorKind};
use crate::value::Value;

/// How much of an unknown `t` an error repeats, in characters.
const ECHO_CHARS_MAX: usize = 32;

/// Reads one line of a WebSocket text message.
pub fn parse_client(line: &str) -> Result<ClientFrame, ParseError> {
    let object = Object::parse(line).map_err(|error| ParseError {
        kind: ParseErrorKind::Malformed,
        id: None,
        ack: None,
        hello: false,
        message: format!("not one JSON object: {error}"),
    })?;
    frame(&object).map_err(|fault| ParseError {
        kind: fault.kind,
        id: readable(&object, Field::Id).and_then(|value| value.number_u32().ok()),
        ack: readable(&object, Field::A).and_then(|value| value.number().ok()).map(Useq::new),
        hello: readable(&object, Field::T).and_then(|value| value.text().ok()).is_some_and(|t| t == "hello"),
        message: fault.message,
    })
}

/// A field as far as an answer to a refused frame needs it.
fn readable<'a>(object: &Object<'a>, field: Field) -> Option<Value<'a>> {
    object.get(field).ok().flatten()
}

fn frame(object: &Object<'_>) -> Result<ClientFrame, Fault> {
    let ack = object.optional(Field::A)?.map(Value::number).transpose()?.map(Useq::new);
    let Some(t) = object.get(Field::T)? else {
        return Ok(ClientFrame { ack, message: ClientMessage::KeepAlive });
    };
    let t = t.text()?;
    let read: fn(&Object<'_>) -> Result<Command, Fault> = match &*t {
        "ack" => {
            let upto = Useq::new(object.required(Field::U)?.number()?);
            // Acks are cumulative: with both, the higher one says it all.
            return Ok(ClientFrame { ack: ack.max(Some(upto)), message: ClientMessage::Ack });
        }
        "hello" => return Ok(ClientFrame { ack, message: ClientMessage::Hello(hello(object)?) }),
        "send" => send,
        "hist" => history,
        "convs" => conversations,
        "read" => read_upto,
        "ping" => |_| Ok(Command::Ping),
        _ => return Err(unknown_command(&t)),
    };
    let id = object.required(Field::Id)?.number_u32()?;
    Ok(ClientFrame { ack, message: ClientMessage::Command { id, command: read(object)? } })
}

fn unknown_command(t: &str) -> Fault {
    let echo: Cow<'_, str> = t.chars().take(ECHO_CHARS_MAX).collect();
    Fault { kind: ParseErrorKind::UnknownCommand, message: format!("unknown command {echo:?}") }
}

fn hello(object: &Object<'_>) -> Result<Hello, Fault> {
    Ok(Hello {
        version: object.required(Field::V)?.number_u32()?,
        device: object.required(Field::Dev)?.id()?,
        token: object.required(Field::Tok)?.text()?.into_owned(),
        resume: object.optional(Field::Resume)?.map(resume).transpose()?,
    })
}

fn resume(value: Value<'_>) -> Result<Resume, Fault> {
    let object = value.object()?;
    Ok(Resume {
        ep: object.required(Field::Ep)?.short_text(EP_LEN_MAX)?,
        useq: Useq::new(object.required(Field::Useq)?.number()?),
    })
}

fn send(object: &Object<'_>) -> Result<Command, Fault> {
    Ok(Command::Send {
        to: target(object.required(Field::To)?)?,
        mid: object.required(Field::Mid)?.id()?,
        body: check_body(object.required(Field::Body)?)?,
        after: object.optional(Field::After)?.map(Value::id).transpose()?,
    })
}

fn target(value: Value<'_>) -> Result<Target, Fault> {
    let object = value.object()?;
    match (object.optional(Field::User)?, object.optional(Field::Conv)?) {
        (Some(user), None) => Ok(Target::User(user.id()?)),
        (None, Some(conv)) => Ok(Target::Conversation(conversation(conv)?)),
        (Some(_), Some(_)) => Err(value.bad("must name a user or a conversation, not both")),
        (None, None) => Err(Fault::malformed("`to` must name a `user` or a `conv`")),
    }
}

fn conversation(value: Value<'_>) -> Result<ConversationRef, Fault> {
    let text = value.text()?;
    let opaque = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if text.is_empty() || text.len() > CONVERSATION_ID_LEN_MAX || !opaque {
        return Err(value.bad("must be 1 to 64 bytes of A-Z a-z 0-9 _ -"));
    }
    Ok(text.parse().map_err(|_| NoSuchConversation))
}

fn history(object: &Object<'_>) -> Result<Command, Fault> {
    let conversation = conversation(object.required(Field::Conv)?)?;
    let mut page = None;
    for (field, make) in [
        (Field::Before, (|number| Page::Before(Cseq::new(number))) as fn(u64) -> Page),
        (Field::After, |number| Page::After(Cseq::new(number))),
        (Field::Around, |number| Page::Around(Cseq::new(number))),
        (Field::Since, |number| Page::Since(Eseq::new(number))),
    ] {
        let Some(value) = object.optional(field)? else { continue };
        if page.replace(make(value.number()?)).is_some() {
            return Err(Fault::bad_request("at most one of `before`, `after`, `around` and `since` may be given"));
        }
    }
    let limit = object.optional(Field::Limit)?.map(Value::number).transpose()?;
    Ok(Command::History { conversation, page: page.unwrap_or(Page::Newest), limit })
}

fn conversations(object: &Object<'_>) -> Result<Command, Fault> {
    Ok(Command::Conversations {
        cursor: object.optional(Field::Cursor)?.map(|value| value.short_text(CURSOR_LEN_MAX)).transpose()?,
        limit: object.optional(Field::Limit)?.map(Value::number).transpose()?,
    })
}

fn read_upto(object: &Object<'_>) -> Result<Command, Fault> {
    Ok(Command::Read {
        conversation: conversation(object.required(Field::Conv)?)?,
        upto: Cseq::new(object.required(Field::Upto)?.number()?),
    })
}
