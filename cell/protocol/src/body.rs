//! The check of a message's body, which is otherwise opaque and kept byte for byte.

use bytes::Bytes;
use cell_types::Body;

use crate::limits::{BODY_DEPTH_MAX, BODY_LEN_MAX};
use crate::parse_error::{Fault, ParseErrorKind};
use crate::value::Value;

/// Takes a body over unchanged once it is within its limits.
pub(crate) fn check_body(value: Value<'_>) -> Result<Body, Fault> {
    let raw = value.raw().as_bytes();
    if raw.len() > BODY_LEN_MAX {
        let message = format!("`body` must have at most {BODY_LEN_MAX} bytes");
        return Err(Fault { kind: ParseErrorKind::TooLarge, message });
    }
    check_content(raw).map_err(|why| value.bad(why))?;
    Ok(Body::from_checked(Bytes::copy_from_slice(raw)))
}

/// Walks over JSON that is known to be valid.
fn check_content(json: &[u8]) -> Result<(), &'static str> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => at = check_string(json, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > BODY_DEPTH_MAX {
                    return Err("is nested too deep: at most 32 levels");
                }
            }
            b']' | b'}' => depth -= 1,
            // Between tokens; inside strings JSON itself forbids them. Lines delimit frames.
            b'\r' | b'\n' => return Err("must not hold a raw line break"),
            _ => {}
        }
    }
    Ok(())
}

/// Walks over a string from behind its opening quote to behind its closing one.
fn check_string(json: &[u8], mut at: usize) -> Result<usize, &'static str> {
    const LONE: &str = "holds a lone surrogate";
    loop {
        match json[at] {
            b'"' => return Ok(at + 1),
            b'\\' if json[at + 1] == b'u' => match code_unit(&json[at + 2..]) {
                0xd800..=0xdbff => {
                    let low = json[at + 6..].strip_prefix(b"\\u").map(code_unit);
                    if !low.is_some_and(|unit| (0xdc00..=0xdfff).contains(&unit)) {
                        return Err(LONE);
                    }
                    at += 12;
                }
                0xdc00..=0xdfff => return Err(LONE),
                _ => at += 6,
            },
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The number that the four hexadecimal digits of an escape spell.
fn code_unit(digits: &[u8]) -> u32 {
    digits[..4].iter().fold(0, |unit, digit| {
        unit * 16 + char::from(*digit).to_digit(16).expect("valid JSON has four hexadecimal digits after \\u")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_have_no_depth_and_32_levels_are_the_most() {
        assert_eq!(check_content(b"null"), Ok(()));
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check_content(nested(32).as_bytes()), Ok(()));
        assert!(check_content(nested(33).as_bytes()).is_err());
    }

    #[test]
    fn depth_counts_what_is_open_and_not_what_was_or_what_strings_hold() {
        assert_eq!(check_content(format!("[{}[]]", "[],".repeat(100)).as_bytes()), Ok(()));
        assert_eq!(check_content(format!("\"{}\\\"[\"", "[".repeat(100)).as_bytes()), Ok(()));
    }

    #[test]
    fn a_surrogate_needs_its_other_half_right_behind_it() {
        for paired in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#"{"\uD83D\uDE00":"\u0041"}"#] {
            assert_eq!(check_content(paired.as_bytes()), Ok(()), "{paired}");
        }
        for lone in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\ud83d \ude00""#,
            r#"{"\ud83d":1}"#,
            r#""\ud83d\n""#,
        ] {
            assert!(check_content(lone.as_bytes()).is_err(), "{lone}");
        }
    }

    #[test]
    fn line_breaks_between_tokens_are_refused_and_escaped_ones_are_not() {
        assert!(check_content(b"[1,\n2]").is_err());
        assert!(check_content(b"[1,\r2]").is_err());
        assert_eq!(check_content(br#""a\r\nb""#), Ok(()));
    }
}
