//! Functions on times and durations, and those that tell the line and when it happened.

use jiff::{Timestamp, ToSpan};

use super::Called;
use crate::duration::{label_duration, unread_duration};
use crate::template::arguments::{Arguments, Mistake};
use crate::template::layout;
use crate::template::scope::Scope;
use crate::template::time::{Time, Zone};
use crate::template::value::Value;

pub(super) fn line<'a>(scope: &mut Scope<'a, '_>, _: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(scope.row.line()))
}

pub(super) fn timestamp<'a>(scope: &mut Scope<'a, '_>, _: Arguments<'_, 'a>) -> Called<'a> {
    Ok(time(Time::from_nanos(scope.row.timestamp().as_nanos())))
}

pub(super) fn now<'a>(scope: &mut Scope<'a, '_>, _: Arguments<'_, 'a>) -> Called<'a> {
    Ok(time(Time::from_nanos(scope.row.now().as_nanos())))
}

fn time<'a>(time: Time) -> Value<'a> {
    Value::Time(time.into())
}

/// Writes a time, or seconds since 1970; anything else stands for the present.
pub(super) fn date<'a>(scope: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let layout = values.text(0)?;
    Ok(Value::text(match &values[1] {
        Value::Time(time) => layout::format(time, layout),
        Value::Int(seconds, _) => {
            layout::format(&Time::utc(Timestamp::from_second(*seconds).unwrap_or_default()), layout)
        }
        _ => layout::format(&Time::from_nanos(scope.row.now().as_nanos()), layout),
    }))
}

pub(super) fn to_date<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let read = layout::read(values.text(0)?, values.text(1)?, &Zone::utc());
    Ok(time(read.unwrap_or_else(Time::zero)))
}

pub(super) fn to_date_in_zone<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let read = layout::read(values.text(0)?, values.text(2)?, &Zone::named(values.text(1)?));
    Ok(time(read.unwrap_or_else(Time::zero)))
}

pub(super) fn unix_epoch<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(values.time(0)?.unix().to_string()))
}

pub(super) fn unix_epoch_millis<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(values.time(0)?.unix_units(1_000_000).to_string()))
}

pub(super) fn unix_epoch_nanos<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::text(values.time(0)?.unix_nanos().to_string()))
}

/// Reads a number of days, seconds, milliseconds, microseconds or nanoseconds since 1970; its length tells which.
pub(super) fn unix_to_time<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let text = values.text(0)?;
    let number: i64 = text.parse().map_err(|_| Mistake::Calling(format!("unable to parse time {text:?}")))?;
    let at = match text.len() {
        5 => Timestamp::UNIX_EPOCH.checked_add((number.saturating_mul(24)).hours()),
        10 => Timestamp::from_second(number),
        13 => Timestamp::from_millisecond(number),
        16 => Timestamp::from_microsecond(number),
        19 => Timestamp::from_nanosecond(number.into()),
        _ => {
            let message = format!(
                "unable to parse time {text:?}: expected 5 digits of days, 10 of seconds, 13 of milliseconds, 16 of microseconds or 19 of nanoseconds"
            );
            return Err(Mistake::Calling(message));
        }
    };
    Ok(time(Time::utc(at.map_err(|_| Mistake::Calling(format!("unable to parse time {text:?}")))?)))
}

/// Reads a duration such as `1h30m` and returns its seconds.
pub(super) fn duration<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let text = values.text(0)?;
    let read = label_duration(text).map(|span| Value::Float(span.as_seconds()));
    read.ok_or_else(|| Mistake::Calling(unread_duration(text)))
}
