//! Durations and byte sizes as LogQL writes them, and as they stand in the values of labels.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::TimeError;

/// A signed span of time in nanoseconds: a range, an offset, or what a label's value is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nanoseconds(pub i64);

impl Nanoseconds {
    /// Returns the span in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for Nanoseconds {
    /// Prints whole days as days, anything else as hours, minutes, seconds and their parts: `2d`, `1h30m`, `1s500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        if rest.is_multiple_of(DAY) {
            return write!(f, "{}d", rest / DAY);
        }
        for (unit, nanos) in [("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)] {
            if rest >= nanos {
                write!(f, "{}{unit}", rest / nanos)?;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

/// Reads the duration of a request (`step`, `interval`, `since`): `5m`, `1h30m`, `1.5h`, `300ms`, `2d`, or a plain number
/// of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, TimeError> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => nanoseconds(text).map(|span| Duration::from_nanos(span.0.unsigned_abs())),
    };
    duration.ok_or_else(|| TimeError::Duration(text.to_owned()))
}

/// Reads a duration in any of the units that LogQL knows.
pub(crate) fn nanoseconds(text: &str) -> Option<Nanoseconds> {
    read(text, |unit| match unit {
        "d" => Some(DAY),
        "w" => Some(7 * DAY),
        "y" => Some(365 * DAY),
        _ => small_unit(unit),
    })
}

/// Reads the value of a label as Go's `time.ParseDuration` does: signed, without days, weeks and years; a bare `0` is a
/// duration too.
pub(crate) fn label_duration(text: &str) -> Option<Nanoseconds> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(Nanoseconds(0));
    }
    let Nanoseconds(nanos) = read(rest, small_unit)?;
    Some(Nanoseconds(sign * nanos))
}

/// Says why a label's value is no duration, in the words of Go's `time.ParseDuration`, which clients know.
pub(crate) fn unread_duration(found: &str) -> String {
    let quoted = quoted_bytes(found);
    let invalid = format!("time: invalid duration {quoted}");
    let mut rest = found.strip_prefix(['-', '+']).unwrap_or(found);
    while !rest.is_empty() {
        let number_len = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, behind) = rest.split_at(number_len);
        let points = number.bytes().filter(|byte| *byte == b'.').count();
        if points == number.len() {
            return invalid;
        }
        let unit_len = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_len);
        // A second point begins what should be a unit.
        if unit.is_empty() || points > 1 {
            return format!("time: missing unit in duration {quoted}");
        }
        if small_unit(unit).is_none() {
            return format!("time: unknown unit {} in duration {quoted}", quoted_bytes(unit));
        }
        rest = behind;
    }
    invalid
}

/// Quotes a text as Go's package `time` does: what is not printable ASCII byte by byte.
fn quoted_bytes(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    format!("\"{}\"", text.bytes().map(byte).collect::<String>())
}

/// Says why a label's value is no size.
pub(crate) fn unread_size(found: &str) -> String {
    let number_len = found.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    let (number, unit) = found.split_at(number_len);
    match number.replace(',', "").parse::<f64>() {
        Ok(_) => format!("unhandled size name: {}", unit.trim()),
        Err(_) => format!("strconv.ParseFloat: parsing {number:?}: invalid syntax"),
    }
}

fn small_unit(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(1),
        "us" | "µs" | "μs" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        _ => None,
    }
}

/// Reads numbers, each with a unit behind it, and adds them up.
fn read(mut text: &str, unit_nanos: impl Fn(&str) -> Option<u64>) -> Option<Nanoseconds> {
    if text.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !text.is_empty() {
        let number_len = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, rest) = text.split_at(number_len);
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit_len);
        total = total.checked_add(scaled(number, unit_nanos(unit)?)?)?;
        text = rest;
    }
    Some(Nanoseconds(total))
}

