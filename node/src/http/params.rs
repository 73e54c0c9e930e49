//! The parameters of a request: of its URL, and of its form where it has one. A bad one is named.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Uri;
use logmesh_logql::{parse_duration, parse_timestamp};
use logmesh_protocol::time::{TimeRange, Timestamp};

use super::refusal::Refused;

/// All parameters, in order; those of the URL first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the parameters of a URL and of a form body (empty for GET).
    pub(crate) fn read(uri: &Uri, form: &Bytes) -> Self {
        let query = uri.query().unwrap_or("").as_bytes();
        let pairs = form_urlencoded::parse(query).chain(form_urlencoded::parse(form));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Returns the first value of `name`; an empty one counts as absent.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(other, value)| other == name && !value.is_empty());
        named.next().map(|(_, value)| value.as_str())
    }

    /// Returns all values of `name` that are not empty.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(other, value)| other == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the pairs whose name is not in `names`.
    pub(crate) fn others(&self, names: &[&str]) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// Returns the value of `name`, or the refusal that says it is missing.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refused> {
        self.first(name).ok_or_else(|| Refused::bad_request(format!("parameter {name} is missing")))
    }

    /// Returns the number `name`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Refused> {
        let parse = |text: &str| text.parse().map_err(|_| bad(name, text, "a whole number"));
        self.first(name).map(parse).transpose()
    }

    /// Returns the flag `name`; absent is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.first(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(text) => Err(bad(name, text, "true or false")),
        }
    }

    /// Returns the point in time `name`.
    pub(crate) fn timestamp(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        let parse = |text: &str| {
            parse_timestamp(text)
                .map_err(|_| bad(name, text, "nanoseconds since the epoch, seconds with a decimal point, or RFC 3339"))
        };
        self.first(name).map(parse).transpose()
    }

    /// Returns the length of time `name`: a duration such as 5m, or seconds.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, Refused> {
        let parse = |text: &str| parse_duration(text).map_err(|_| bad(name, text, "a duration such as 5m, or seconds"));
        self.first(name).map(parse).transpose()
    }

    /// Returns the range from `start` to `end`, or `since` before the end where there is no start; `end` is now and
    /// `since` is `default` where they are absent.
    pub(crate) fn range(&self, now: Timestamp, default: Duration) -> Result<TimeRange, Refused> {
        let end = self.timestamp("end")?.unwrap_or(now);
        let since = self.duration("since")?.unwrap_or(default);
        // Without an end in the past, a start may lie ahead of now by a client's clock; the range is then empty.
        let start = self.timestamp("start")?.unwrap_or_else(|| end.min(now).saturating_sub(since));
        if end < start {
            return Err(Refused::bad_request(format!("end ({end}) lies before start ({start})")));
        }
        Ok(TimeRange { start, end })
    }
}

fn bad(name: &str, text: &str, wanted: &str) -> Refused {
    let shown: String = text.chars().take(100).collect();
    Refused::bad_request(format!("parameter {name}: {shown:?} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::read(&format!("/x?{query}").parse().unwrap(), &Bytes::new())
    }

    #[test]
    fn url_and_form_are_read_alike() {
        let read = Params::read(&"/x?a=1&a=%20".parse().unwrap(), &Bytes::from_static(b"b=x+y&c="));
        assert_eq!(read.all("a").collect::<Vec<_>>(), ["1", " "]);
        assert_eq!((read.first("b"), read.first("c")), (Some("x y"), None));
    }

    #[test]
    fn a_bad_parameter_is_named() {
        let hour = Duration::from_secs(3600);
        for query in ["start=x", "end=1e", "since=5parsecs", "start=2&end=1"] {
            let refused = format!("{:?}", params(query).range(Timestamp::from_nanos(5), hour).unwrap_err());
            let name = query.split('=').next().unwrap();
            assert!(refused.contains(name) && refused.contains("400"), "{refused}");
        }
        assert!(params("limit=-1").number("limit").is_err());
        assert!(params("strict=maybe").flag("strict").is_err());
    }

    #[test]
    fn a_range_defaults_to_the_time_before_now() {
        let range = params("").range(Timestamp::from_nanos(10_000_000_000), Duration::from_secs(4)).unwrap();
        assert_eq!((range.start.as_nanos(), range.end.as_nanos()), (6_000_000_000, 10_000_000_000));
    }
}
