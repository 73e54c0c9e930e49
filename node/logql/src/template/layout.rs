//! Layouts of times as Go has them: an example, the second of January 2006, 15:04:05 seven hours behind UTC, whose pieces
//! say how each part of a time is written. See the constants of Go's package `time`.

mod read;

use jiff::civil::DateTime;

use super::time::{MONTHS, Time, WEEKDAYS};
pub(super) use read::read;

/// A piece of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// `January`
    LongMonth,
    /// `Jan`
    Month,
    /// `1`
    NumberMonth,
    /// `01`
    ZeroMonth,
    /// `Monday`
    LongWeekday,
    /// `Mon`
    Weekday,
    /// `2`
    Day,
    /// `_2`
    SpaceDay,
    /// `02`
    ZeroDay,
    /// `__2`
    SpaceYearDay,
    /// `002`
    ZeroYearDay,
    /// `15`
    Hour,
    /// `3`
    Hour12,
    /// `03`
    ZeroHour12,
    /// `4`
    Minute,
    /// `04`
    ZeroMinute,
    /// `5`
    Second,
    /// `05`
    ZeroSecond,
    /// `2006`
    LongYear,
    /// `06`
    Year,
    /// `PM`
    UpperPm,
    /// `pm`
    LowerPm,
    /// `MST`
    ZoneName,
    /// `-0700` and its like.
    Offset(OffsetForm),
    /// `.000`: the mark and so many digits.
    Fraction(char, usize),
    /// `.999`: the mark and at most so many digits, zeros at the end left out.
    ShortFraction(char, usize),
}

/// How an offset from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OffsetForm {
    /// Whether no offset at all is written as `Z`.
    z: bool,
    colons: bool,
    minutes: bool,
    seconds: bool,
}

/// Writes a time.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let (offset, zone) = time.zone.offset(time.at);
    let moment = Moment { civil: offset.to_datetime(time.at), offset: offset.seconds(), zone };
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while let Some((before, piece, after)) = next_piece(rest) {
        out.push_str(before);
        moment.write(piece, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A time as its zone tells it.
struct Moment {
    civil: DateTime,
    offset: i32,
    zone: String,
}

impl Moment {
    fn write(&self, piece: Piece, out: &mut String) {
        let civil = &self.civil;
        let month = usize::from(civil.month().unsigned_abs());
        let weekday = WEEKDAYS[usize::from(civil.weekday().to_sunday_zero_offset().unsigned_abs())];
        let (hour, year) = (civil.hour(), civil.year());
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let text = match piece {
            Piece::LongMonth => MONTHS[month - 1].to_owned(),
            Piece::Month => MONTHS[month - 1][..3].to_owned(),
            Piece::NumberMonth => month.to_string(),
            Piece::ZeroMonth => format!("{month:02}"),
            Piece::LongWeekday => weekday.to_owned(),
            Piece::Weekday => weekday[..3].to_owned(),
            Piece::Day => civil.day().to_string(),
            Piece::SpaceDay => format!("{:2}", civil.day()),
            Piece::ZeroDay => format!("{:02}", civil.day()),
            Piece::SpaceYearDay => format!("{:3}", civil.date().day_of_year()),
            Piece::ZeroYearDay => format!("{:03}", civil.date().day_of_year()),
            Piece::Hour => format!("{hour:02}"),
            Piece::Hour12 => hour12.to_string(),
            Piece::ZeroHour12 => format!("{hour12:02}"),
            Piece::Minute => civil.minute().to_string(),
            Piece::ZeroMinute => format!("{:02}", civil.minute()),
            Piece::Second => civil.second().to_string(),
            Piece::ZeroSecond => format!("{:02}", civil.second()),
            Piece::LongYear if year < 0 => format!("-{:04}", -year),
            Piece::LongYear => format!("{year:04}"),
            Piece::Year => format!("{:02}", year.max(0) % 100),
            Piece::UpperPm => (if hour >= 12 { "PM" } else { "AM" }).to_owned(),
            Piece::LowerPm => (if hour >= 12 { "pm" } else { "am" }).to_owned(),
            Piece::ZoneName if self.zone.is_empty() => self.offset(NUMBERS),
            Piece::ZoneName => self.zone.clone(),
            Piece::Offset(form) => self.offset(form),
            Piece::Fraction(mark, digits) => format!("{mark}{}", &self.nanos()[..digits.min(9)]),
            Piece::ShortFraction(mark, digits) => {
                let nanos = self.nanos();
                let kept = nanos[..digits.min(9)].trim_end_matches('0');
                if kept.is_empty() { String::new() } else { format!("{mark}{kept}") }
            }
        };
        out.push_str(&text);
    }

    fn nanos(&self) -> String {
        format!("{:09}", self.civil.subsec_nanosecond())
    }

    fn offset(&self, form: OffsetForm) -> String {
        if form.z && self.offset == 0 {
            return "Z".to_owned();
        }
        // Go takes the sign from the whole minutes.
        let sign = if self.offset / 60 < 0 { '-' } else { '+' };
        let seconds = self.offset.unsigned_abs();
        let mut text = format!("{sign}{:02}", seconds / 3_600);
        let colon = if form.colons { ":" } else { "" };
        if form.minutes {
            text.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
        }
        if form.seconds {
            text.push_str(&format!("{colon}{:02}", seconds % 60));
        }
        text
    }
}

/// Finds the first piece of a layout: what stands before it, the piece, and the rest.
fn next_piece(layout: &str) -> Option<(&str, Piece, &str)> {
    for (at, c) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some((piece, len)) = piece_at(c, rest) {
            return Some((&layout[..at], piece, &rest[len..]));
        }
        // Go reads `_2006` as an underscore and a year.
        if let Some(after) = rest.strip_prefix("_2006") {
            return Some((&layout[..=at], Piece::LongYear, after));
        }
    }
    None
}

/// Returns the piece that begins here, and how long it is.
fn piece_at(c: char, rest: &str) -> Option<(Piece, usize)> {
    let lower_after = |len: usize| rest[len..].starts_with(|c: char| c.is_ascii_lowercase());
    match c {
        'J' if rest.starts_with("Jan") && lower_after(3) && !rest.starts_with("January") => None,
        'M' if rest.starts_with("Mon") && lower_after(3) && !rest.starts_with("Monday") => None,
        '_' if rest.starts_with("_2006") => None,
        '.' | ',' => fraction(c, rest),
        '-' | 'Z' => offset_form(rest),
        _ => PIECES.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, piece)| (*piece, text.len())),
    }
}

