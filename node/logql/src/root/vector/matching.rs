//! Operators between two vectors: which series of either side belong together, and what comes of them.
//!
//! The rules are those of PromQL (<https://prometheus.io/docs/prometheus/latest/querying/operators/#vector-matching>), step
//! by step: what has no value at a step is not there.

use std::collections::{BTreeMap, HashMap};

use logmesh_protocol::record::Labels;

use super::binary::apply;
use super::{Collected, Series};
use crate::ast::{BinaryOp, Grouping, MatchGroup, MatchSide, Matching};
use crate::error::EvalError;

/// Applies an operator (with `bool` or without) to two vectors.
pub(super) fn vectors(
    (op, bool_result): (BinaryOp, bool),
    matching: &Matching,
    left: Vec<Series>,
    right: Vec<Series>,
    steps: usize,
) -> Result<Vec<Series>, EvalError> {
    let mut signatures = Signatures { labels: &matching.labels, places: BTreeMap::new() };
    let left_signatures = signatures.of(&left);
    let right_signatures = signatures.of(&right);
    let count = signatures.places.len();
    let (left, right) = (Side::new(left, left_signatures), Side::new(right, right_signatures));
    match op {
        BinaryOp::And => Ok(left.filtered(&right.presence(count, steps), true)),
        BinaryOp::Unless => Ok(left.filtered(&right.presence(count, steps), false)),
        BinaryOp::Or => {
            let present = left.presence(count, steps);
            union(left.series, right.filtered(&present, false), steps)
        }
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Modulo
        | BinaryOp::Power
        | BinaryOp::Compare(_) => {
            let flipped = matching.group.as_ref().is_some_and(|group| group.many == MatchSide::Right);
            let (many, one) = if flipped { (right, left) } else { (left, right) };
            let joined = Collected::new(steps);
            let (signatures, places) = (count, HashMap::new());
            let mut join = Join { op, bool_result, matching, flipped, many, one, joined, places, signatures };
            (0..steps).try_for_each(|step| join.step(step))?;
            Ok(join.joined.series)
        }
    }
}

/// Numbers for the labels by which series are matched.
struct Signatures<'m> {
    labels: &'m Grouping,
    places: BTreeMap<Labels, usize>,
}

impl Signatures<'_> {
    fn of(&mut self, series: &[Series]) -> Vec<usize> {
        let mut place = |one: &Series| {
            let next = self.places.len();
            *self.places.entry(self.labels.of(&one.labels)).or_insert(next)
        };
        series.iter().map(&mut place).collect()
    }
}

/// The series of one side, and the number of the labels by which each is matched.
struct Side {
    series: Vec<Series>,
    signatures: Vec<usize>,
}

impl Side {
    fn new(series: Vec<Series>, signatures: Vec<usize>) -> Self {
        Self { series, signatures }
    }

    fn value(&self, at: usize, step: usize) -> Option<f64> {
        self.series[at].points.get(step).copied().flatten()
    }

    /// Tells for each signature and step whether there is a value.
    fn presence(&self, signatures: usize, steps: usize) -> Vec<Vec<bool>> {
        let mut present: Vec<Vec<bool>> = vec![Vec::new(); signatures];
        for (one, signature) in self.series.iter().zip(&self.signatures) {
            let marks = &mut present[*signature];
            marks.resize(steps, false);
            marks.iter_mut().zip(&one.points).for_each(|(mark, point)| *mark |= point.is_some());
        }
        present
    }

    /// Keeps the values whose signature is among those of the other side, or is not.
    fn filtered(self, present: &[Vec<bool>], wanted: bool) -> Vec<Series> {
        let Side { mut series, signatures } = self;
        for (one, signature) in series.iter_mut().zip(signatures) {
            for (step, point) in one.points.iter_mut().enumerate() {
                if present[signature].get(step).copied().unwrap_or(false) != wanted {
                    *point = None;
                }
            }
        }
        series
    }
}

