//! The proof of belonging that every call between a cluster's processes carries.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};

/// Below this a token could be guessed: 32 hexadecimal digits hold 128 bits.
const TOKEN_LEN_MIN: usize = 32;

/// A header longer than this is refused by HTTP/2 peers with default settings long before.
const TOKEN_LEN_MAX: usize = 1024;

/// A shared secret of visible ASCII characters. Its debug form does not show it.
#[derive(Clone)]
pub struct Token(String);

/// Why a text cannot be a token. The text itself is not repeated, because it may be most of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a token must be {TOKEN_LEN_MIN} to {TOKEN_LEN_MAX} bytes long, got {got}")]
    Length { got: usize },
    #[error("a token may hold only visible ASCII characters")]
    Character,
}

impl Token {
    /// The value of the metadata key `authorization`.
    pub(crate) fn bearer(&self) -> MetadataValue<Ascii> {
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {}", self.0).parse().expect("visible ASCII characters are a valid header value");
        value.set_sensitive(true);
        value
    }

    /// Takes the same time wherever the two differ, so that a caller learns nothing from how long a refusal took.
    pub(crate) fn matches(&self, header: &[u8]) -> bool {
        header.strip_prefix(b"Bearer ").is_some_and(|shown| shown.ct_eq(self.0.as_bytes()).into())
    }
}

impl FromStr for Token {
    type Err = Error;

    /// Takes the text of a token file; a line end after it does not count.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim_end_matches(['\r', '\n']);
        if !(TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&text.len()) {
            return Err(Error::Length { got: text.len() });
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_same_token_matches() {
        let token: Token = SECRET.parse().unwrap();
        assert!(token.matches(format!("Bearer {SECRET}").as_bytes()));
        for other in [SECRET.to_owned(), format!("Bearer {SECRET}0"), format!("Bearer {}", &SECRET[1..]), String::new()]
        {
            assert!(!token.matches(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_line_end_of_a_token_file_does_not_count() {
        assert!(format!("{SECRET}\n").parse::<Token>().unwrap().matches(format!("Bearer {SECRET}").as_bytes()));
    }

    #[test]
    fn a_text_that_is_short_or_has_spaces_is_refused_and_not_repeated() {
        assert_eq!("short".parse::<Token>().unwrap_err(), Error::Length { got: 5 });
        assert_eq!(format!("{SECRET} x").parse::<Token>().unwrap_err(), Error::Character);
        assert_eq!(format!("{:?}", SECRET.parse::<Token>().unwrap()), "Token(…)");
    }
}
