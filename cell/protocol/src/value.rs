//! One field's value: raw JSON read as the type that a frame wants, or a fault that names the field.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use crate::object::{Field, Object};
use crate::parse_error::Fault;

/// The raw JSON of a field: valid, without white space around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    field: Field,
    raw: &'a str,
}

impl<'a> Value<'a> {
    pub(crate) fn new(field: Field, raw: &'a str) -> Self {
        Self { field, raw }
    }

    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// Text, borrowed where it has no escapes.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, Fault> {
        let inner = self.raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner {
            None => Err(self.wrong_type("text")),
            Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
            // The text is valid JSON, so what can fail here is a lone surrogate.
            Some(_) => serde_json::from_str(self.raw).map(Cow::Owned).map_err(|_| self.bad("holds a lone surrogate")),
        }
    }

    /// Text of at most this many bytes.
    pub(crate) fn short_text(self, len_max: usize) -> Result<String, Fault> {
        let text = self.text()?;
        if text.len() > len_max {
            return Err(self.bad(&format!("must have at most {len_max} bytes")));
        }
        Ok(text.into_owned())
    }

    /// Text in the form of an id.
    pub(crate) fn id<T: FromStr<Err: Display>>(self) -> Result<T, Fault> {
        self.text()?.parse().map_err(|error| self.bad(&format!("is not valid: {error}")))
    }

    /// An integer from 0. A fraction or an exponent is another type; a negative or too large one is a bad value.
    pub(crate) fn number(self) -> Result<u64, Fault> {
        let digits = self.raw.strip_prefix('-').unwrap_or(self.raw);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.wrong_type("an integer"));
        }
        if digits.len() < self.raw.len() {
            return Err(self.bad("must not be negative"));
        }
        digits.parse().map_err(|_| self.bad("is too large"))
    }

    /// An integer of 32 bits.
    pub(crate) fn number_u32(self) -> Result<u32, Fault> {
        u32::try_from(self.number()?).map_err(|_| self.bad("must be below 2^32"))
    }

    /// The fields of a nested object.
    pub(crate) fn object(self) -> Result<Object<'a>, Fault> {
        // It was read as JSON before, so what fails here is another type.
        Object::parse(self.raw).map_err(|_| self.wrong_type("an object"))
    }

    fn wrong_type(self, expected: &str) -> Fault {
        Fault::malformed(format!("`{}` must be {expected}", self.field.name()))
    }

    /// The type is right, the value is not.
    pub(crate) fn bad(self, why: &str) -> Fault {
        Fault::bad_request(format!("`{}` {why}", self.field.name()))
    }
}
