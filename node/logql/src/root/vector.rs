//! Evaluates what stands above the range aggregations, for all steps at once.

mod aggregate;
mod binary;
mod matching;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use logmesh_protocol::record::Labels;

use crate::ast::LabelReplace;
use crate::error::EvalError;
use crate::plan::{CELLS_MAX, INNER_SERIES_MAX, Root};
use crate::regexes::{TextRegex, expand};

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A number, the same at all steps.
    Scalar(f64),
    /// Series.
    Vector(Vec<Series>),
}

/// A series: its value at each step, where it has one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) points: Vec<Option<f64>>,
}

/// Evaluates `root`; each of the leaves is used once.
pub(super) fn evaluate(root: &Root, leaves: Vec<Option<Vec<Series>>>, steps: usize) -> Result<Value, EvalError> {
    Evaluation { leaves, steps }.value(root)
}

struct Evaluation {
    leaves: Vec<Option<Vec<Series>>>,
    steps: usize,
}

impl Evaluation {
    fn value(&mut self, root: &Root) -> Result<Value, EvalError> {
        match root {
            Root::Literal(number) => Ok(Value::Scalar(*number)),
            Root::Binary { .. } => self.binary(root),
            Root::VectorOf(_)
            | Root::Leaf(_)
            | Root::Absent { .. }
            | Root::Vector { .. }
            | Root::LabelReplace { .. } => self.vector(root).map(Value::Vector),
        }
    }

    /// Evaluates a chain of operators; see the plan for why it is a loop.
    fn binary(&mut self, root: &Root) -> Result<Value, EvalError> {
        let (mut chain, mut first) = (Vec::new(), root);
        while let Root::Binary { op, bool_result, matching, left, right } = first {
            chain.push((*op, *bool_result, matching, right));
            first = left;
        }
        let mut value = self.value(first)?;
        for (op, bool_result, matching, right) in chain.into_iter().rev() {
            value = match (value, self.value(right)?) {
                (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(binary::scalars(op, left, right)),
                (Value::Vector(left), Value::Scalar(right)) => {
                    let apply = |value| binary::apply(op, bool_result, (value, right), value);
                    Value::Vector(binary::with_scalar(left, apply))
                }
                (Value::Scalar(left), Value::Vector(right)) => {
                    let apply = |value| binary::apply(op, bool_result, (left, value), value);
                    Value::Vector(binary::with_scalar(right, apply))
                }
                (Value::Vector(left), Value::Vector(right)) => {
                    Value::Vector(matching::vectors((op, bool_result), matching, left, right, self.steps)?)
                }
            };
        }
        Ok(value)
    }

    fn vector(&mut self, root: &Root) -> Result<Vec<Series>, EvalError> {
        match root {
            Root::VectorOf(number) => Ok(vec![self.constant(Labels::default(), *number)]),
            Root::Leaf(at) => Ok(self.leaves.get_mut(*at).and_then(Option::take).unwrap_or_default()),
            Root::Absent { leaf, labels } => {
                let mut absent = self.constant(labels.clone(), 1.0);
                for series in self.vector(&Root::Leaf(*leaf))? {
                    for (point, _) in absent.points.iter_mut().zip(series.points).filter(|(_, there)| there.is_some()) {
                        *point = None;
                    }
                }
                Ok(vec![absent])
            }
            Root::Vector { op, parameter, grouping, of } => {
                let of = self.vector(of)?;
                Ok(aggregate::aggregate(*op, *parameter, grouping, of, self.steps))
            }
            Root::LabelReplace { of, replace, regex } => label_replace(self.vector(of)?, replace, regex, self.steps),
            Root::Literal(_) | Root::Binary { .. } => match self.value(root)? {
                Value::Vector(series) => Ok(series),
                // The parser refuses numbers where vectors are needed.
                Value::Scalar(number) => Ok(vec![self.constant(Labels::default(), number)]),
            },
        }
    }

    fn constant(&self, labels: Labels, number: f64) -> Series {
        Series { labels, points: vec![Some(number); self.steps] }
    }
}

/// Series whose labels are made, so that some may turn out to be one and the same.
struct Collected {
    steps: usize,
    places: BTreeMap<Labels, usize>,
    series: Vec<Series>,
}

impl Collected {
    fn new(steps: usize) -> Self {
        Self { steps, places: BTreeMap::new(), series: Vec::new() }
    }

    /// Returns the place of the series with these labels.
    fn place(&mut self, labels: Labels) -> Result<usize, EvalError> {
        let at = self.series.len();
        let entry = match self.places.entry(labels) {
            Entry::Occupied(entry) => return Ok(*entry.get()),
            Entry::Vacant(entry) => entry,
        };
        if at >= INNER_SERIES_MAX as usize {
            return Err(EvalError::SeriesMax(INNER_SERIES_MAX));
        }
        if (at as u64 + 1) * self.steps as u64 > CELLS_MAX {
            return Err(EvalError::CellsMax(CELLS_MAX));
        }
        self.series.push(Series { labels: entry.key().clone(), points: vec![None; self.steps] });
        entry.insert(at);
        Ok(at)
    }

    /// Sets the value at a step; `false` if there is one already.
    fn set(&mut self, at: usize, step: usize, value: f64) -> bool {
        self.series[at].points[step].replace(value).is_none()
    }
}

fn label_replace(
    of: Vec<Series>,
    replace: &LabelReplace,
    regex: &TextRegex,
    steps: usize,
) -> Result<Vec<Series>, EvalError> {
    let mut replaced = Collected::new(steps);
    for series in of {
        let labels = replaced_labels(&series.labels, replace, regex);
        let at = replaced.place(labels)?;
        for (step, value) in series.points.into_iter().enumerate() {
            if let Some(value) = value
                && !replaced.set(at, step, value)
            {
                let message =
                    format!("label_replace makes several series with the labels {}", replaced.series[at].labels);
                return Err(EvalError::Matching(message));
            }
        }
    }
    Ok(replaced.series)
}

fn replaced_labels(labels: &Labels, replace: &LabelReplace, regex: &TextRegex) -> Labels {
    let Some(found) = regex.groups(labels.value(&replace.source).unwrap_or_default()) else {
        return labels.clone();
    };
    let mut value = String::new();
    expand(&found, &replace.replacement, &mut value);
    let others = labels.iter().filter(|(name, _)| *name != replace.target);
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Labels::new(others.chain([(replace.target.clone(), value)]))
}
