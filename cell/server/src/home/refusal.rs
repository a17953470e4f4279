//! Why a home did not carry out a command, as the session is told.

use cell_core::Rejection;
use cell_gateway::home::HomeError;
use cell_protocol::ErrorCode;
use cell_raft::Unavailable;

/// A client that met a message out of order sends its predecessor first; it is on its way already.
const OUT_OF_ORDER_RETRY_MS: u64 = 100;

/// The queue before the log drains within a few commits.
const OVERLOADED_RETRY_MS: u64 = 250;

/// Every command may be repeated (sends by their `mid`, reads by their maximum), so an unknown outcome is asked again.
pub(super) fn unavailable(error: &Unavailable) -> HomeError {
    match error {
        Unavailable::Overloaded => HomeError {
            code: ErrorCode::SlowDown,
            retry_ms: Some(OVERLOADED_RETRY_MS),
            message: "the cell has more to do than it can keep up with; send again".into(),
            elsewhere: false,
        },
        Unavailable::NotLeader { .. } | Unavailable::Unknown => elsewhere("the cell is choosing a leader"),
    }
}

/// Asked at a place that cannot answer; another one can.
pub(super) fn elsewhere(message: &str) -> HomeError {
    HomeError { code: ErrorCode::Unavailable, retry_ms: None, message: message.into(), elsewhere: true }
}

/// The replicated state said no.
pub(super) fn rejected(rejection: Rejection) -> HomeError {
    let (code, retry_ms, elsewhere) = match rejection {
        Rejection::NotOwner => (ErrorCode::Unavailable, None, true),
        Rejection::NotFounded => (ErrorCode::Unavailable, None, false),
        Rejection::NoSuchConversation => (ErrorCode::NotFound, None, false),
        Rejection::MidReuse => (ErrorCode::MidReuse, None, false),
        Rejection::OutOfOrder => (ErrorCode::OutOfOrder, Some(OUT_OF_ORDER_RETRY_MS), false),
        Rejection::LimitReached(_) => (ErrorCode::TooLarge, None, false),
        Rejection::TooManyReplicas | Rejection::NoSuchNode | Rejection::NodeRetired | Rejection::BadSetting => {
            (ErrorCode::Denied, None, false)
        }
    };
    HomeError { code, retry_ms, message: rejection.to_string(), elsewhere }
}
