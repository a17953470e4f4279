//! Errors as clients see them.

use serde::{Deserialize, Serialize};

/// The closed list of error names, each with its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorCode {
    BadRequest,
    UnknownCommand,
    /// A bad token.
    Token,
    Denied,
    Blocked,
    NotFound,
    MidReuse,
    Trimmed,
    TooLarge,
    SlowDown,
    Unavailable,
    OutOfOrder,
}

impl ErrorCode {
    /// Every code, for tests and metrics.
    pub const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::UnknownCommand,
        Self::Token,
        Self::Denied,
        Self::Blocked,
        Self::NotFound,
        Self::MidReuse,
        Self::Trimmed,
        Self::TooLarge,
        Self::SlowDown,
        Self::Unavailable,
        Self::OutOfOrder,
    ];

    /// The HTTP-like number.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest | Self::UnknownCommand => 400,
            Self::Token => 401,
            Self::Denied | Self::Blocked => 403,
            Self::NotFound => 404,
            Self::MidReuse => 409,
            Self::Trimmed => 410,
            Self::TooLarge => 413,
            Self::SlowDown => 429,
            Self::Unavailable | Self::OutOfOrder => 503,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UnknownCommand => "unknown_command",
            Self::Token => "token",
            Self::Denied => "denied",
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::MidReuse => "mid_reuse",
            Self::Trimmed => "trimmed",
            Self::TooLarge => "too_large",
            Self::SlowDown => "slow_down",
            Self::Unavailable => "unavailable",
            Self::OutOfOrder => "out_of_order",
        }
    }

    /// The code with this name, if this version has one.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// What a client takes an unknown name for: a code with that number, else by whether trying again may help.
    pub fn nearest(code: u16, is_temporary: bool) -> Self {
        let same = |known: &Self| known.code() == code && known.is_temporary() == is_temporary;
        Self::ALL.into_iter().find(same).unwrap_or(if is_temporary { Self::Unavailable } else { Self::BadRequest })
    }

    /// Whether the same request may succeed later.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::SlowDown | Self::Unavailable | Self::OutOfOrder)
    }
}

/// An `err` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFrame {
    /// The command that failed, where one did.
    pub id: Option<u32>,
    pub code: ErrorCode,
    pub retry_ms: Option<u64>,
    /// For people.
    pub message: String,
}
