//! Takes a line apart: words, what stands between them, and `<_>` for words that are plainly variable.

use serde::{Deserialize, Serialize};

/// What stands for anything.
pub(super) const ANY: &str = "<_>";
/// The most pieces of a line; the rest of a longer one is taken for variable.
pub(super) const PIECES_MAX: usize = 256;
/// The most bytes of a line that are looked at; the rest is taken for variable.
pub(super) const BYTES_MAX: usize = 4 << 10;
/// The most bytes of a word that is kept as it is; a longer one is taken for variable. So long are data, not words. What stands between
/// two words and is longer ends the line as far as patterns go.
pub(super) const WORD_BYTES_MAX: usize = 512;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Piece {
    /// This text: a word, or what stands between two.
    Text(String),
    /// Any word.
    Any,
}

impl Piece {
    /// Returns the piece of this view.
    pub(super) fn new(view: &str) -> Self {
        if view == ANY { Piece::Any } else { Piece::Text(view.to_owned()) }
    }

    /// Returns how it is written.
    pub(super) fn view(&self) -> &str {
        match self {
            Piece::Text(text) => text,
            Piece::Any => ANY,
        }
    }
}

/// Writes a pattern. Several variable pieces without anything between them are one.
pub(super) fn joined(pieces: &[Piece]) -> String {
    let mut out = String::new();
    let mut any_before = false;
    for piece in pieces {
        let any = *piece == Piece::Any;
        if !(any && any_before) {
            out.push_str(piece.view());
        }
        any_before = any;
    }
    out
}

/// Where the pieces of the line at hand lie; used again line after line.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Where each ends, and whether it is variable.
    ends: Vec<(usize, bool)>,
}

impl Pieces {
    /// Takes a line apart.
    pub(super) fn read(&mut self, line: &str) {
        self.ends.clear();
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if self.ends.len() + 1 >= PIECES_MAX || at >= BYTES_MAX {
                self.ends.push((bytes.len(), true));
                return;
            }
            let start = at;
            if is_separator(bytes[at]) {
                at += bytes[at..].iter().take_while(|byte| is_separator(**byte)).count();
                if at - start > WORD_BYTES_MAX {
                    self.ends.push((bytes.len(), true));
                    return;
                }
                self.ends.push((at, false));
                continue;
            }
            at = word_end(bytes, at);
            let is_variable = at - start > WORD_BYTES_MAX || is_variable(&bytes[start..at]);
            self.ends.push((at, is_variable));
        }
    }

    /// Returns the pieces of the line that was read, `<_>` for the variable ones.
    pub(super) fn views<'l>(&self, line: &'l str) -> impl Iterator<Item = &'l str> {
        let mut start = 0;
        self.ends.iter().map(move |(end, variable)| {
            let text = &line[start..*end];
            start = *end;
            if *variable { ANY } else { text }
        })
    }
}

/// Tells whether a piece is a word.
pub(super) fn is_word(view: &str) -> bool {
    view == ANY || !view.as_bytes().first().is_some_and(|byte| is_separator(*byte))
}

fn is_separator(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' '
            | b'='
            | b':'
            | b','
            | b';'
            | b'"'
            | b'\''
            | b'`'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'<'
            | b'>'
            | b'|'
            | b'?'
            | b'&'
    )
}

/// Returns the end of the word at `start`. A colon or comma between digits belongs to the number or time that it is in.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        if is_separator(bytes[at]) {
            let within = matches!(bytes[at], b':' | b',') && at > start && bytes[at - 1].is_ascii_digit();
            if !(within && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) {
                break;
            }
        }
        at += 1;
    }
    at
}

/// Tells whether a word is plainly variable: a number, a time, an address, a size or the like begins with a digit; an id is
/// of hexadecimal digits, or has many digits.
fn is_variable(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let unsigned = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    let unsigned = unsigned.strip_prefix(b"#").unwrap_or(unsigned);
    let hexadecimal = unsigned.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    unsigned.first().is_some_and(u8::is_ascii_digit) || (hexadecimal && word.len() >= 6) || digits >= 4
}
