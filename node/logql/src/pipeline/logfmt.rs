//! Reads a logfmt line: `key=value key="quoted value" …`. What is no such pair is stepped over, and so are keys without a
//! value, as LogQL's parser does unless it is told to be strict.

use super::json::push_sanitized;
use super::labels::{FieldSink, TooManyFields};

/// Offers every pair of `line` to `sink`. `scratch` holds names and unquoted values between calls.
pub(crate) fn scan(line: &[u8], scratch: &mut String, sink: &mut impl FieldSink) -> Result<(), TooManyFields> {
    let mut at = 0;
    while at < line.len() {
        if line[at] <= b' ' {
            at += 1;
            continue;
        }
        let key_len = line[at..].iter().take_while(|byte| !matches!(byte, 0..=b' ' | b'=' | b'"')).count();
        let key = &line[at..at + key_len];
        at += key_len;
        if line.get(at) != Some(&b'=') || key.is_empty() {
            // A key alone, or something that is no pair at all.
            at = if line.get(at).is_none_or(|byte| *byte <= b' ') { at } else { skip_broken(line, at) };
            continue;
        }
        let (value, end) = value(line, at + 1);
        at = end;
        let Some(value) = value else { continue };
        if value.content.is_empty() {
            continue;
        }
        offer(key, value, scratch, sink)?;
    }
    Ok(())
}

fn offer(key: &[u8], value: Value<'_>, scratch: &mut String, sink: &mut impl FieldSink) -> Result<(), TooManyFields> {
    scratch.clear();
    push_sanitized(scratch, key);
    if !sink.wants(scratch)? {
        return Ok(());
    }
    if !value.escaped {
        sink.take(scratch, &String::from_utf8_lossy(value.content));
        return Ok(());
    }
    let name_len = scratch.len();
    unquote(value.content, scratch);
    let (name, value) = scratch.split_at(name_len);
    sink.take(name, value);
    Ok(())
}

/// A value as it stands in the line, without its quotes.
struct Value<'l> {
    content: &'l [u8],
    escaped: bool,
}

/// Reads the value at `at`; `None` if it is malformed. Returns also where to go on.
fn value(line: &[u8], at: usize) -> (Option<Value<'_>>, usize) {
    if line.get(at) == Some(&b'"') {
        let mut end = at + 1;
        let mut escaped = false;
        while let Some(byte) = line.get(end) {
            match byte {
                b'"' => {
                    let value = Value { content: &line[at + 1..end], escaped };
                    return (Some(value), end + 1);
                }
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        return (None, line.len());
    }
    let len = line[at..].iter().take_while(|byte| !matches!(byte, 0..=b' ' | b'=' | b'"')).count();
    match line.get(at + len) {
        Some(b'=' | b'"') => (None, skip_broken(line, at + len)),
        _ => (Some(Value { content: &line[at..at + len], escaped: false }), at + len),
    }
}

/// Returns the end of the word at `at`, where the next pair may begin.
fn skip_broken(line: &[u8], at: usize) -> usize {
    line[at..].iter().position(|byte| *byte <= b' ').map_or(line.len(), |len| at + len)
}

/// Appends a quoted value with its escapes resolved, those of JSON; an escape that is none stands for itself.
fn unquote(content: &[u8], out: &mut String) {
    let text = String::from_utf8_lossy(content);
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else {
            out.push('\\');
            return;
        };
        rest = &rest[escape.len_utf8()..];
        match escape {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '"' | '\\' | '/' | '\'' => out.push(escape),
            'u' => {
                let c = rest.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).map(char::from_u32);
                if let Some(c) = c {
                    out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                    rest = &rest[4..];
                } else {
                    out.push_str("\\u");
                }
            }
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
}
