//! Durations as people write them: `30s`, `15m`, `1h`, `7d`.

use std::time::Duration;

/// Parses digits and one unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let malformed = || format!("`{text}` is not a duration like 30s, 15m, 1h or 7d");
    let unit = text.chars().last().ok_or_else(malformed)?;
    let seconds_per_unit: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(malformed()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    let count: u64 = digits.parse().map_err(|_| malformed())?;
    count.checked_mul(seconds_per_unit).map(Duration::from_secs).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_digits_and_one_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in
            ["", "s", "1", "-1s", "+1s", "1.5h", "1w", "1 h", "99999999999999999999d", "9999999999999999999d", "1é"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
