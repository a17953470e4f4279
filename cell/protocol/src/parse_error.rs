//! Why a client's frame was refused, and what the gateway needs to answer it.

use cell_types::Useq;

use crate::error::{ErrorCode, ErrorFrame};

/// A refused frame. The session goes on; [`Self::kind`] says whether the frame counts as malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    pub kind: ParseErrorKind,
    /// The command's `id` where it could be read; never that of text which is no JSON object.
    pub id: Option<u32>,
    /// `"a"` where it could be read.
    pub ack: Option<Useq>,
    /// The frame said that it is a `hello`: closes the connection (4400).
    pub hello: bool,
    /// For people; names the field.
    pub message: String,
}

/// The four verdicts on a refused frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseErrorKind {
    /// Not JSON, not an object, a wrong type, a required field missing, a known field twice. Ten in a row close the
    /// connection.
    Malformed,
    /// The right types, but a value that cannot be.
    BadRequest,
    /// A `t` that this version does not know. Ends a row of malformed frames.
    UnknownCommand,
    /// A body past [`BODY_LEN_MAX`](crate::limits::BODY_LEN_MAX).
    TooLarge,
}

impl ParseErrorKind {
    /// The code of the `err` frame that answers it.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Malformed | Self::BadRequest => ErrorCode::BadRequest,
            Self::UnknownCommand => ErrorCode::UnknownCommand,
            Self::TooLarge => ErrorCode::TooLarge,
        }
    }
}

impl ParseError {
    /// The `err` frame that answers the refused one.
    pub fn to_frame(&self) -> ErrorFrame {
        ErrorFrame { id: self.id, code: self.kind.code(), retry_ms: None, message: self.message.clone() }
    }
}

/// What is wrong with a frame, before it is known whose answer it is.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ParseErrorKind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self { kind: ParseErrorKind::Malformed, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { kind: ParseErrorKind::BadRequest, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ErrorCode, ErrorFrame, parse_client};

    #[test]
    fn a_refused_frame_is_answered_with_its_id_and_the_name_of_the_field() {
        let refused = parse_client(r#"{"t":"read","id":10,"conv":"x","upto":-1}"#).unwrap_err();
        let message = "`upto` must not be negative".to_owned();
        assert_eq!(
            refused.to_frame(),
            ErrorFrame { id: Some(10), code: ErrorCode::BadRequest, retry_ms: None, message }
        );
    }

    #[test]
    fn an_error_repeats_only_the_start_of_an_unknown_command() {
        let refused = parse_client(&format!(r#"{{"t":"\n{}"}}"#, "ü".repeat(1000))).unwrap_err();
        assert_eq!(refused.to_frame().code, ErrorCode::UnknownCommand);
        assert_eq!(refused.message, format!("unknown command \"\\n{}\"", "ü".repeat(31)));
    }
}
