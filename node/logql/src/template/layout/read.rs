//! Reads a time by a layout, with the leniences of Go: names in any case, a fraction of a second that the layout does not
//! mention, blanks that match any number of blanks.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::Offset;

use super::{OffsetForm, Piece, next_piece};
use crate::template::time::{MONTHS, Time, WEEKDAYS, Zone};

/// Reads a time; where its text names no zone it is taken to be in `zone`. `None` if the text does not fit the layout or
/// there is no such time.
pub(in crate::template) fn read(layout: &str, text: &str, zone: &Zone) -> Option<Time> {
    let mut parts = Parts::default();
    let (mut layout, mut text) = (layout, text);
    while let Some((before, piece, after)) = next_piece(layout) {
        text = skip(text, before)?;
        text = parts.take(piece, text, after)?;
        layout = after;
    }
    if !skip(text, layout)?.is_empty() {
        return None;
    }
    parts.time(zone)
}

/// What was read so far.
#[derive(Default)]
struct Parts {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    afternoon: Option<bool>,
    /// The text says that it is UTC.
    utc: bool,
    offset: Option<i32>,
    zone_name: String,
}

impl Parts {
    /// Takes a piece off the text, and returns the rest.
    fn take<'t>(&mut self, piece: Piece, text: &'t str, after: &str) -> Option<&'t str> {
        match piece {
            Piece::LongYear | Piece::Year => self.take_year(piece, text),
            Piece::LongMonth | Piece::Month => {
                let (at, rest) = lookup(&MONTHS, text, piece == Piece::Month)?;
                self.month = i8::try_from(at + 1).ok();
                Some(rest)
            }
            Piece::LongWeekday | Piece::Weekday => {
                lookup(&WEEKDAYS, text, piece == Piece::Weekday).map(|(_, rest)| rest)
            }
            Piece::NumberMonth | Piece::ZeroMonth => {
                let (month, rest) = number(text, piece == Piece::ZeroMonth)?;
                self.month = Some(month).filter(|month| (1..=12).contains(month));
                self.month.map(|_| rest)
            }
            Piece::Day | Piece::SpaceDay | Piece::ZeroDay => {
                let text = if piece == Piece::SpaceDay { text.strip_prefix(' ').unwrap_or(text) } else { text };
                let (day, rest) = number(text, piece == Piece::ZeroDay)?;
                self.day = Some(day);
                Some(rest)
            }
            Piece::SpaceYearDay | Piece::ZeroYearDay => {
                let blanks =
                    text.bytes().take(2).take_while(|byte| *byte == b' ' && piece == Piece::SpaceYearDay).count();
                let digits = text[blanks..].bytes().take(3).take_while(u8::is_ascii_digit).count();
                if digits == 0 || (digits < 3 && piece == Piece::ZeroYearDay) {
                    return None;
                }
                self.year_day = text[blanks..blanks + digits].parse().ok();
                Some(&text[blanks + digits..])
            }
            Piece::Hour => into(&mut self.hour, number(text, false)?, 23),
            Piece::Hour12 | Piece::ZeroHour12 => into(&mut self.hour, number(text, piece == Piece::ZeroHour12)?, 12),
            Piece::Minute | Piece::ZeroMinute => into(&mut self.minute, number(text, piece == Piece::ZeroMinute)?, 59),
            Piece::Second | Piece::ZeroSecond => {
                let rest = into(&mut self.second, number(text, piece == Piece::ZeroSecond)?, 59)?;
                self.take_unasked_fraction(rest, after)
            }
            Piece::UpperPm => self.take_half(text, "AM", "PM"),
            Piece::LowerPm => self.take_half(text, "am", "pm"),
            Piece::ZoneName => self.take_zone_name(text),
            Piece::Offset(form) => self.take_offset(text, form),
            Piece::Fraction(_, digits) => self.take_fraction(text, digits).filter(|_| digits <= 9),
            Piece::ShortFraction(..) => match fraction_digits(text) {
                0 => Some(text),
                digits => self.take_fraction(text, digits.min(9)),
            },
        }
    }

    fn take_year<'t>(&mut self, piece: Piece, text: &'t str) -> Option<&'t str> {
        let digits = if piece == Piece::Year { 2 } else { 4 };
        let number = text.get(..digits).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.year = number.parse().ok()?;
        if piece == Piece::Year {
            self.year += if self.year >= 69 { 1_900 } else { 2_000 };
        }
        Some(&text[digits..])
    }

    fn take_half<'t>(&mut self, text: &'t str, before_noon: &str, after_noon: &str) -> Option<&'t str> {
        self.afternoon = Some(text.starts_with(after_noon));
        text.strip_prefix(after_noon).or_else(|| text.strip_prefix(before_noon))
    }

    /// Takes a fraction that follows the seconds although the layout does not ask for one.
    fn take_unasked_fraction<'t>(&mut self, text: &'t str, after: &str) -> Option<&'t str> {
        let asked = next_piece(after)
            .is_some_and(|(_, piece, _)| matches!(piece, Piece::Fraction(..) | Piece::ShortFraction(..)));
        match fraction_digits(text) {
            0 => Some(text),
            _ if asked => Some(text),
            digits => self.take_fraction(text, digits),
        }
    }

    /// Takes a mark and so many digits; those beyond nanoseconds are dropped.
    fn take_fraction<'t>(&mut self, text: &'t str, digits: usize) -> Option<&'t str> {
        let found = fraction_digits(text);
        if found < digits {
            return None;
        }
        let kept = &text[1..=digits.min(9)];
        self.nanos = format!("{kept:0<9}").parse().ok()?;
        Some(&text[1 + digits..])
    }

    fn take_offset<'t>(&mut self, text: &'t str, form: OffsetForm) -> Option<&'t str> {
        if form.z && text.starts_with('Z') {
            self.utc = true;
            return Some(&text[1..]);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let mut rest = &text[1..];
        let mut seconds = 0;
        let units = [(true, 3_600, 24), (form.minutes, 60, 59), (form.seconds, 1, 59)];
        for (at, (_, scale, most)) in units.into_iter().filter(|(there, ..)| *there).enumerate() {
            rest = if at > 0 && form.colons { rest.strip_prefix(':')? } else { rest };
            let (value, after) = number(rest, true)?;
            if value > most {
                return None;
            }
            seconds += i32::from(value) * scale;
            rest = after;
        }
        self.offset = Some(sign * seconds);
        Some(rest)
    }

    fn take_zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix("UTC") {
            self.utc = true;
            return Some(rest);
        }
        let len = zone_name_len(text)?;
        self.zone_name = text[..len].to_owned();
        Some(&text[len..])
    }

    /// Puts the parts together.
    fn time(mut self, zone: &Zone) -> Option<Time> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let date = self.date()?;
        let clock = Clock::new(self.hour, self.minute, self.second, self.nanos).ok()?;
        let civil = date.to_datetime(clock);
        if self.utc {
            return Some(Time { at: Offset::UTC.to_timestamp(civil).ok()?, zone: Zone::utc() });
        }
        if let Some(seconds) = self.offset {
            let offset = Offset::from_seconds(seconds).ok()?;
            let at = offset.to_timestamp(civil).ok()?;
            let (here, name) = zone.offset(at);
            let same = here == offset && (self.zone_name.is_empty() || self.zone_name == name);
            return Some(Time { at, zone: if same { zone.clone() } else { Zone::Fixed(offset, self.zone_name) } });
        }
        if self.zone_name.is_empty() {
            return Some(Time { at: at_in(zone, civil)?, zone: zone.clone() });
        }
        let at = at_in(zone, civil)?;
        if zone.offset(at).1 == self.zone_name {
            return Some(Time { at, zone: zone.clone() });
        }
        // A name that means nothing here is kept, as if it were UTC; where it says how far it is from that, the time is told
        // so far from it, as Go has it.
        let hours: i32 = self.zone_name.strip_prefix("GMT").and_then(|hours| hours.parse().ok()).unwrap_or(0);
        let offset = Offset::from_seconds(hours * 3_600).ok()?;
        Some(Time { at: Offset::UTC.to_timestamp(civil).ok()?, zone: Zone::Fixed(offset, self.zone_name) })
    }

    fn date(&self) -> Option<Date> {
        let Some(year_day) = self.year_day else {
            return Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok();
        };
        let date = Date::new(self.year, 1, 1).ok()?.with().day_of_year(year_day).build().ok()?;
        let fits = self.month.is_none_or(|month| month == date.month()) && self.day.is_none_or(|day| day == date.day());
        fits.then_some(date)
    }
}

