//! Message bodies: checked once before they enter the outbox, by the very code that the server checks them with.

use bytes::Bytes;
use cell_protocol::{ClientFrame, ClientMessage, Command, MessageView, Target, parse_client, write_client};
use cell_types::{Body, MessageId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Writes a value as a body.
///
/// # Errors
/// [`Error::Body`] when it is no JSON, too large (64 KiB) or nested too deep (32 levels).
pub fn to_body<T: Serialize + ?Sized>(value: &T) -> Result<Body, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Body { why: error.to_string() })?;
    check(Body::from_checked(Bytes::from(json)))
}

/// Reads a message's body; `None` when it was deleted or is no such value.
pub fn from_body<T: DeserializeOwned>(message: &MessageView) -> Option<T> {
    message.body.as_ref().and_then(|body| serde_json::from_slice(body.as_bytes()).ok())
}

/// A body that the server would refuse must not enter the outbox, so it is read as the server will.
fn check(body: Body) -> Result<Body, Error> {
    let to = Target::User("x".parse::<UserId>().expect("one letter is a user id"));
    let command = Command::Send { to, mid: MessageId::from_u128(0), body: body.clone(), after: None };
    let mut line = Vec::new();
    write_client(&ClientFrame { ack: None, message: ClientMessage::Command { id: 0, command } }, &mut line);
    let line = str::from_utf8(&line).map_err(|error| Error::Body { why: error.to_string() })?;
    parse_client(line).map_err(|error| Error::Body { why: error.message })?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_within_the_limits_is_a_body() {
        assert_eq!(to_body("hé\n").unwrap().as_bytes(), "\"hé\\n\"".as_bytes());
        assert_eq!(to_body(&serde_json::json!({"text": "hi"})).unwrap().as_bytes(), br#"{"text":"hi"}"#);
    }

    #[test]
    fn bodies_too_large_or_too_deep_are_refused_before_they_enter_the_outbox() {
        assert!(matches!(to_body(&"x".repeat(65_535)), Err(Error::Body { .. })));
        let deep: serde_json::Value = serde_json::from_str(&format!("{}{}", "[".repeat(33), "]".repeat(33))).unwrap();
        assert!(matches!(to_body(&deep), Err(Error::Body { .. })));
    }
}
