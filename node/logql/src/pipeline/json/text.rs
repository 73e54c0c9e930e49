//! The insides of JSON's strings: where they end, what their escapes mean, and which label's name a key becomes.

use memchr::memchr2;

/// Returns the place of the first quote or backslash. Most strings are short, where calling memchr costs more than it
/// saves, so it is called for long ones only.
pub(super) fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some((chunk, _)) = bytes[at..].split_first_chunk::<8>() {
        if at == 32 {
            return memchr2(b'"', b'\\', &bytes[at..]).map(|found| at + found);
        }
        let word = u64::from_le_bytes(*chunk);
        let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|found| at + found)
}

/// Sets the high bit of each byte that is zero; above the lowest such byte there may be false ones. (H. S. Warren,
/// Hacker's Delight, 6-1.)
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Returns how many bytes a key will have as a label's name of its own, or behind another; `None` if that takes a closer
/// look.
pub(in super::super) fn sanitized_len(key: &[u8]) -> Option<usize> {
    let blank = key.trim_ascii().len() < key.len();
    (key.is_ascii() && !blank && !key.first().is_some_and(u8::is_ascii_digit)).then_some(key.len())
}

/// Appends a key so that the whole is a label's name: blanks around it are left out, every character that is no ASCII letter, digit or underscore
/// becomes an underscore, and a name that would begin with a digit gets one before it.
pub(crate) fn push_sanitized(name: &mut String, key: &[u8]) {
    let key = key.trim_ascii();
    if name.is_empty() && key.first().is_some_and(u8::is_ascii_digit) {
        name.push('_');
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if key.iter().all(plain)
        && let Ok(key) = std::str::from_utf8(key)
    {
        name.push_str(key);
        return;
    }
    for byte in key {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            name.push(char::from(*byte));
        } else if !matches!(byte, 0x80..=0xBF) {
            // One underscore a character: the bytes that continue one are left out.
            name.push('_');
        }
    }
}

/// Returns the length of the escape at the start of `rest`, if it is one.
pub(super) fn escape_len(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => rest.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Appends `raw`, whose escapes were checked, with its escapes resolved. A lone surrogate becomes U+FFFD.
pub(super) fn unescape(raw: &[u8], out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.push_str(&String::from_utf8_lossy(&rest[..at]));
        rest = &rest[at..];
        let simple = match rest.get(1) {
            Some(b'u') => {
                let (c, len) = unicode_escape(rest);
                out.push(c);
                rest = &rest[len.min(rest.len())..];
                continue;
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(other) => char::from(*other),
            None => return,
        };
        out.push(simple);
        rest = &rest[2..];
    }
    out.push_str(&String::from_utf8_lossy(rest));
}

/// Reads `\uXXXX`, or two of them that are a surrogate pair; returns the character and the length.
fn unicode_escape(rest: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(6)) {
        let c = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}
