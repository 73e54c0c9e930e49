//! Matchers made ready to run, for the labels of streams and for label filters alike.

use std::fmt;

use logmesh_protocol::record::Labels;

use crate::ast::{MatchOp, Matcher, Selector};
use crate::error::PlanError;
use crate::regexes::{TextRegex, anchored};

/// A selector ready to be matched against the labels of streams.
#[derive(Clone, Debug)]
pub struct StreamMatcher {
    selector: Selector,
    tests: Vec<TextTest>,
}

impl StreamMatcher {
    /// Compiles a selector.
    pub fn new(selector: &Selector) -> Result<Self, PlanError> {
        let tests = selector.matchers.iter().map(TextTest::new).collect::<Result<_, _>>()?;
        Ok(Self { selector: selector.clone(), tests })
    }

    /// Tells whether a stream with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.tests.iter().all(|test| test.matches(labels.value(&test.name).unwrap_or_default()))
    }

    /// Returns the selector.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Tells whether no matcher demands a label: each would match where its label is absent, or only excludes.
    pub(crate) fn matches_empty_everywhere(&self) -> bool {
        self.tests.iter().all(|test| test.matches(""))
    }
}

impl fmt::Display for StreamMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector.fmt(f)
    }
}

/// One matcher, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct TextTest {
    /// The label.
    pub(crate) name: String,
    check: Check,
}

#[derive(Clone, Debug)]
enum Check {
    Equal(String),
    NotEqual(String),
    Match(TextRegex),
    NotMatch(TextRegex),
}

impl TextTest {
    /// Compiles a matcher.
    pub(crate) fn new(matcher: &Matcher) -> Result<Self, PlanError> {
        let check = match matcher.op {
            MatchOp::Equal => Check::Equal(matcher.value.clone()),
            MatchOp::NotEqual => Check::NotEqual(matcher.value.clone()),
            MatchOp::Match => Check::Match(anchored(&matcher.value)?),
            MatchOp::NotMatch => Check::NotMatch(anchored(&matcher.value)?),
        };
        Ok(Self { name: matcher.name.clone(), check })
    }

    /// Tells whether a label with this value passes; an absent label has the empty value.
    pub(crate) fn matches(&self, value: &str) -> bool {
        match &self.check {
            Check::Equal(wanted) => value == wanted,
            Check::NotEqual(unwanted) => value != unwanted,
            Check::Match(regex) => regex.is_match(value),
            Check::NotMatch(regex) => !regex.is_match(value),
        }
    }
}
