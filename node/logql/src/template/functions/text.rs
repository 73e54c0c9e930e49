//! Functions on texts. Counts and places are those of characters.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{DecodeError, Engine as _};

use super::Called;
use crate::error::EvalError;
use crate::interrupt::Interrupt;
use crate::regexes::{Groups, TextRegex, expand};
use crate::template::OUTPUT_BYTES_MAX;
use crate::template::arguments::{Arguments, Mistake};
use crate::template::scope::Scope;
use crate::template::value::Value;

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Called<'a> {
    Ok(Value::text(text))
}

/// Returns the place of a text's first bytes after so many characters.
fn byte_at(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

/// Returns a number of characters; none if it is negative.
fn chars(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn padding(width: i64, text: &str) -> Result<(usize, String), Mistake> {
    let len = text.chars().count();
    let fill = chars(width).saturating_sub(len);
    if fill > OUTPUT_BYTES_MAX {
        return Err(Mistake::too_long());
    }
    Ok((len, " ".repeat(fill)))
}

pub(super) fn align_left<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (width, source) = (values.int(0)?, values.text(1)?);
    if width < 0 {
        return text(source.to_owned());
    }
    let (_, fill) = padding(width, source)?;
    text(format!("{}{fill}", &source[..byte_at(source, chars(width))]))
}

pub(super) fn align_right<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (width, source) = (values.int(0)?, values.text(1)?);
    if width < 0 {
        return text(source.to_owned());
    }
    let (len, fill) = padding(width, source)?;
    text(format!("{fill}{}", &source[byte_at(source, len.saturating_sub(chars(width)))..]))
}

pub(super) fn b64enc<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(STANDARD.encode(values.text(0)?))
}

pub(super) fn b64dec<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    // Go's decoder steps over newlines.
    let encoded: String = values.text(0)?.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = LENIENT.decode(&encoded).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => encoded.len() / 4 * 4,
        };
        Mistake::Calling(format!("illegal base64 data at input byte {at}"))
    })?;
    text(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the second argument unless it is empty or missing, else the first.
pub(super) fn default<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(values.get(1).filter(|value| value.is_true()).unwrap_or(&values[0]).clone())
}

/// Returns the value that a JSON document stands for; the empty text if it is none.
pub(super) fn from_json<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(serde_json::from_str(values.text(0)?).map_or_else(|_| Value::text(""), Value::from_json))
}

pub(super) fn lower<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    // Go lowers character by character: a sigma at the end of a word is like any other.
    let source = values.text(0)?;
    if source.is_ascii() {
        return text(source.to_ascii_lowercase());
    }
    let single = |c: char| {
        let mut lowered = c.to_lowercase();
        let first = lowered.next().unwrap_or(c);
        if c == 'İ' { 'i' } else { first }
    };
    text(source.chars().map(single).collect::<String>())
}

pub(super) fn upper<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let source = values.text(0)?;
    if source.is_ascii() {
        text(source.to_ascii_uppercase())
    } else {
        text(source.chars().map(raised).collect::<String>())
    }
}

/// Returns a character in upper case, as long as that is one character too.
fn raised(c: char) -> char {
    let mut raised = c.to_uppercase();
    match (raised.next(), raised.next()) {
        (Some(c), None) => c,
        _ => c,
    }
}

pub(super) fn indent<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(indented(values.int(0)?, values.text(1)?)?)
}

pub(super) fn nindent<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(format!("\n{}", indented(values.int(0)?, values.text(1)?)?))
}

fn indented(spaces: i64, source: &str) -> Result<String, Mistake> {
    let lines = 1 + source.matches('\n').count();
    let fill = repeated(spaces, " ", lines)?;
    Ok(format!("{fill}{}", source.replace('\n', &format!("\n{fill}"))))
}

/// Repeats a text, unless `times` what comes of it would be too long.
fn repeated(count: i64, source: &str, times: usize) -> Result<String, Mistake> {
    let count = usize::try_from(count).map_err(|_| Mistake::from("strings: negative Repeat count"))?;
    let bytes = count.checked_mul(source.len()).and_then(|bytes| bytes.checked_mul(times));
    match bytes {
        Some(bytes) if bytes <= OUTPUT_BYTES_MAX => Ok(source.repeat(count)),
        _ => Err(Mistake::too_long()),
    }
}

