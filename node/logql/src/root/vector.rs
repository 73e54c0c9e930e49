//! Evaluates what stands above the range aggregations, for all steps at once.

use std::collections::BTreeMap;

use logmesh_protocol::record::Labels;

use crate::ast::{BinaryOp, Grouping, VectorOp};
use crate::plan::Root;

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

/// Evaluates `root`; each leaf is used once and taken out of `leaves`.
pub(super) fn evaluate(root: &Root, leaves: &mut Vec<Option<Vec<Series>>>, steps: usize) -> Value {
    match root {
        Root::Literal(number) => Value::Scalar(*number),
        Root::Leaf(at) => Value::Vector(leaves.get_mut(*at).and_then(Option::take).unwrap_or_default()),
        Root::Vector { op, grouping, of } => match evaluate(of, leaves, steps) {
            Value::Vector(series) => Value::Vector(aggregate(*op, grouping, series, steps)),
            // The plan refuses aggregations of numbers.
            Value::Scalar(number) => Value::Scalar(number),
        },
        Root::Binary { op, bool_result, left, right } => {
            let left = evaluate(left, leaves, steps);
            let right = evaluate(right, leaves, steps);
            binary(*op, *bool_result, left, right)
        }
    }
}

/// What is known of a group at one step.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Group {
    fn add(&mut self, value: f64) {
        // NaN gives way to any number, as in Prometheus.
        if self.count == 0 || value < self.min || self.min.is_nan() {
            self.min = value;
        }
        if self.count == 0 || value > self.max || self.max.is_nan() {
            self.max = value;
        }
        self.count += 1;
        self.sum += value;
    }

    fn value(&self, op: VectorOp) -> Option<f64> {
        let value = match op {
            VectorOp::Sum => self.sum,
            VectorOp::Min => self.min,
            VectorOp::Max => self.max,
            VectorOp::Avg => self.sum / self.count as f64,
            VectorOp::Count => self.count as f64,
            // The plan refuses the others so far.
            _ => return None,
        };
        (self.count > 0).then_some(value)
    }
}

fn aggregate(op: VectorOp, grouping: &Grouping, series: Vec<Series>, steps: usize) -> Vec<Series> {
    let mut groups: BTreeMap<Labels, Vec<Group>> = BTreeMap::new();
    for one in series {
        let cells = groups.entry(group_labels(grouping, &one.labels)).or_insert_with(|| vec![Group::default(); steps]);
        for (cell, value) in cells.iter_mut().zip(one.points) {
            if let Some(value) = value {
                cell.add(value);
            }
        }
    }
    let finished = |(labels, cells): (Labels, Vec<Group>)| Series {
        labels,
        points: cells.iter().map(|cell| cell.value(op)).collect(),
    };
    groups.into_iter().map(finished).collect()
}

fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    let (names, listed) = match grouping {
        Grouping::By(names) => (names, true),
        Grouping::Without(names) => (names, false),
    };
    let kept = labels.iter().filter(|(name, _)| names.iter().any(|other| other == name) == listed);
    Labels::new(kept.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn binary(op: BinaryOp, bool_result: bool, left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(match op {
            BinaryOp::Compare(compare) => f64::from(u8::from(compare.holds(&left, &right))),
            op => arithmetic(op, left, right),
        }),
        (Value::Vector(series), Value::Scalar(number)) => {
            map(series, |value| apply(op, bool_result, (value, number), value))
        }
        (Value::Scalar(number), Value::Vector(series)) => {
            map(series, |value| apply(op, bool_result, (number, value), value))
        }
        // The plan refuses two vectors; without matching rules nothing matches.
        (Value::Vector(_), Value::Vector(_)) => Value::Vector(Vec::new()),
    }
}

fn map(mut series: Vec<Series>, apply: impl Fn(f64) -> Option<f64>) -> Value {
    for point in series.iter_mut().flat_map(|one| &mut one.points) {
        *point = point.and_then(&apply);
    }
    Value::Vector(series)
}

/// Applies an operator; a comparison without `bool` keeps `of_vector`, the operand that is the vector's, or drops it.
fn apply(op: BinaryOp, bool_result: bool, (left, right): (f64, f64), of_vector: f64) -> Option<f64> {
    match op {
        BinaryOp::Compare(compare) => match (compare.holds(&left, &right), bool_result) {
            (holds, true) => Some(f64::from(u8::from(holds))),
            (true, false) => Some(of_vector),
            (false, false) => None,
        },
        op => Some(arithmetic(op, left, right)),
    }
}

/// Calculates; division by zero is no number, as in Loki.
fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide | BinaryOp::Modulo if right == 0.0 => f64::NAN,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Compare(compare) => f64::from(u8::from(compare.holds(&left, &right))),
        // The plan refuses them so far.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}
