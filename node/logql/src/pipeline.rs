//! A pipeline made ready to run over rows: line filters first and over whole columns, then, line by line, parsers and
//! label filters, which take out of a line only the labels that somebody asks for.

mod colours;
mod filter;
mod format;
mod json;
mod labels;
mod line;
mod logfmt;
mod step;

use std::ops::Range;

use logmesh_protocol::record::metadata_pairs;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::time::Timestamp;

use crate::ast::{FormatValue, LabelFilter, LabelPick, Stage};
use crate::error::PlanError;
use crate::interrupt::Interrupt;
use crate::template::Names;
pub(crate) use filter::Filter;
pub(crate) use format::compile as compile_template;
pub(crate) use json::push_sanitized;
use labels::Wanted;
pub(crate) use labels::{ERROR, ERROR_DETAILS, Fields, Pairs, RowLabels};
use line::LineTest;
use step::{Run, Scratch, Step};

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
    /// The line filters before the first stage that changes the line; they may all run first.
    line_tests: Vec<LineTest>,
    steps: Vec<Step>,
    wanted: Wanted,
    now: Timestamp,
    interrupt: Interrupt,
    scratch: Scratch,
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
        let (mut line_tests, mut steps) = (Vec::new(), Vec::new());
        let mut asked = Asked::default();
        let mut line_changed = false;
        for stage in stages {
            match stage {
                // Clients fill in an empty filter where the user has typed none yet.
                Stage::LineFilter(filter) if filter.keeps_all() => {}
                Stage::LineFilter(filter) if !line_changed => line_tests.push(LineTest::new(filter)?),
                stage => steps.push(Step::new(stage)?),
            }
            line_changed |= stage.changes_line();
            asked.add(stage)?;
        }
        // The most selective kinds first; the order among filters of one line does not change what passes.
        line_tests.sort_by_key(LineTest::cost);
        match output {
            Output::All => asked.all = true,
            Output::Names(more) => asked.names.extend(more.iter().cloned()),
            Output::Survival => {
                let last = steps.iter().rposition(Step::filters);
                steps.truncate(last.map_or(0, |last| last + 1));
            }
        }
        let wanted = if asked.all { Wanted::All } else { Wanted::names(asked.names) };
        let now = Timestamp::from_nanos(0);
        Ok(Self { line_tests, steps, wanted, now, interrupt: Interrupt::default(), scratch: Scratch::default() })
    }

    /// Returns the pipeline with what templates shall take for the present, the same on all nodes.
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Returns the pipeline with what says that its work is no longer wanted.
    pub(crate) fn until(self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self }
    }

    /// Tells whether anything is done line by line.
    pub(crate) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Runs the line filters over the column, for the rows of `range`. Once the work is no longer wanted it ends early, and what
    /// it returns means nothing.
    pub(crate) fn select(&self, rows: &Rows, range: Range<usize>) -> Selection {
        let Some((first, others)) = self.line_tests.split_first() else { return Selection::All };
        let mut found = first.scan(rows, range, &self.interrupt);
        for test in others {
            found.retain(|row| !self.interrupt.is_raised() && test.matches(rows.line(*row)));
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

    /// Runs all stages but the leading line filters, which have passed, on one line; `row` comes with empty fields.
    pub(crate) fn keeps(&mut self, line: &[u8], row: &mut RowLabels<'_>) -> bool {
        self.scratch.begin();
        let mut run = Run { stored: line, wanted: &self.wanted, now: self.now, scratch: &mut self.scratch };
        self.steps.iter_mut().all(|step| step.run(&mut run, row))
    }

    /// Returns the line that was last given to [`Pipeline::keeps`] as the stages left it: the one that clients see, and
    /// whose bytes count.
    pub(crate) fn line<'l>(&'l self, stored: &'l [u8]) -> &'l [u8] {
        self.scratch.line(stored)
    }

    /// Tells whether stages may change lines.
    pub(crate) fn changes_line(&self) -> bool {
        self.steps.iter().any(Step::changes_line)
    }
}

/// The labels that stages ask for.
#[derive(Default)]
struct Asked {
    all: bool,
    names: Vec<String>,
}

impl Asked {
    fn add(&mut self, stage: &Stage) -> Result<(), PlanError> {
        match stage {
            Stage::LabelFilter(filter) => collect_names(filter, &mut self.names),
            Stage::LineFormat(template) => self.add_template("line", template)?,
            Stage::LabelFormat(formats) => {
                for format in formats {
                    match &format.value {
                        FormatValue::Rename(from) => self.names.push(from.clone()),
                        FormatValue::Template(template) => self.add_template("label", template)?,
                    }
                }
            }
            Stage::Drop(picks) | Stage::Keep(picks) => {
                for pick in picks {
                    if let LabelPick::Matcher(matcher) = pick {
                        self.names.push(matcher.name.clone());
                    }
                }
            }
            Stage::LineFilter(_)
            | Stage::Json(_)
            | Stage::Logfmt { .. }
            | Stage::Pattern(_)
            | Stage::Regexp(_)
            | Stage::Unpack
            | Stage::Decolorize => {}
        }
        Ok(())
    }

    fn add_template(&mut self, name: &'static str, template: &str) -> Result<(), PlanError> {
        match compile_template(name, template)?.names() {
            Names::All => self.all = true,
            Names::Some(names) => self.names.extend(names),
        }
        Ok(())
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
