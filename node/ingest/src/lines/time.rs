//! The time that a JSON line carries, if it does.

use crate::json::{Json, JsonError};

/// Returns the time, in nanoseconds since 1970, that the JSON object `line` says it has. A line that is no JSON, or breaks
/// off before its time, has none.
pub(super) fn of_object(line: &[u8]) -> Option<i64> {
    first_time(&mut Json::new(line)).ok().flatten()
}

fn first_time(json: &mut Json<'_>) -> Result<Option<i64>, JsonError> {
    let mut first = true;
    json.take(b'{', "an object")?;
    while let Some(key) = json.next_key(&mut first)? {
        if !matches!(&*key, "timestamp" | "time" | "ts" | "@timestamp") {
            json.skip_value()?;
            continue;
        }
        let time = match json.peek() {
            Some(b'"') => of_text(&json.string("a time")?),
            Some(b'0'..=b'9') => std::str::from_utf8(json.bare()?).ok().and_then(of_count),
            _ => {
                json.skip_value()?;
                None
            }
        };
        if time.is_some() {
            return Ok(time);
        }
    }
    Ok(None)
}

fn of_text(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return of_count(text);
    }
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// Reads a count since 1970, perhaps with decimals, exactly: a float would lose the nanoseconds.
fn of_count(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let count: i64 = whole.parse().ok()?;
    let unit_digits = match count {
        0..COUNT_MIN => return None,
        COUNT_MIN..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut nanos = count;
    for at in 0..unit_digits {
        let decimal = decimals.as_bytes().get(at).map_or(0, |digit| i64::from(digit - b'0'));
        nanos = nanos.checked_mul(10)?.checked_add(decimal)?;
    }
    Some(nanos)
}

/// As seconds, March 1973. What is smaller is an uptime, a duration, a counter.
const COUNT_MIN: i64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        let ns = 1_700_000_000_123_456_789;
        for (value, wanted) in [
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000.123456789", Some(ns)),
            ("1700000000.1234567899", Some(ns)),
            ("1700000000.5", Some(1_700_000_000_500_000_000)),
            ("1700000000123", Some(1_700_000_000_123_000_000)),
            ("1700000000123.456789", Some(ns)),
            ("1700000000123456", Some(1_700_000_000_123_456_000)),
            ("1700000000123456789", Some(ns)),
            ("\"1700000000123456789\"", Some(ns)),
            ("\"2023-11-14T22:13:20.123456789Z\"", Some(ns)),
            ("\"2023-11-14T23:13:20.123456789+01:00\"", Some(ns)),
            ("\"2023-11-14 22:13:20.123456789Z\"", Some(ns)),
            ("\"2023-11-14T22:13:20\"", None),
            ("\"9999-01-01T00:00:00Z\"", None),
            ("99999999", None),
            ("12.5", None),
            ("-1700000000", None),
            ("1.7e9", None),
            ("1700000000.1e3", None),
            ("99999999999999999999", None),
            ("null", None),
            ("true", None),
            ("[1700000000]", None),
            ("{\"ts\":1700000000}", None),
            ("\"\"", None),
            ("\".\"", None),
        ] {
            for key in ["timestamp", "time", "ts", "@timestamp"] {
                let line = format!(r#"{{"a":{{"time":1}},"{key}": {value} ,"z":1}}"#);
                assert_eq!(of_object(line.as_bytes()), wanted, "{line}");
            }
        }
    }

    #[test]
    fn the_first_key_that_reads_as_a_time_is_taken() {
        assert_eq!(of_object(br#"{"time":"soon","ts":1700000000,"timestamp":1}"#), Some(1_700_000_000_000_000_000));
        assert_eq!(of_object(br#"{"msg":"no time"}"#), None);
        assert_eq!(of_object(br#"{"Time":1700000000}"#), None);
        assert_eq!(of_object(b"{"), None);
    }
}
