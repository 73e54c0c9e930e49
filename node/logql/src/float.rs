//! Numbers as they stand in the values of labels: as Go reads them, which knows hexadecimal ones too, and refuses those that
//! are too large.

/// Reads a number, or tells in Go's words why it is none.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let signed_nan = unsigned.len() < text.len() && unsigned.eq_ignore_ascii_case("nan");
    let parsed = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => hexadecimal(digits).map(|value| if text.starts_with('-') { -value } else { value }),
        None => text.parse::<f64>().ok().filter(|_| !signed_nan),
    };
    match parsed {
        None => Err(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        Some(value) if value.is_infinite() && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            Err(format!("strconv.ParseFloat: parsing {text:?}: value out of range"))
        }
        Some(value) => Ok(value),
    }
}

/// Reads what stands behind `0x`: digits with at most one point, and an exponent of two, which is not optional.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let readable = plain.bytes().all(|byte| byte.is_ascii_digit()) && (1..=5).contains(&plain.len());
    if !readable || whole.len() + fraction.len() > HEX_DIGITS_MAX {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let exponent = exponent.parse::<i32>().ok()? - 4 * fraction.len() as i32;
    // In two steps, for the power alone may be out of range where the product is not.
    let half = exponent / 2;
    Some(digits as f64 * 2f64.powi(half) * 2f64.powi(exponent - half))
}

/// So many hexadecimal digits make a mantissa that is read exactly, or rounded once.
const HEX_DIGITS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_go() {
        let cases: [(&str, Option<f64>); 24] = [
            ("1", Some(1.0)),
            ("-1.5", Some(-1.5)),
            ("+.5", Some(0.5)),
            ("1.", Some(1.0)),
            ("1e3", Some(1_000.0)),
            ("1E-3", Some(0.001)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x1p-2", Some(0.25)),
            ("-0X1.8P1", Some(-3.0)),
            ("0x10", None),
            ("0xp1", None),
            ("0x1p", None),
            ("0x1p+", None),
            ("0x1p99999", None),
            ("1e999", None),
            ("-1e999", None),
            ("+nan", None),
            ("1_000", None),
            ("1,5", None),
            (" 1", None),
            ("1s", None),
            ("e5", None),
            ("٣", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_float(text).ok(), value, "{text}");
        }
        assert!(parse_float("NaN").is_ok_and(f64::is_nan));
    }
}