pub(super) fn repeat<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(repeated(values.int(0)?, values.text(1)?, 1)?)
}

pub(super) fn replace<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    replaced(values.text(2)?, values.text(0)?, values.text(1)?, usize::MAX)
}

pub(super) fn replace_some<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let most = usize::try_from(values.int(3)?).unwrap_or(usize::MAX);
    replaced(values.text(0)?, values.text(1)?, values.text(2)?, most)
}

fn replaced<'a>(source: &str, old: &str, new: &str, most: usize) -> Called<'a> {
    let matches = source.matches(old).count().min(most);
    let bytes = new.len().checked_mul(matches).and_then(|bytes| bytes.checked_add(source.len()));
    match bytes {
        Some(bytes) if bytes <= OUTPUT_BYTES_MAX + source.len() => text(source.replacen(old, new, most)),
        _ => Err(Mistake::too_long()),
    }
}

/// Cuts as the documentation says: a negative start stands for the beginning, a negative end for the end.
pub(super) fn substr<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (start, end, source) = (values.int(0)?, values.int(1)?, values.text(2)?);
    let end = if end < 0 && start >= 0 { source.len() } else { byte_at(source, chars(end)) };
    let start = byte_at(source, chars(start)).min(end);
    text(source[start..end].to_owned())
}

/// Raises the first letter of each word.
pub(super) fn title<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let source = values.text(0)?;
    let mut out = String::with_capacity(source.len());
    let mut before = ' ';
    for c in source.chars() {
        let separated = if before.is_ascii() {
            !(before.is_ascii_alphanumeric() || before == '_')
        } else {
            before.is_whitespace() && !before.is_alphanumeric()
        };
        out.push(if separated { raised(c) } else { c });
        before = c;
    }
    text(out)
}

pub(super) fn trim<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(values.text(0)?.trim().to_owned())
}

fn in_set(set: &str) -> impl Fn(char) -> bool {
    move |c| set.contains(c)
}

pub(super) fn trim_all<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(values.text(1)?.trim_matches(in_set(values.text(0)?)).to_owned())
}

pub(super) fn trim_cutset<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(values.text(0)?.trim_matches(in_set(values.text(1)?)).to_owned())
}

pub(super) fn trim_left<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(values.text(0)?.trim_start_matches(in_set(values.text(1)?)).to_owned())
}

pub(super) fn trim_right<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(values.text(0)?.trim_end_matches(in_set(values.text(1)?)).to_owned())
}

pub(super) fn trim_prefix<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    without_prefix(values.text(1)?, values.text(0)?)
}

pub(super) fn trim_prefix_of<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    without_prefix(values.text(0)?, values.text(1)?)
}

fn without_prefix<'a>(source: &str, prefix: &str) -> Called<'a> {
    text(source.strip_prefix(prefix).unwrap_or(source).to_owned())
}

pub(super) fn trim_suffix<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    without_suffix(values.text(1)?, values.text(0)?)
}

pub(super) fn trim_suffix_of<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    without_suffix(values.text(0)?, values.text(1)?)
}

fn without_suffix<'a>(source: &str, suffix: &str) -> Called<'a> {
    text(source.strip_suffix(suffix).unwrap_or(source).to_owned())
}

/// Keeps so many characters from the beginning; of a negative number, from the end.
pub(super) fn trunc<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (count, source) = (values.int(0)?, values.text(1)?);
    if count >= 0 {
        return text(source[..byte_at(source, chars(count))].to_owned());
    }
    let kept = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = source.chars().count().saturating_sub(kept);
    text(source[byte_at(source, skipped)..].to_owned())
}

pub(super) fn urlencode<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    text(query_escape(values.text(0)?))
}

/// Escapes text as the value of a query's parameter.
pub(in crate::template) fn query_escape(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for byte in source.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    out
}