/// Returns `number` (digits with at most one point) times `scale`, exactly where there is no point.
fn scaled(number: &str, scale: u64) -> Option<i64> {
    if let Ok(whole) = number.parse::<u64>() {
        return i64::try_from(whole.checked_mul(scale)?).ok();
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    // Beyond 2^63 the cast would saturate silently.
    (value < i64::MAX as f64).then_some(value.round() as i64)
}

/// Reads a byte size: a number with an optional unit of either kind (`KB` is 1,000, `KiB` 1,024), in any case, with
/// commas and a space before the unit allowed as in the values of labels.
pub(crate) fn byte_size(text: &str) -> Option<u64> {
    let number_len = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    let (number, unit) = text.split_at(number_len);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "ki" | "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mi" | "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gi" | "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "ti" | "tib" => 1 << 40,
        "p" | "pb" => 1_000_000_000_000_000,
        "pi" | "pib" => 1 << 50,
        "e" | "eb" => 1_000_000_000_000_000_000,
        "ei" | "eib" => 1 << 60,
        _ => return None,
    };
    let number = number.replace(',', "");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    (value < u64::MAX as f64).then_some(value as u64)
}

/// Prints a byte size in the largest unit that divides it.
pub(crate) fn write_byte_size(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    for (unit, scale) in BYTE_UNITS {
        if bytes != 0 && bytes.is_multiple_of(scale) {
            return write!(f, "{}{unit}", bytes / scale);
        }
    }
    write!(f, "{bytes}B")
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const BYTE_UNITS: [(&str, u64); 8] = [
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("KB", 1_000),
    ("KiB", 1 << 10),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn durations_read() {
        let cases: [(&str, Option<i64>); 22] = [
            ("5m", Some(300_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1d", Some(86_400_000_000_000)),
            ("2w", Some(1_209_600_000_000_000)),
            ("1y", Some(31_536_000_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("7us", Some(7_000)),
            ("7µs", Some(7_000)),
            ("9ns", Some(9)),
            ("0s", Some(0)),
            ("1s500ms", Some(1_500_000_000)),
            ("292y", Some(9_208_512_000_000_000_000)),
            ("293y", None),
            ("", None),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("1.2.3s", None),
            ("-5m", None),
            ("5x", None),
            ("99999999999999999999s", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(nanoseconds(text).map(|span| span.0), nanos, "{text}");
        }
    }

    #[test]
    fn durations_of_requests_read() {
        assert_eq!(parse_duration("15"), Ok(Duration::from_secs(15)));
        assert_eq!(parse_duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1m"), Ok(Duration::from_secs(60)));
        for bad in ["-1", "NaN", "inf", "1e300", "x", "", "-5m"] {
            assert_eq!(parse_duration(bad), Err(TimeError::Duration(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn label_durations_read_as_in_go() {
        let cases = [("-1.5h", Some(-5_400_000_000_000)), ("+2s", Some(2_000_000_000)), ("0", Some(0)), ("1d", None)];
        for (text, nanos) in cases {
            assert_eq!(label_duration(text).map(|span| span.0), nanos, "{text}");
        }
        assert_eq!(label_duration("10"), None);
        assert_eq!(label_duration(""), None);
    }

    #[test]
    fn why_a_duration_does_not_read_is_told_as_in_go() {
        let cases = [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("10", "time: missing unit in duration \"10\""),
            ("-1h5", "time: missing unit in duration \"-1h5\""),
            ("1.5.s", "time: missing unit in duration \"1.5.s\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("2m3 s", "time: unknown unit \" s\" in duration \"2m3 s\""),
            ("1\u{b5}x", "time: unknown unit \"\\xc2\\xb5x\" in duration \"1\\xc2\\xb5x\""),
            (".s", "time: invalid duration \".s\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
        ];
        for (text, reason) in cases {
            assert_eq!(label_duration(text), None, "{text}");
            assert_eq!(unread_duration(text), reason);
        }
    }

    #[test]
    fn byte_sizes_read() {
        let cases = [
            ("20B", Some(20)),
            ("42MB", Some(42_000_000)),
            ("1.5KiB", Some(1_536)),
            ("1,024 kib", Some(1_048_576)),
            ("7", Some(7)),
            ("3k", Some(3_000)),
            ("5MiBs", None),
            ("", None),
            ("99999999999TB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(byte_size(text), bytes, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_back(nanos in 0..i64::MAX) {
            prop_assert_eq!(nanoseconds(&Nanoseconds(nanos).to_string()), Some(Nanoseconds(nanos)));
        }
    }
}
