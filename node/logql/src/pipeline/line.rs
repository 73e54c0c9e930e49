//! Line filters over the column of lines: the needle is looked for in all lines at once, and only then it is asked in
//! which line a find lies. A find across the border of two lines is none.

use std::ops::Range;

use logmesh_protocol::rows::Rows;
use memchr::memmem::Finder;

use crate::ast::{LineFilter, LineOp, LinePattern};
use crate::error::PlanError;
use crate::interrupt::Interrupt;
use crate::ip::IpRange;
use crate::patterns::LineShape;
use crate::regexes::{LineRegex, unanchored};

/// A line filter, compiled.
#[derive(Debug)]
pub(crate) struct LineTest {
    /// Whether lines that match are dropped rather than kept.
    negative: bool,
    /// A line matches if one of these does.
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
enum Pattern {
    Needle(Finder<'static>),
    /// The finder looks for a text that every match contains; empty if there is none.
    Regex(Box<LineRegex>, Finder<'static>),
    /// The same of a shape.
    Shape(Box<LineShape>, Finder<'static>),
    /// Addresses have no text in common, so this finder has an empty one.
    Ip(IpRange, Finder<'static>),
}

impl LineTest {
    /// Compiles a filter.
    pub(crate) fn new(filter: &LineFilter) -> Result<Self, PlanError> {
        let negative = match filter.op {
            LineOp::Contains | LineOp::Match | LineOp::Pattern => false,
            LineOp::NotContains | LineOp::NotMatch | LineOp::NotPattern => true,
        };
        let patterns = filter.alternatives.iter().map(|pattern| Pattern::new(filter.op, pattern));
        Ok(Self { negative, patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Returns how dear the test is before others, about: finds of long needles leave the least to do.
    pub(crate) fn cost(&self) -> usize {
        let pattern = |pattern: &Pattern| match pattern {
            Pattern::Needle(finder) => 1_000_usize.saturating_sub(finder.needle().len()),
            Pattern::Regex(_, finder) | Pattern::Shape(_, finder) | Pattern::Ip(_, finder)
                if finder.needle().is_empty() =>
            {
                10_000
            }
            Pattern::Regex(_, finder) | Pattern::Shape(_, finder) | Pattern::Ip(_, finder) => {
                2_000_usize.saturating_sub(finder.needle().len())
            }
        };
        usize::from(self.negative) * 100_000 + self.patterns.iter().map(pattern).sum::<usize>()
    }

    /// Tells whether one line passes.
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(line)) != self.negative
    }

    /// Returns the rows of `range` whose lines pass, rising; some of them if it is interrupted.
    pub(crate) fn scan(&self, rows: &Rows, range: Range<usize>, interrupt: &Interrupt) -> Vec<usize> {
        let mut marks = vec![false; range.len()];
        for pattern in &self.patterns {
            pattern.mark(rows, range.clone(), &mut marks, interrupt);
        }
        let passes = |(_, mark): &(usize, &bool)| **mark != self.negative;
        marks.iter().enumerate().filter(passes).map(|(at, _)| range.start + at).collect()
    }
}

impl Pattern {
    fn new(op: LineOp, pattern: &LinePattern) -> Result<Self, PlanError> {
        let finder = |text: &[u8]| Finder::new(text).into_owned();
        let text = match pattern {
            LinePattern::Ip(pattern) => return Ok(Pattern::Ip(IpRange::new(pattern)?, finder(b""))),
            LinePattern::Text(text) => text,
        };
        Ok(match op {
            LineOp::Contains | LineOp::NotContains => Pattern::Needle(finder(text.as_bytes())),
            LineOp::Match | LineOp::NotMatch => {
                let compiled = unanchored(text)?;
                let finder = finder(&compiled.literal);
                Pattern::Regex(Box::new(compiled), finder)
            }
            LineOp::Pattern | LineOp::NotPattern => {
                let shape = LineShape::new(text)?;
                let finder = finder(shape.literal());
                Pattern::Shape(Box::new(shape), finder)
            }
        })
    }

    fn finder(&self) -> &Finder<'static> {
        match self {
            Pattern::Needle(finder)
            | Pattern::Regex(_, finder)
            | Pattern::Shape(_, finder)
            | Pattern::Ip(_, finder) => finder,
        }
    }

    fn matches(&self, line: &[u8]) -> bool {
        let finder = self.finder();
        (finder.needle().is_empty() || finder.find(line).is_some()) && self.confirms(line)
    }

    /// Tells whether a line in which the finder's text was found matches.
    fn confirms(&self, line: &[u8]) -> bool {
        match self {
            Pattern::Needle(_) => true,
            Pattern::Regex(regex, _) => regex.is_match(line),
            Pattern::Shape(shape, _) => shape.matches(line),
            Pattern::Ip(range, _) => range.is_in(line),
        }
    }

    /// Sets the marks of the rows that match; `marks[0]` is the first of `range`.
    fn mark(&self, rows: &Rows, range: Range<usize>, marks: &mut [bool], interrupt: &Interrupt) {
        let finder = self.finder();
        let needle_len = finder.needle().len();
        if needle_len == 0 {
            for row in range.clone() {
                if interrupt.is_raised() {
                    return;
                }
                marks[row - range.start] |= self.confirms(rows.line(row));
            }
            return;
        }
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else { return };
        let lines = &rows.lines[..rows.line_range(last).end];
        let mut row = range.start;
        let mut at = rows.line_range(row).start;
        while let Some(found) = finder.find(&lines[at..]) {
            at += found;
            row = row_at(rows, row, range.end, at);
            let end = rows.line_ends[row] as usize;
            if at + needle_len > end {
                // The find lies across a border. The next one may begin in this very line.
                at += 1;
                continue;
            }
            let mark = &mut marks[row - range.start];
            *mark = *mark || self.confirms(rows.line(row));
            row += 1;
            at = end;
            if row == range.end || interrupt.is_raised() {
                return;
            }
        }
    }
}

/// Returns the row in whose line byte `at` lies, at or behind `from`. Finds lie near each other or far apart, so the
/// step doubles before it is halved.
fn row_at(rows: &Rows, from: usize, end: usize, at: usize) -> usize {
    let ends = &rows.line_ends[from..end];
    let mut step = 1;
    while step < ends.len() && ends[step - 1] as usize <= at {
        step *= 2;
    }
    let low = step / 2;
    let high = step.min(ends.len());
    from + low + ends[low..high].partition_point(|line_end| *line_end as usize <= at)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::*;

    fn rows(lines: &[String]) -> Rows {
        let mut rows = Rows::default();
        let mut end = 0;
        for line in lines {
            end += u32::try_from(line.len()).unwrap();
            rows.line_ends.push(end);
        }
        rows.lines = lines.concat().into();
        rows
    }

    proptest! {
        #[test]
        fn the_column_is_searched_as_each_line_alone_would_be(
            lines in vec("[ab]{0,6}", 1..40),
            op in select(vec![LineOp::Contains, LineOp::NotContains, LineOp::Match, LineOp::NotMatch]),
            alternatives in vec("[ab]{0,4}", 1..3),
            from in 0usize..40,
            len in 0usize..40,
        ) {
            let rows = rows(&lines);
            let start = from.min(lines.len());
            let range = start..(start + len).min(lines.len());
            let patterns = alternatives.iter().cloned().map(LinePattern::Text).collect();
            let test = LineTest::new(&LineFilter { op, alternatives: patterns }).unwrap();
            let contains = |line: &&usize| alternatives.iter().any(|text| lines[**line].contains(text));
            let negative = matches!(op, LineOp::NotContains | LineOp::NotMatch);
            let wanted: Vec<usize> = range.clone().collect::<Vec<_>>().iter().filter(|row| contains(row) != negative).copied().collect();
            prop_assert_eq!(test.scan(&rows, range.clone(), &Interrupt::default()), wanted.clone());
            let one_by_one: Vec<usize> = range.filter(|row| test.matches(lines[*row].as_bytes())).collect();
            prop_assert_eq!(one_by_one, wanted);
        }
    }
}