/// Puts the series of both sides together; those with equal labels have no step in common.
fn union(left: Vec<Series>, right: Vec<Series>, steps: usize) -> Result<Vec<Series>, EvalError> {
    let mut joined = Collected::new(steps);
    for series in left.into_iter().chain(right) {
        if series.points.iter().all(Option::is_none) {
            continue;
        }
        let at = joined.place(series.labels)?;
        for (step, value) in series.points.into_iter().enumerate() {
            if let Some(value) = value {
                joined.set(at, step, value);
            }
        }
    }
    Ok(joined.series)
}

/// An arithmetic operator or a comparison at work.
struct Join<'m> {
    op: BinaryOp,
    bool_result: bool,
    matching: &'m Matching,
    /// Whether the side that may have several stands behind the operator.
    flipped: bool,
    many: Side,
    one: Side,
    joined: Collected,
    /// The place of what comes of two series.
    places: HashMap<(usize, usize), usize>,
    signatures: usize,
}

impl Join<'_> {
    fn step(&mut self, step: usize) -> Result<(), EvalError> {
        let partners = self.partners(step)?;
        let mut matched = vec![false; self.signatures];
        for many in 0..self.many.series.len() {
            let signature = self.many.signatures[many];
            let (Some(value), Some(one)) = (self.many.value(many, step), partners[signature]) else { continue };
            let Some(other) = self.one.value(one, step) else { continue };
            let (left, right) = if self.flipped { (other, value) } else { (value, other) };
            let Some(result) = apply(self.op, self.bool_result, (left, right), left) else { continue };
            if self.matching.group.is_none() && std::mem::replace(&mut matched[signature], true) {
                return Err(self.ambiguous(many, "many-to-one matching must be explicit (group_left/group_right)"));
            }
            let at = self.place(many, one)?;
            if !self.joined.set(at, step, result) {
                return Err(self.ambiguous(many, "grouping labels must ensure unique matches"));
            }
        }
        Ok(())
    }

    /// Returns for each signature the series of the side that may have but one.
    fn partners(&self, step: usize) -> Result<Vec<Option<usize>>, EvalError> {
        let mut partners = vec![None; self.signatures];
        for one in 0..self.one.series.len() {
            if self.one.value(one, step).is_none() {
                continue;
            }
            if let Some(other) = partners[self.one.signatures[one]].replace(one) {
                let side = if self.flipped { "left" } else { "right" };
                let labels = |at: usize| &self.one.series[at].labels;
                return Err(EvalError::Matching(format!(
                    "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}]; \
                     many-to-many matching not allowed: matching labels must be unique on one side",
                    self.matching.labels.of(labels(one)),
                    labels(other),
                    labels(one),
                )));
            }
        }
        Ok(partners)
    }

    fn ambiguous(&self, many: usize, rule: &str) -> EvalError {
        EvalError::Matching(format!("multiple matches for labels {}: {rule}", self.many.series[many].labels))
    }

    /// Returns the place of what comes of two series.
    fn place(&mut self, many: usize, one: usize) -> Result<usize, EvalError> {
        if let Some(at) = self.places.get(&(many, one)) {
            return Ok(*at);
        }
        let labels = &self.many.series[many].labels;
        let labels = match &self.matching.group {
            None => self.matching.labels.of(labels),
            Some(group) => with_included(labels, &self.one.series[one].labels, group),
        };
        let at = self.joined.place(labels)?;
        self.places.insert((many, one), at);
        Ok(at)
    }
}

/// Returns the labels of the side that may have several, with those that are to come from the other.
fn with_included(many: &Labels, one: &Labels, group: &MatchGroup) -> Labels {
    let own = many.iter().filter(|(name, _)| !group.include.iter().any(|included| included == name));
    let included = group.include.iter().filter_map(|name| Some((name.clone(), one.value(name)?.to_owned())));
    Labels::new(own.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(included))
}
