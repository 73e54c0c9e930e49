//! A pipeline made ready to run over rows: line filters first and over whole columns, then, line by line, parsers and
//! label filters, which take out of a line only the labels that somebody asks for.

mod filter;
mod json;
mod labels;
mod line;
mod logfmt;

use std::ops::Range;

use logmesh_protocol::record::metadata_pairs;
use logmesh_protocol::rows::Rows;

use crate::ast::{LabelFilter, Stage};
use crate::error::PlanError;
use crate::patterns::CapturePattern;
use crate::regexes::{GroupRegex, grouped};
pub(crate) use filter::Filter;
use json::JsonScanner;
pub(crate) use labels::{ERROR, ERROR_DETAILS, Fields, Pairs, RowLabels};
use labels::{Extract, Wanted};
use line::LineTest;

/// Which labels of a line are asked for once it has passed the filters.
pub(crate) enum Output<'a> {
    /// None: only whether the line passes. Parsers behind the last filter do not run.
    Survival,
    /// All.
    All,
    /// These; parsers run all the same, for their errors count.
    Names(&'a [String]),
}

/// The stages of one log expression, ready to run. Shared by nothing: each runner has its own scratch space.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// All line filters. No stage changes the line, so they may all run first.
    line_tests: Vec<LineTest>,
    steps: Vec<Step>,
    wanted: Wanted,
    json: JsonScanner,
    scratch: String,
}

#[derive(Debug)]
enum Step {
    Json,
    Logfmt,
    Pattern(CapturePattern),
    Regexp(GroupRegex),
    Filter(Filter),
}

/// The rows that line filters leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All that were looked at.
    All,
    /// These, rising.
    Some(Vec<usize>),
}

impl Pipeline {
    /// Compiles stages, for as much output as is asked for.
    pub(crate) fn new(stages: &[Stage], output: &Output<'_>) -> Result<Self, PlanError> {
        let (mut line_tests, mut steps, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for stage in stages {
            match stage {
                // Clients fill in an empty filter where the user has typed none yet.
                Stage::LineFilter(filter) if filter.keeps_all() => {}
                Stage::LineFilter(filter) => line_tests.push(LineTest::new(filter)?),
                Stage::Json(fields) if fields.is_empty() => steps.push(Step::Json),
                Stage::Logfmt { strict: false, keep_empty: false, fields } if fields.is_empty() => {
                    steps.push(Step::Logfmt);
                }
                Stage::LabelFilter(filter) => {
                    collect_names(filter, &mut names);
                    steps.push(Step::Filter(Filter::new(filter)?));
                }
                Stage::Pattern(pattern) => steps.push(Step::Pattern(CapturePattern::new(pattern)?)),
                Stage::Regexp(pattern) => steps.push(Step::Regexp(grouped(pattern)?)),
                Stage::Json(_)
                | Stage::Logfmt { .. }
                | Stage::Unpack
                | Stage::Decolorize
                | Stage::LineFormat(_)
                | Stage::LabelFormat(_)
                | Stage::Drop(_)
                | Stage::Keep(_) => {
                    let message = format!("{stage} is not supported by this version of Logmesh");
                    return Err(PlanError::Unsupported(message));
                }
            }
        }
        // The most selective kinds first; the order among filters of one line does not change what passes.
        line_tests.sort_by_key(LineTest::cost);
        let wanted = match output {
            Output::All => Wanted::All,
            Output::Names(more) => {
                names.extend(more.iter().cloned());
                Wanted::names(names)
            }
            Output::Survival => {
                let last = steps.iter().rposition(|step| matches!(step, Step::Filter(_)));
                steps.truncate(last.map_or(0, |last| last + 1));
                Wanted::names(names)
            }
        };
        Ok(Self { line_tests, steps, wanted, json: JsonScanner::default(), scratch: String::new() })
    }

    /// Tells whether anything is done line by line.
    pub(crate) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Runs the line filters over the column, for the rows of `range`.
    pub(crate) fn select(&self, rows: &Rows, range: Range<usize>) -> Selection {
        let Some((first, others)) = self.line_tests.split_first() else { return Selection::All };
        let mut found = first.scan(rows, range);
        for test in others {
            found.retain(|row| test.matches(rows.line(*row)));
        }
        Selection::Some(found)
    }

    /// Tells whether the metadata of any row can change what [`Pipeline::keeps`] says or takes out; where it cannot, the
    /// rows may come without.
    pub(crate) fn looks_at_metadata(&self, rows: &Rows) -> bool {
        match &self.wanted {
            Wanted::All => !rows.metadata_at.is_empty(),
            Wanted::Names(names) => {
                let named = |(name, _): &(&str, &str)| names.iter().any(|wanted| wanted == name);
                rows.metadata.iter().any(|bytes| metadata_pairs(bytes).iter().any(named))
            }
        }
    }

    /// Runs parsers and label filters on one line whose line filters have passed; `row` comes with empty fields.
    pub(crate) fn keeps(&mut self, line: &[u8], row: &mut RowLabels<'_>) -> bool {
        for step in &self.steps {
            match step {
                Step::Json => {
                    let mut extract = Extract { row: &mut *row, wanted: &self.wanted };
                    if let Err(flaw) = self.json.scan(line, &mut extract) {
                        row.fields.set_error("JSONParserErr", flaw.to_string());
                    }
                }
                Step::Logfmt => {
                    let mut extract = Extract { row: &mut *row, wanted: &self.wanted };
                    if let Err(flaw) = logfmt::scan(line, &mut self.scratch, &mut extract) {
                        row.fields.set_error("LogfmtParserErr", flaw.to_string());
                    }
                }
                Step::Pattern(pattern) => {
                    let Ok(line) = std::str::from_utf8(line) else { continue };
                    let mut extract = Extract { row: &mut *row, wanted: &self.wanted };
                    pattern.captures(line, |name, value| extract.offer(name, value));
                }
                Step::Regexp(regex) => {
                    let Some(captures) = std::str::from_utf8(line).ok().and_then(|line| regex.regex.captures(line))
                    else {
                        continue;
                    };
                    let mut extract = Extract { row: &mut *row, wanted: &self.wanted };
                    for (at, name) in &regex.groups {
                        extract.offer(name, captures.get(*at).map_or("", |found| found.as_str()));
                    }
                }
                Step::Filter(filter) => {
                    if !filter.passes(row) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// Adds the names of the labels that a filter tests.
pub(crate) fn collect_names(filter: &LabelFilter, names: &mut Vec<String>) {
    match filter {
        LabelFilter::Text(matcher) => names.push(matcher.name.clone()),
        LabelFilter::Compare { name, .. } | LabelFilter::Ip { name, .. } => names.push(name.clone()),
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
            collect_names(left, names);
            collect_names(right, names);
        }
    }
}
