//! Writes floats as Go's package `strconv` does.

use std::fmt::Write;

/// Writes a float as `%v` does: the shortest text that reads back, with an exponent where it is large or small.
pub(in crate::template) fn shortest(value: f64) -> String {
    if value.is_infinite() {
        return (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned();
    }
    write(value, 'g', None)
}

/// Writes a float with one of the verbs `e E f F g G b x X`, with so many digits, or as many as it takes. Infinity comes
/// without a plus.
pub(super) fn write(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let value = value.abs();
    if value.is_infinite() {
        return format!("{sign}Inf");
    }
    let body = match verb {
        'e' | 'E' => exponential(value, precision),
        'f' | 'F' => match precision {
            Some(digits) => format!("{value:.digits$}"),
            None => format!("{value}"),
        },
        'b' => binary(value),
        'x' | 'X' => hexadecimal(value, precision),
        _ => general(value, precision),
    };
    let body = if matches!(verb, 'E' | 'G' | 'X') { body.to_uppercase() } else { body };
    format!("{sign}{body}")
}

fn exponential(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(digits) => format!("{value:.digits$e}"),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{mantissa}{}", exponent_text(exponent.parse().unwrap_or(0), 2))
}

/// Writes an exponent with its sign and at least so many digits.
fn exponent_text(exponent: i32, digits: usize) -> String {
    format!("e{}{:0digits$}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

fn general(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(digits) => format!("{value:.*e}", digits.max(1) - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let threshold = match precision {
        None => SHORTEST_EXPONENT_MAX,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > len && len > exponent { len } else { precision }
        }
    };
    if exponent < -4 || exponent >= threshold {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{first}{point}{rest}{}", exponent_text(exponent, 2));
    }
    plain(digits, exponent)
}

/// Writes digits, the first of which counts ten to the `exponent`, without an exponent.
fn plain(digits: &str, exponent: i32) -> String {
    let Ok(exponent) = usize::try_from(exponent) else {
        return format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)));
    };
    if digits.len() <= exponent + 1 {
        return format!("{digits}{}", "0".repeat(exponent + 1 - digits.len()));
    }
    let (whole, fraction) = digits.split_at(exponent + 1);
    format!("{whole}.{fraction}")
}

/// Returns the mantissa as a whole number and the exponent of two.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let exponent = i32::try_from(exponent).unwrap_or(0);
    if exponent == 0 { (fraction, -1_074) } else { (fraction | 1 << 52, exponent - 1_075) }
}

fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{}{}", if exponent < 0 { "-" } else { "+" }, exponent.unsigned_abs())
}

/// Writes `0x1.8p+01`, the mantissa rounded to so many digits, to even where it is halfway.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One digit before the point, thirteen behind it.
        let shift = mantissa.leading_zeros() - 11;
        mantissa <<= shift;
        exponent += 52 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(digits) = precision.filter(|digits| *digits < 13) {
        let dropped = 52 - 4 * u32::try_from(digits).unwrap_or(13);
        let half = 1u64 << (dropped - 1);
        let (kept, rest) = (mantissa >> dropped, mantissa & ((1 << dropped) - 1));
        let up = rest > half || (rest == half && kept & 1 == 1);
        mantissa = (kept + u64::from(up)) << dropped;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(digits) if digits < 13 => fraction.truncate(digits),
        Some(digits) => fraction.push_str(&"0".repeat(digits - 13)),
    }
    let mut out = format!("0x{}", mantissa >> 52);
    if !fraction.is_empty() {
        write!(out, ".{fraction}").expect("writing to a string never fails");
    }
    write!(out, "p{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
        .expect("writing to a string never fails");
    out
}

/// From this exponent on the shortest form has one.
const SHORTEST_EXPONENT_MAX: i32 = 6;
