//! Timestamps as request parameters spell them.

use std::str::FromStr;

use logmesh_protocol::time::Timestamp;

use crate::error::TimeError;

/// Reads a timestamp: a number with a decimal point or an exponent is seconds; an integer of at most ten digits is
/// seconds too, as in Loki's API documentation (as nanoseconds it would lie within ten seconds of 1970); a longer integer
/// is nanoseconds; all else must be RFC 3339.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, TimeError> {
    let bad = || TimeError::Timestamp(text.to_owned());
    if let Ok(integer) = text.parse::<i64>() {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let nanos = if digits <= SECONDS_DIGITS_MAX { integer.checked_mul(1_000_000_000) } else { Some(integer) };
        return nanos.map(Timestamp::from_nanos).ok_or_else(bad);
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    if text.chars().all(numeric) {
        return seconds(text).map(Timestamp::from_nanos).ok_or_else(bad);
    }
    let time = jiff::Timestamp::from_str(text).map_err(|_| bad())?;
    i64::try_from(time.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| bad())
}

/// Reads decimal seconds exactly where they have no exponent: a float would lose the nanoseconds.
fn seconds(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if plain(whole) && plain(fraction) && !digits.is_empty() && digits != "." {
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let nanos: i64 = format!("{fraction:0<9.9}").parse().ok()?;
        return whole.checked_mul(1_000_000_000)?.checked_add(nanos)?.checked_mul(sign);
    }
    let value = text.parse::<f64>().ok()? * 1e9;
    (value.abs() < i64::MAX as f64).then_some(value.round() as i64)
}

/// Up to so many digits an integer is read as seconds.
const SECONDS_DIGITS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read() {
        let cases: [(&str, Option<i64>); 19] = [
            ("1700000000123456789", Some(1_700_000_000_123_456_789)),
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000.5", Some(1_700_000_000_500_000_000)),
            ("1700000000.123456789", Some(1_700_000_000_123_456_789)),
            ("1.7e9", Some(1_700_000_000_000_000_000)),
            ("0", Some(0)),
            ("-1.5", Some(-1_500_000_000)),
            (".5", Some(500_000_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000_000_000)),
            ("2023-11-14T22:13:20.123456789Z", Some(1_700_000_000_123_456_789)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000_000_000_000)),
            ("", None),
            (".", None),
            ("yesterday", None),
            ("1e300", None),
            ("99999999999999999999", None),
            ("9999-12-31T00:00:00Z", None),
            ("1.2.3", None),
            ("2023-11-14", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_timestamp(text).ok().map(Timestamp::as_nanos), nanos, "{text}");
        }
    }
}