pub(super) fn urldecode<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let source = values.text(0)?.as_bytes();
    let mut bytes = Vec::with_capacity(source.len());
    let mut at = 0;
    while at < source.len() {
        match source[at] {
            b'%' => {
                let digit = |place: usize| source.get(place).and_then(|byte| char::from(*byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
                    let escape = String::from_utf8_lossy(&source[at..source.len().min(at + 3)]);
                    return Err(Mistake::Calling(format!("invalid URL escape {escape:?}")));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            b'+' => {
                bytes.push(b' ');
                at += 1;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    text(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn contains<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(values.text(1)?.contains(values.text(0)?)))
}

pub(super) fn has_prefix<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(values.text(1)?.starts_with(values.text(0)?)))
}

pub(super) fn has_suffix<'a>(_: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    Ok(Value::Bool(values.text(1)?.ends_with(values.text(0)?)))
}

/// Returns a compiled expression. Compiling one anew is dear, and counts so.
fn compiled<'s>(scope: &'s mut Scope<'_, '_>, pattern: &str) -> Result<&'s TextRegex, Mistake> {
    if !scope.patterns.has(pattern) {
        scope.step(COMPILATION_BYTES)?;
    }
    scope.patterns.compiled(pattern).map_err(Mistake::Calling)
}

/// Calls `take` for each match, from left to right: with the text that is left of it and not yet taken, and with its groups. Ends
/// early when nobody waits for the outcome any more: each match may need a look at all that is left of the text. Returns what is
/// left behind the last.
fn each_match<'t>(
    regex: &TextRegex,
    source: &'t str,
    mut take: impl FnMut(&'t str, &Groups<'_, 't>) -> Result<(), Mistake>,
) -> Result<&'t str, Mistake> {
    let (mut start, mut taken, mut last_end) = (0, 0, None);
    while start <= source.len() {
        if Interrupt::is_raised_here() {
            return Err(Mistake::Calling(EvalError::Interrupted.to_string()));
        }
        let Some(groups) = regex.groups_at(source, start) else { break };
        let Some((from, to)) = groups.span() else { break };
        // Nothing is no match right behind a match: the next is looked for one character on.
        if from == to && last_end == Some(to) {
            start = to + source[to..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        take(&source[taken..from], &groups)?;
        (start, taken, last_end) = (to, to, Some(to));
    }
    Ok(&source[taken..])
}

/// What compiling an expression counts for.
const COMPILATION_BYTES: usize = 512 << 10;

pub(super) fn count<'a>(scope: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (pattern, source) = (values.text(0)?, values.text(1)?);
    let mut found = 0;
    each_match(compiled(scope, pattern)?, source, |_, _| {
        found += 1;
        Ok(())
    })?;
    Ok(Value::count(found))
}

pub(super) fn regex_replace_all<'a>(scope: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (source, replacement) = (values.text(1)?, values.text(2)?);
    let references = replacement.matches('$').count();
    each_replaced(compiled(scope, values.text(0)?)?, source, |groups, out| {
        // Each dollar may stand for the whole match.
        if groups.get(0).map_or(0, str::len).saturating_mul(references) > OUTPUT_BYTES_MAX {
            return Err(Mistake::too_long());
        }
        expand(groups, replacement, out);
        Ok(())
    })
}

pub(super) fn regex_replace_all_literal<'a>(scope: &mut Scope<'a, '_>, values: Arguments<'_, 'a>) -> Called<'a> {
    let (source, replacement) = (values.text(1)?, values.text(2)?);
    each_replaced(compiled(scope, values.text(0)?)?, source, |_, out| {
        out.push_str(replacement);
        Ok(())
    })
}

fn each_replaced<'a>(
    regex: &TextRegex,
    source: &str,
    replace: impl Fn(&Groups<'_, '_>, &mut String) -> Result<(), Mistake>,
) -> Called<'a> {
    let mut out = String::with_capacity(source.len());
    let rest = each_match(regex, source, |between, groups| {
        out.push_str(between);
        replace(groups, &mut out)?;
        if out.len() > OUTPUT_BYTES_MAX { Err(Mistake::too_long()) } else { Ok(()) }
    })?;
    out.push_str(rest);
    text(out)
}

/// Go's decoder does not mind bits that are left over in the last letter.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
