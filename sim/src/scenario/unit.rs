//! Quantities as people write them: "10m", "64KiB", "1Gbit/s", "0.5%", "10x", "2/s". The error says what can be written.

use std::time::Duration;

/// A shortest and a longest time.
pub type Span = (Duration, Duration);

/// Reads a time: numbers with units, such as `90s`, `1h30m`, `0.2ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err("a time cannot be negative".into());
    }
    if rest.is_empty() {
        return Err("a time is wanted, such as `10m`".into());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or_else(|| format!("`{text}` is no time; write one such as `10m`"))?;
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let unit = &after[..end];
        let Some((_, size)) = TIMES.iter().find(|(name, _)| *name == unit) else {
            let units = names(TIMES);
            let missing = format!("`{text}` lacks its unit, one of {units}");
            return Err(if unit.is_empty() {
                missing
            } else {
                format!("`{unit}` is no unit of time; there are {units}")
            });
        };
        seconds += number * size;
        rest = after[end..].trim_start();
    }
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= TIME_MAX);
    time.ok_or_else(|| format!("`{text}` is longer than {} days, the most", TIME_MAX.as_secs() / 86_400))
}

/// Reads a time or a range of times, such as `0.2ms..3ms`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let Some((from, to)) = text.split_once("..") else {
        return duration(text).map(|time| (time, time));
    };
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err(format!("`{text}` begins above its end"));
    }
    Ok((from, to))
}

/// Reads a number of bytes, such as `64KiB` or `1.5MB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    scaled(text, BYTES, "a size such as `64KiB`").map(|bytes| bytes as u64)
}

/// Reads bytes in a second, such as `1Gbit/s` or `12MiB/s`.
pub(crate) fn bandwidth(text: &str) -> Result<u64, String> {
    let wanted = "a bandwidth such as `1Gbit/s` or `12MiB/s`";
    let Some(amount) = text.trim().strip_suffix("/s") else { return Err(format!("`{text}` is not {wanted}")) };
    let bytes = scaled(amount, BYTES, wanted).or_else(|_| scaled(amount, BITS, wanted))?;
    if bytes < 1.0 { Err("a link that carries nothing is to be cut instead".into()) } else { Ok(bytes as u64) }
}

/// Reads a share as parts of a thousand, such as `0.5%`.
pub(crate) fn per_mille(text: &str) -> Result<u32, String> {
    let wanted = || format!("`{text}` is not a share such as `0.5%`");
    let (number, unit) = number(text.trim()).ok_or_else(wanted)?;
    match unit.trim() {
        "%" if (0.0..=100.0).contains(&number) => Ok((number * 10.0).round() as u32),
        "%" => Err("a share lies between 0% and 100%".into()),
        _ => Err(wanted()),
    }
}

/// Reads how many times as much, such as `10x`.
pub(crate) fn factor(text: &str) -> Result<f64, String> {
    let wanted = || format!("`{text}` is not a factor such as `10x`");
    let (number, unit) = number(text.trim()).ok_or_else(wanted)?;
    match unit.trim() {
        "x" if number <= FACTOR_MAX => Ok(number),
        "x" => Err(format!("{FACTOR_MAX}x is the most")),
        _ => Err(wanted()),
    }
}

/// Reads how often a second, such as `2/s`, `30/m`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let wanted = || format!("`{text}` is not a rate such as `2/s` or `30/m`");
    let (number, unit) = number(text.trim()).ok_or_else(wanted)?;
    let size = RATES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wanted)?.1;
    let rate = number / size;
    if rate <= RATE_MAX { Ok(rate) } else { Err(format!("{RATE_MAX} a second is the most")) }
}

fn scaled(text: &str, units: &[(&str, f64)], wanted: &str) -> Result<f64, String> {
    let (number, unit) = number(text.trim()).ok_or_else(|| format!("`{text}` is not {wanted}"))?;
    let found = units.iter().find(|(name, _)| *name == unit.trim());
    let size = found.ok_or_else(|| format!("`{text}` is not {wanted}; the units are {}", names(units)))?.1;
    let amount = number * size;
    if amount <= BYTES_MAX { Ok(amount) } else { Err(format!("`{text}` is more than a pebibyte")) }
}

/// Splits a number off the front.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let number = text[..end].replace('_', "").parse().ok()?;
    Some((number, &text[end..]))
}

fn names(units: &[(&str, f64)]) -> String {
    units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The longest time that can be said.
pub const TIME_MAX: Duration = Duration::from_secs(400 * 86_400);

/// The largest factor that can be said.
pub const FACTOR_MAX: f64 = 10_000.0;

/// The highest rate that can be said, a second.
pub const RATE_MAX: f64 = 10_000.0;

const BYTES_MAX: f64 = (1u64 << 50) as f64;

const TIMES: &[(&str, f64)] = &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

const RATES: &[(&str, f64)] = &[("/s", 1.0), ("/m", 60.0), ("/h", 3_600.0)];

const BYTES: &[(&str, f64)] = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

const BITS: &[(&str, f64)] = &[("kbit", 125.0), ("Mbit", 125e3), ("Gbit", 125e6)];

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        let millis = |text| duration(text).unwrap().as_millis();
        assert_eq!(
            [millis("10m"), millis("1h30m"), millis("0.5s"), millis("1h 1s")],
            [600_000, 5_400_000, 500, 3_601_000]
        );
        assert_eq!(span("0.2ms..3ms").unwrap(), (Duration::from_micros(200), Duration::from_millis(3)));
        assert_eq!([bytes("64KiB").unwrap(), bytes("1.5 MB").unwrap()], [65_536, 1_500_000]);
        assert_eq!([bandwidth("1Gbit/s").unwrap(), bandwidth("12MiB/s").unwrap()], [125_000_000, 12 << 20]);
        assert_eq!((per_mille("0.5%").unwrap(), factor("2.5x").unwrap(), rate("30/m").unwrap()), (5, 2.5, 0.5));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        for (error, expected) in [
            (duration("-5m").unwrap_err(), "cannot be negative"),
            (duration("10").unwrap_err(), "lacks its unit"),
            (duration("10mins").unwrap_err(), "`mins` is no unit of time; there are us, ms, s, m, h, d"),
            (duration("9999d").unwrap_err(), "400 days"),
            (span("3ms..1ms").unwrap_err(), "begins above its end"),
            (bytes("3 apples").unwrap_err(), "the units are B, kB"),
            (bandwidth("10Mbit").unwrap_err(), "1Gbit/s"),
            (per_mille("101%").unwrap_err(), "between 0% and 100%"),
            (factor("ten").unwrap_err(), "such as `10x`"),
            (rate("5").unwrap_err(), "such as `2/s`"),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "[0-9.a-zA-Z%/µ -]{0,12}") {
            let all = [duration(&text).is_ok(), span(&text).is_ok(), bytes(&text).is_ok(), bandwidth(&text).is_ok(),
                per_mille(&text).is_ok(), factor(&text).is_ok(), rate(&text).is_ok()];
            prop_assert!(all.iter().filter(|is_read| **is_read).count() <= 2, "{text} means several things");
        }
    }
}
