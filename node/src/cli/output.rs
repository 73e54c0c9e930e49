//! How commands speak to a person or a program: colours on terminals only, numbers that can be read.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Which colour, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Dim,
    Green,
    Yellow,
    Red,
    Blue,
}

/// Whether to colour what is written to one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// Colours the standard output if it is a terminal and `NO_COLOR` (no-color.org) is not set.
    pub(super) fn stdout() -> Self {
        Self(io::stdout().is_terminal() && colours_wanted())
    }

    /// Colours the standard error likewise.
    pub(super) fn stderr() -> Self {
        Self(io::stderr().is_terminal() && colours_wanted())
    }

    /// Colours nothing.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self(false)
    }

    /// Returns `text` in `colour`.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Dim => 2,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
            Colour::Blue => 34,
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells on the standard error what went wrong, with its causes.
pub(super) fn complain(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // A transparent error repeats its cause, and some sentences name theirs.
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    let label = Paint::stderr().paint(Colour::Red, "error:");
    // If the standard error is gone, nobody is left to tell.
    let _ = writeln!(io::stderr(), "{label} {text}");
}

/// Tells on the standard error what the person should know although it went well.
pub(super) fn warn(text: &str) {
    let label = Paint::stderr().paint(Colour::Yellow, "warning:");
    let _ = writeln!(io::stderr(), "{label} {text}");
}

/// Returns text from elsewhere without control characters, which could make a terminal lie; tabs stay.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Returns a number of bytes as a person reads it: `1.4 GiB`.
pub(super) fn human_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut scaled = bytes as f64;
    while scaled >= 1023.95 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{scaled:.1} {}", units[unit]) }
}

/// Returns a number with its thousands set apart: `20,000`.
pub(super) fn human_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a time span in its two largest units: `3m 12s`.
pub(super) fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Lays out rows in columns that are as wide as their widest cell. The first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wide - width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Counts characters, without those that only set colours.
fn width(cell: &str) -> usize {
    let mut count = 0;
    let mut letters = cell.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            letters.by_ref().find(|end| *end == 'm');
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (u64::MAX, "16384.0 PiB")]
        {
            assert_eq!(human_bytes(bytes), shown);
        }
        for (count, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(human_count(count), shown);
        }
        for (millis, shown) in [(1500, "1.5s"), (61_000, "1m 1s"), (3_660_000, "1h 1m"), (90_000_000, "1d 1h")] {
            assert_eq!(human_duration(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let painted = Paint(true).paint(Colour::Green, "live");
        let rows = [
            vec!["name".to_owned(), "state".to_owned(), "x".to_owned()],
            vec!["a".to_owned(), painted, "y".to_owned()],
        ];
        assert_eq!(table(&rows), "name  state  x\na     \x1b[32mlive\x1b[0m   y\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn a_line_cannot_command_the_terminal() {
        assert_eq!(printable("a\tb\x1b[2Jc\r\u{9b}"), "a\tb\u{fffd}[2Jc\u{fffd}\u{fffd}");
    }
}
