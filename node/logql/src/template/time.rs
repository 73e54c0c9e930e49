//! Points in time with a zone, as templates see them: Go's `time.Time`, as far as templates can use one.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::layout;
use super::value::{IntKind, NamedKind, Value};

/// A point in time, and where it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) at: Timestamp,
    pub(super) zone: Zone,
}

/// Where a time is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// One of the world's zones.
    Named(TimeZone),
    /// A distance from UTC, with the name that the time's text gave it, if any.
    Fixed(Offset, String),
}

impl Zone {
    /// Returns UTC, which is also what `Local` means here.
    pub(super) fn utc() -> Self {
        Zone::Named(TimeZone::UTC)
    }

    /// Returns the zone of this name in the IANA database, which is part of the program; UTC if there is none.
    pub(super) fn named(name: &str) -> Self {
        static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
        if matches!(name, "" | "UTC" | "Local") {
            return Zone::utc();
        }
        let zone = DATABASE.get_or_init(TimeZoneDatabase::bundled).get(name);
        Zone::Named(zone.unwrap_or(TimeZone::UTC))
    }

    /// Returns the offset in force at a time and what it is called.
    pub(super) fn offset(&self, at: Timestamp) -> (Offset, String) {
        match self {
            Zone::Fixed(offset, name) => (*offset, name.clone()),
            Zone::Named(zone) => {
                let info = zone.to_offset_info(at);
                let name = info.abbreviation();
                // Zones without letters of their own have numbers there, and Go prints those alike.
                (info.offset(), name.to_owned())
            }
        }
    }
}

impl Time {
    /// Returns a time in UTC.
    pub(super) fn utc(at: Timestamp) -> Self {
        Self { at, zone: Zone::utc() }
    }

    /// Returns the time so many nanoseconds after 1970, in UTC.
    pub(super) fn from_nanos(nanos: i64) -> Self {
        Self::utc(Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default())
    }

    /// Returns the time that Go's library gives where a text is no time: the first of January of the year one.
    pub(super) fn zero() -> Self {
        Self::utc(Timestamp::from_second(ZERO_SECONDS).unwrap_or_default())
    }

    /// Returns the date and the clock in the time's zone.
    pub(super) fn civil(&self) -> DateTime {
        self.zone.offset(self.at).0.to_datetime(self.at)
    }

    /// Returns the seconds since 1970, rounded down.
    pub(super) fn unix(&self) -> i64 {
        i64::try_from(self.at.as_nanosecond().div_euclid(1_000_000_000)).unwrap_or_default()
    }

    /// Returns the nanoseconds since 1970; as in Go, what does not fit wraps around.
    pub(super) fn unix_nanos(&self) -> i64 {
        self.at.as_nanosecond() as i64
    }

    /// Returns the whole units of so many nanoseconds since 1970, rounded down.
    pub(super) fn unix_units(&self, nanos: i128) -> i64 {
        i64::try_from(self.at.as_nanosecond().div_euclid(nanos)).unwrap_or_default()
    }

    /// Calls a method, if times have one of that name.
    pub(super) fn method<'a>(&self, name: &str, arguments: &[Value<'a>]) -> Option<Result<Value<'a>, String>> {
        let civil = self.civil();
        let small = |value: i64| Some(Ok(Value::int(value)));
        if let Some(expected) = expected_arguments(name)
            && expected != arguments.len()
        {
            return Some(Err(format!("wrong number of args for {name}: want {expected} got {}", arguments.len())));
        }
        match (name, arguments) {
            ("Format", [Value::Text(layout)]) => Some(Ok(Value::text(layout::format(self, layout)))),
            ("Format", [other]) => {
                Some(Err(format!("wrong type for value; expected string; got {}", other.type_name())))
            }
            ("String", []) => Some(Ok(Value::text(self.to_string()))),
            ("UTC" | "Local", []) => Some(Ok(Value::Time(Time::utc(self.at).into()))),
            ("IsZero", []) => Some(Ok(Value::Bool(self.unix() == ZERO_SECONDS && civil.subsec_nanosecond() == 0))),
            ("Before" | "After" | "Equal" | "Compare", [Value::Time(other)]) => Some(Ok(compared(name, self, other))),
            ("Before" | "After" | "Equal" | "Compare", [other]) => {
                Some(Err(format!("wrong type for value; expected time.Time; got {}", other.type_name())))
            }
            ("Unix", []) => Some(Ok(Value::int64(self.unix()))),
            ("UnixMilli", []) => Some(Ok(Value::int64(self.unix_units(1_000_000)))),
            ("UnixMicro", []) => Some(Ok(Value::int64(self.unix_units(1_000)))),
            ("UnixNano", []) => Some(Ok(Value::Int(self.unix_nanos(), IntKind::Int64))),
            ("Year", []) => small(civil.year().into()),
            ("Month", []) => Some(Ok(month(civil))),
            ("Weekday", []) => Some(Ok(weekday(civil))),
            ("Day", []) => small(civil.day().into()),
            ("YearDay", []) => small(civil.date().day_of_year().into()),
            ("Hour", []) => small(civil.hour().into()),
            ("Minute", []) => small(civil.minute().into()),
            ("Second", []) => small(civil.second().into()),
            ("Nanosecond", []) => small(civil.subsec_nanosecond().into()),
            _ => None,
        }
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Returns how many arguments a method of times takes.
fn expected_arguments(name: &str) -> Option<usize> {
    match name {
        "Format" | "Before" | "After" | "Equal" | "Compare" => Some(1),
        "String" | "UTC" | "Local" | "IsZero" | "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "Year" | "Month"
        | "Weekday" | "Day" | "YearDay" | "Hour" | "Minute" | "Second" | "Nanosecond" => Some(0),
        _ => None,
    }
}

fn compared<'a>(name: &str, left: &Time, right: &Time) -> Value<'a> {
    let order = left.at.cmp(&right.at);
    match name {
        "Before" => Value::Bool(order.is_lt()),
        "After" => Value::Bool(order.is_gt()),
        "Equal" => Value::Bool(order.is_eq()),
        _ => Value::int(order as i64),
    }
}

fn month<'a>(civil: DateTime) -> Value<'a> {
    let number = usize::from(civil.month().unsigned_abs());
    Value::Named(NamedKind::Month, civil.month().into(), MONTHS[number - 1])
}

fn weekday<'a>(civil: DateTime) -> Value<'a> {
    let number = civil.weekday().to_sunday_zero_offset();
    Value::Named(NamedKind::Weekday, number.into(), WEEKDAYS[usize::from(number.unsigned_abs())])
}

/// The first of January of the year one, in seconds since 1970.
const ZERO_SECONDS: i64 = -62_135_596_800;
/// The months as Go names them.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The days of the week as Go names them.
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
