//! Reads numbers and quoted texts as Go's source has them.

/// A number in a template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Without a point or an exponent.
    Int(i64),
    /// With one.
    Float(f64),
}

/// Reads a number, or says why it is none.
pub(super) fn read(text: &str) -> Result<Number, String> {
    let bad = || format!("bad number syntax: {text:?}");
    if let Some(value) = integer(text) {
        return i64::try_from(value).map(Number::Int).map_err(|_| format!("integer overflow: {text:?}"));
    }
    let digits = text.trim_start_matches(['+', '-']);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        // Something like `08`, which is no octal number, or too many digits.
        return text.parse().map(Number::Int).map_err(|_| format!("integer overflow: {text:?}"));
    }
    if digits.ends_with('i') && float(&digits[..digits.len() - 1]).is_some() {
        return Err(format!("complex numbers are not supported: {text:?}"));
    }
    let value = float(text).ok_or_else(bad)?;
    if value.is_finite() { Ok(Number::Float(value)) } else { Err(format!("number out of range: {text:?}")) }
}

/// Reads a whole number with Go's prefixes: `0x`, `0o`, `0b`, a leading zero for octal; underscores between digits.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let head = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, body) = match head.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // An underscore stands between digits, or between the prefix and a digit.
    let prefixed = radix != 10;
    if body.is_empty() || body.ends_with('_') || body.contains("__") || (body.starts_with('_') && !prefixed) {
        return None;
    }
    let plain = body.replace('_', "");
    if plain.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(&plain, radix).ok().map(|value| sign * value)
}

/// Reads a decimal float as Go's source has it.
fn float(text: &str) -> Option<f64> {
    let fine = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let plain = text.replace('_', "");
    if plain.chars().all(fine) { plain.parse().ok() } else { None }
}

/// Resolves the escapes of a text between quotes; `None` if one is malformed. Bytes that are no UTF-8 become `�`.
pub(super) fn unquote(text: &str, quote: char) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        let (digits, radix) = match escape {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (3, 8),
            simple => {
                bytes.push(simple_escape(simple, quote)?);
                continue;
            }
        };
        if radix == 8 {
            rest = &text[text.len() - rest.len() - 1..];
        }
        let number = rest.get(..digits)?;
        if number.starts_with('+') {
            return None;
        }
        let number = u32::from_str_radix(number, radix).ok()?;
        rest = &rest[digits..];
        match escape {
            'u' | 'U' => bytes.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes()),
            // In a character constant this is a code point, not a byte.
            _ if quote == '\'' => bytes.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => bytes.push(u8::try_from(number).ok()?),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn simple_escape(escape: char, quote: char) -> Option<u8> {
    Some(match escape {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' | '\'' if escape == quote => u8::try_from(escape).ok()?,
        _ => return None,
    })
}
