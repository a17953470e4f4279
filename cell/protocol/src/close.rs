//! WebSocket close codes: each carries a verdict.

/// Why the server closes a connection, and what the client is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Nothing heard for two heartbeats: reconnect and resume.
    Idle,
    /// A planned end (drain, move): reconnect and resume.
    GoAway,
    /// Too many connections or handshakes: reconnect elsewhere or later.
    Overload,
    /// A later `hello` of the same device took its place: do not reconnect.
    Replaced,
    /// Refresh the token, then resume.
    TokenExpired,
    /// The cursor fell below what is kept: drop it and re-sync.
    CursorTrimmed,
    BadProtocol,
    NoHello,
    TokenRefused,
    FrameTooLarge,
    /// RFC 6455: not UTF-8.
    NotUtf8,
}

impl CloseCode {
    /// Every code, for tests and metrics.
    pub const ALL: [Self; 11] = [
        Self::Idle,
        Self::GoAway,
        Self::Overload,
        Self::Replaced,
        Self::TokenExpired,
        Self::CursorTrimmed,
        Self::BadProtocol,
        Self::NoHello,
        Self::TokenRefused,
        Self::FrameTooLarge,
        Self::NotUtf8,
    ];

    pub const fn code(self) -> u16 {
        match self {
            Self::Idle => 4000,
            Self::GoAway => 4001,
            Self::Overload => 4100,
            Self::Replaced => 4105,
            Self::TokenExpired => 4201,
            Self::CursorTrimmed => 4301,
            Self::BadProtocol => 4400,
            Self::NoHello => 4401,
            Self::TokenRefused => 4403,
            Self::FrameTooLarge => 4413,
            Self::NotUtf8 => 1007,
        }
    }

    /// The close frame's reason text.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::GoAway => "goaway",
            Self::Overload => "overload",
            Self::Replaced => "replaced",
            Self::TokenExpired => "token expired",
            Self::CursorTrimmed => "trimmed",
            Self::BadProtocol => "bad protocol",
            Self::NoHello => "no hello",
            Self::TokenRefused => "token refused",
            Self::FrameTooLarge => "frame too large",
            Self::NotUtf8 => "not UTF-8",
        }
    }
}
