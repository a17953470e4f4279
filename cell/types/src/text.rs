//! The one error of everything that is parsed from text in this crate.

/// Why a text is not a valid value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{what} must be {min} to {max} bytes long, got {got}")]
    Length { what: &'static str, min: usize, max: usize, got: usize },
    #[error("{what} may hold only {allowed}")]
    Character { what: &'static str, allowed: &'static str },
    #[error("{what} is malformed: {why}")]
    Malformed { what: &'static str, why: &'static str },
}

/// Checks a length in bytes.
pub(crate) fn check_length(what: &'static str, text: &str, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&text.len()) { Ok(()) } else { Err(Error::Length { what, min, max, got: text.len() }) }
}
