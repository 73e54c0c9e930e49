//! Plain lines, `POST /logmesh/v1/lines?label=value…`: one record a line, of one stream.
//!
//! Lines end with LF or CRLF; empty ones are skipped. A line that is a JSON object may carry its own time: the first key
//! named `timestamp`, `time`, `ts` or `@timestamp` (at the top level, in the order of the object) whose value reads as a
//! time is taken; the line itself is kept as it came. A time is RFC 3339 with an offset, or a count since 1970 (a number,
//! or a string of digits) whose size tells its unit: seconds below 10¹¹, milliseconds below 10¹⁴, microseconds below 10¹⁷,
//! else nanoseconds; decimals are allowed. Numbers below 10⁸ are no time (they are uptimes and counters).
//!
//! Every other line gets `now`, a nanosecond more for each line before it, so that their order is kept.

mod time;

use logmesh_protocol::time::Timestamp;
use memchr::memchr_iter;

use crate::accepted::Accepted;
use crate::body::BodyError;
use crate::intake::Intake;
use crate::labels;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::wire::text;

/// Decodes lines into records of the stream `labels`. Labels that cannot be taken make the whole body malformed, for there
/// is no other stream to keep.
pub fn decode(
    body: &[u8],
    labels: &[(String, String)],
    limits: &Limits,
    now: Timestamp,
) -> Result<Accepted, BodyError> {
    if body.len() > limits.body_bytes_max {
        return Err(BodyError::too_large(limits));
    }
    let labels = labels::check(labels.to_vec(), limits).map_err(|flaw| {
        BodyError::Malformed(format!("the stream named by the query parameters (?app=web&…) cannot be taken: {flaw}"))
    })?;
    let mut intake = Intake::new(limits, now);
    let stream = intake.stream(b"", || Ok(labels));
    let (metadata, mut start, mut index) = (Metadata::new(limits), 0, 0);
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = body[start..end].strip_suffix(b"\r").unwrap_or(&body[start..end]);
        start = end + 1;
        if line.is_empty() {
            continue;
        }
        let own = if line[0] == b'{' { time::of_object(line) } else { None };
        let timestamp = own.unwrap_or_else(|| now.as_nanos().saturating_add(index));
        intake.push(stream, timestamp, &metadata, &text(line))?;
        index += 1;
    }
    Ok(intake.finish())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::sample::{NOW, broken, plain_limits, rows};

    fn labels() -> Vec<(String, String)> {
        vec![("app".to_owned(), "web".to_owned())]
    }

    #[test]
    fn each_line_is_a_record_in_its_order() {
        let accepted = decode(b"one\r\n\n two \r\n\r\nthree", &labels(), &plain_limits(), NOW).unwrap();
        let read: Vec<_> = rows(&accepted).into_iter().map(|row| (row.0, row.1 - NOW.as_nanos(), row.3)).collect();
        let wanted = [(0, "one"), (1, " two "), (2, "three")];
        let app = r#"{app="web"}"#;
        assert_eq!(read, wanted.map(|(since, line)| (app.to_owned(), since, line.to_owned())));
        assert_eq!(decode(b"\n\n", &labels(), &plain_limits(), NOW), Ok(Accepted::default()));
    }

    #[test]
    fn a_line_keeps_its_own_time_and_its_bytes() {
        let body = br#"{"msg":"a","ts":1699999999.5}
{"msg":"b"}
{"time":"2023-11-14T22:13:19+00:00" , "msg":"c"}
{"time":"2013-11-14T22:13:19Z"}
{not json"#;
        let accepted = decode(body, &labels(), &plain_limits(), NOW).unwrap();
        let read: Vec<_> = rows(&accepted).into_iter().map(|row| (row.1 - NOW.as_nanos(), row.3)).collect();
        assert_eq!(read[0], (-500_000_000, r#"{"msg":"a","ts":1699999999.5}"#.to_owned()));
        assert_eq!(read[1], (1, r#"{"msg":"b"}"#.to_owned()));
        assert_eq!(read[2].0, -1_000_000_000);
        assert_eq!(read[3], (4, "{not json".to_owned()));
        assert_eq!(accepted.rejected.count, 1);
        assert!(accepted.rejected.first[0].contains("too old"));
    }

    #[test]
    fn what_is_too_large_or_nameless_is_refused() {
        let limits = Limits { line_bytes_max: 3, body_bytes_max: 12, ..plain_limits() };
        let accepted = decode(b"long\nok\nlong", &labels(), &limits, NOW).unwrap();
        assert_eq!((accepted.record_count, accepted.rejected.count), (1, 2));
        assert_eq!(decode(&[b'x'; 13], &labels(), &limits, NOW).unwrap_err().status(), 413);
        assert_eq!(decode(b"x", &[], &limits, NOW).unwrap_err().status(), 400);
        let bad = [("a b".to_owned(), "c".to_owned())];
        assert_eq!(decode(b"x", &bad, &limits, NOW).unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(lines in vec("[^\r\n]{1,20}", 0..20)) {
            let accepted = decode(lines.join("\n").as_bytes(), &labels(), &plain_limits(), NOW).unwrap();
            let read: Vec<String> = rows(&accepted).into_iter().map(|row| row.3).collect();
            prop_assert_eq!(read, lines);
        }

        #[test]
        fn noise_never_panics(bytes in vec(any::<u8>(), 0..64), change: (usize, u8), cut: usize) {
            let json = br#"{"a":[1,{"b":"\"\\"}],"time":"2023-11-14T22:13:19.123Z","ts":"1700000000000"}"#;
            for body in [bytes, broken(json, change, cut)] {
                let accepted = decode(&body, &labels(), &plain_limits(), NOW).unwrap();
                rows(&accepted);
            }
        }
    }
}