fn fraction(mark: char, rest: &str) -> Option<(Piece, usize)> {
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let piece = if digit == '0' { Piece::Fraction(mark, digits) } else { Piece::ShortFraction(mark, digits) };
    Some((piece, 1 + digits))
}

fn offset_form(rest: &str) -> Option<(Piece, usize)> {
    let (z, body) = (rest.starts_with('Z'), &rest[1..]);
    for (text, colons, minutes, seconds) in [
        ("070000", false, true, true),
        ("07:00:00", true, true, true),
        ("0700", false, true, false),
        ("07:00", true, true, false),
        ("07", false, false, false),
    ] {
        if body.starts_with(text) {
            return Some((Piece::Offset(OffsetForm { z, colons, minutes, seconds }), 1 + text.len()));
        }
    }
    None
}

/// `-0700`
const NUMBERS: OffsetForm = OffsetForm { z: false, colons: false, minutes: true, seconds: false };

/// The pieces that are plain words, longer ones before those that they begin with.
const PIECES: &[(&str, Piece)] = &[
    ("January", Piece::LongMonth),
    ("Jan", Piece::Month),
    ("Monday", Piece::LongWeekday),
    ("Mon", Piece::Weekday),
    ("MST", Piece::ZoneName),
    ("002", Piece::ZeroYearDay),
    ("01", Piece::ZeroMonth),
    ("02", Piece::ZeroDay),
    ("03", Piece::ZeroHour12),
    ("04", Piece::ZeroMinute),
    ("05", Piece::ZeroSecond),
    ("06", Piece::Year),
    ("15", Piece::Hour),
    ("1", Piece::NumberMonth),
    ("2006", Piece::LongYear),
    ("2", Piece::Day),
    ("__2", Piece::SpaceYearDay),
    ("_2", Piece::SpaceDay),
    ("3", Piece::Hour12),
    ("4", Piece::Minute),
    ("5", Piece::Second),
    ("PM", Piece::UpperPm),
    ("pm", Piece::LowerPm),
];