/// Returns when a zone's clocks show this.
fn at_in(zone: &Zone, civil: DateTime) -> Option<Timestamp> {
    match zone {
        Zone::Fixed(offset, _) => offset.to_timestamp(civil).ok(),
        Zone::Named(zone) => zone.to_ambiguous_timestamp(civil).compatible().ok(),
    }
}

/// Takes a literal stretch of the layout off the text; blanks match any number of blanks.
fn skip<'t>(mut text: &'t str, mut literal: &str) -> Option<&'t str> {
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        literal = &literal[c.len_utf8()..];
    }
    Some(text)
}

/// Finds which of the names the text begins with, in any case.
fn lookup<'t>(names: &[&str], text: &'t str, short: bool) -> Option<(usize, &'t str)> {
    for (at, name) in names.iter().enumerate() {
        let name = if short { &name[..3] } else { name };
        if let Some(head) = text.get(..name.len())
            && head.eq_ignore_ascii_case(name)
        {
            return Some((at, &text[name.len()..]));
        }
    }
    None
}

/// Takes a number of one or two digits, or of two exactly.
fn number(text: &str, two: bool) -> Option<(i8, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (two && digits < 2) {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn into<'t>(place: &mut i8, (value, rest): (i8, &'t str), most: i8) -> Option<&'t str> {
    *place = value;
    (value <= most).then_some(rest)
}

/// Returns how many digits follow a decimal mark at the beginning.
fn fraction_digits(text: &str) -> usize {
    if !text.starts_with(['.', ',']) {
        return 0;
    }
    text[1..].bytes().take_while(u8::is_ascii_digit).count()
}

/// Returns how long the abbreviation of a zone at the beginning is.
fn zone_name_len(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        let digits = rest.get(1..).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let hours = rest.get(1..1 + digits).and_then(|hours| hours.parse::<u8>().ok());
        let signed = rest.starts_with(['+', '-']) && hours.is_some_and(|hours| hours <= 23);
        return Some(if signed { 4 + digits } else { 3 });
    }
    let letters = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match letters {
        3 => Some(3),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        5 if text.as_bytes()[4] == b'T' => Some(5),
        _ => {
            let digits = text.get(1..)?.bytes().take_while(u8::is_ascii_digit).count();
            let hours: u8 = text.get(1..=digits)?.parse().ok()?;
            (text.starts_with(['+', '-']) && hours <= 23).then_some(1 + digits)
        }
    }
}
