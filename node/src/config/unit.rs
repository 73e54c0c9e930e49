//! Durations and sizes as people write them: `250ms`, `24h`, `30d1h`; `8MiB`, `512KiB`. What is shown can be read back.

use std::time::Duration;

/// Reads a duration. A number without a unit is refused, for nobody can know what was meant.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is no duration; write it like 250ms, 30s, 5m, 24h or 14d");
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or_else(refuse)?;
        let (_, unit_millis) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        let part = number.checked_mul(*unit_millis).ok_or_else(refuse)?;
        millis = millis.checked_add(part).ok_or_else(refuse)?;
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration in the largest unit that says it exactly; less than a millisecond is cut off.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show_in(millis, DURATION_UNITS).unwrap_or_else(|| format!("{millis}ms"))
}

/// Reads a number of bytes, which needs no unit: a bare number is bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is no size; write it like 4096, 256KiB, 8MiB or 1GiB");
    let (number, unit, after) = number_and_unit(text.trim()).ok_or_else(refuse)?;
    let unit = if unit.is_empty() { "B" } else { unit };
    let known = SIZE_UNITS.iter().chain(DECIMAL_SIZE_UNITS).find(|(name, _)| *name == unit);
    let (_, unit_bytes) = known.filter(|_| after.is_empty()).ok_or_else(refuse)?;
    number.checked_mul(*unit_bytes).ok_or_else(refuse)
}

/// Writes a number of bytes in the largest binary unit that says it exactly.
pub(crate) fn show_size(bytes: u64) -> String {
    show_in(bytes, SIZE_UNITS).unwrap_or_else(|| format!("{bytes}B"))
}

fn show_in(amount: u64, units: &[(&str, u64)]) -> Option<String> {
    let (name, unit) = units.iter().find(|(_, unit)| amount >= *unit && amount.is_multiple_of(*unit))?;
    Some(format!("{}{name}", amount / unit))
}

/// Splits `30d1h` into 30, `d` and `1h`.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().ok()?;
    let rest = text[digits..].trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    Some((number, &rest[..letters], rest[letters..].trim_start()))
}

/// In milliseconds, the largest first.
const DURATION_UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: &[(&str, u64)] = &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

const DECIMAL_SIZE_UNITS: &[(&str, u64)] =
    &[("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis, shown) in [
            ("250ms", 250, "250ms"),
            ("90s", 90_000, "90s"),
            ("60 s", 60_000, "1m"),
            ("24h", 86_400_000, "1d"),
            ("30d1h", 721 * 3_600_000, "721h"),
            ("0s", 0, "0ms"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(show_duration(duration), shown, "{text}");
            assert_eq!(parse_duration(shown), Ok(duration), "{text}");
        }
        for bad in ["", "30", "s", "-1s", "1.5h", "1y", "99999999999999999d", "1h2", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was read");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in
            [("8MiB", 8 << 20, "8MiB"), ("4096", 4096, "4KiB"), ("1 GB", 1_000_000_000, "1000000000B"), ("0", 0, "0B")]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), shown, "{text}");
            assert_eq!(parse_size(shown), Ok(bytes), "{text}");
        }
        for bad in ["", "MiB", "8Mib", "1MiB1KiB", "99999999TiB", "-1"] {
            assert!(parse_size(bad).is_err(), "{bad:?} was read");
        }
    }
}
