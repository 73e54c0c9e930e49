//! What the samples of one pane come to. A pane is a stretch of time whose records the same steps cover: each sample is
//! kept once, however many steps cover it, and what the panes come to is put together for each step at the end.
//!
//! Merging is exact, commutative and associative: neither the order of the rows nor how they were divided shows.

use serde::{Deserialize, Serialize};

use crate::ast::RangeOp;
use crate::exact::{ExactSum, Moments};

/// What some samples come to, as much as the function needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Summary {
    /// How many there are, and their sum.
    Sum {
        /// How many.
        count: u64,
        /// Their sum.
        sum: ExactSum,
    },
    /// What the variance needs.
    Moments(Moments),
    /// The least; NaN only if there is nothing else.
    Least(f64),
    /// The greatest; NaN only if there is nothing else.
    Greatest(f64),
    /// The earliest with its time, of several at once the least.
    First(i64, f64),
    /// The latest with its time, of several at once the greatest.
    Last(i64, f64),
    /// All of them, in no order.
    Values(Vec<f64>),
    /// All of them with their times, in no order.
    Samples(Vec<(i64, f64)>),
}

impl Summary {
    /// Returns the summary of one sample, as `op` needs it; `None` if it needs none but counts.
    pub(crate) fn new(op: RangeOp, time: i64, value: f64) -> Option<Self> {
        let mut empty = match op {
            RangeOp::Rate | RangeOp::SumOverTime | RangeOp::AvgOverTime => {
                Summary::Sum { count: 0, sum: ExactSum::default() }
            }
            RangeOp::StdvarOverTime | RangeOp::StddevOverTime => Summary::Moments(Moments::default()),
            RangeOp::MinOverTime => return Some(Summary::Least(value)),
            RangeOp::MaxOverTime => return Some(Summary::Greatest(value)),
            RangeOp::FirstOverTime => return Some(Summary::First(time, value)),
            RangeOp::LastOverTime => return Some(Summary::Last(time, value)),
            RangeOp::QuantileOverTime => Summary::Values(Vec::new()),
            RangeOp::RateCounter => Summary::Samples(Vec::new()),
            RangeOp::CountOverTime | RangeOp::BytesOverTime | RangeOp::BytesRate | RangeOp::AbsentOverTime => {
                return None;
            }
        };
        empty.add(time, value);
        Some(empty)
    }

    /// Tells whether this is what `op` needs.
    pub(crate) fn fits(&self, op: RangeOp) -> bool {
        Summary::new(op, 0, 0.0).is_some_and(|wanted| std::mem::discriminant(&wanted) == std::mem::discriminant(self))
    }

    /// Adds a sample.
    pub(crate) fn add(&mut self, time: i64, value: f64) {
        match self {
            Summary::Sum { count, sum } => {
                *count += 1;
                sum.add(value);
            }
            Summary::Moments(moments) => moments.add(value),
            Summary::Least(least) if is_less(value, *least) => *least = value,
            Summary::Greatest(greatest) if is_greater(value, *greatest) => *greatest = value,
            Summary::First(first_time, first) if is_before((time, value), (*first_time, *first)) => {
                (*first_time, *first) = (time, value);
            }
            Summary::Last(last_time, last) if is_before((*last_time, *last), (time, value)) => {
                (*last_time, *last) = (time, value);
            }
            Summary::Least(_) | Summary::Greatest(_) | Summary::First(..) | Summary::Last(..) => {}
            Summary::Values(values) => values.push(value),
            Summary::Samples(samples) => samples.push((time, value)),
        }
    }

    /// Adds other samples. Of another kind they add nothing; [`Summary::fits`] tells.
    pub(crate) fn merge(&mut self, other: Summary) {
        match (&mut *self, other) {
            (Summary::Sum { count, sum }, Summary::Sum { count: more, sum: other }) => {
                *count = count.saturating_add(more);
                sum.merge(&other);
            }
            (Summary::Moments(moments), Summary::Moments(other)) => moments.merge(&other),
            (Summary::Values(values), Summary::Values(other)) => values.extend(other),
            (Summary::Samples(samples), Summary::Samples(other)) => samples.extend(other),
            (Summary::Least(_), Summary::Least(value)) | (Summary::Greatest(_), Summary::Greatest(value)) => {
                self.add(0, value);
            }
            (Summary::First(..), Summary::First(time, value)) | (Summary::Last(..), Summary::Last(time, value)) => {
                self.add(time, value);
            }
            _ => {}
        }
    }

    /// Returns how many numbers a sample adds to those that are kept one by one.
    pub(crate) const fn weight(op: RangeOp) -> u64 {
        match op {
            RangeOp::QuantileOverTime => 1,
            RangeOp::RateCounter => 2,
            _ => 0,
        }
    }

    /// Returns how many numbers are kept one by one.
    pub(crate) fn values(&self) -> u64 {
        match self {
            Summary::Values(values) => values.len() as u64,
            Summary::Samples(samples) => 2 * samples.len() as u64,
            Summary::Sum { .. }
            | Summary::Moments(_)
            | Summary::Least(_)
            | Summary::Greatest(_)
            | Summary::First(..)
            | Summary::Last(..) => 0,
        }
    }

    /// Cuts off the samples that are kept one by one beyond the first `len`, if there are more.
    pub(crate) fn split_off(&mut self, len: usize) -> Option<Summary> {
        match self {
            Summary::Values(values) if values.len() > len => Some(Summary::Values(values.split_off(len))),
            Summary::Samples(samples) if samples.len() > len => Some(Summary::Samples(samples.split_off(len))),
            _ => None,
        }
    }
}

/// Tells whether a value is a lesser one; NaN gives way to any number, as in Prometheus, and of the zeros the negative
/// one is the lesser, so that it does not matter which came first.
pub(crate) fn is_less(value: f64, least: f64) -> bool {
    value < least || (least.is_nan() && !value.is_nan()) || (value == least && value.total_cmp(&least).is_lt())
}

/// Tells whether a value is a greater one, by the same rules.
pub(crate) fn is_greater(value: f64, greatest: f64) -> bool {
    value > greatest
        || (greatest.is_nan() && !value.is_nan())
        || (value == greatest && value.total_cmp(&greatest).is_gt())
}

fn is_before((time, value): (i64, f64), (other_time, other): (i64, f64)) -> bool {
    time < other_time || (time == other_time && value.total_cmp(&other).is_lt())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};
    use proptest::{prop_oneof, sample};

    use super::*;

    fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
        let value =
            prop_oneof![sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, 0.1, -2.5, 1e300]), any::<f64>()];
        vec((0i64..4, value), 1..12)
    }

    fn summary(op: RangeOp, samples: &[(i64, f64)]) -> Option<Summary> {
        let mut samples = samples.iter();
        let (time, value) = samples.next()?;
        let mut summary = Summary::new(op, *time, *value)?;
        samples.for_each(|(time, value)| summary.add(*time, *value));
        Some(summary)
    }

    fn merged(left: Option<Summary>, right: Option<Summary>) -> Option<Summary> {
        match (left, right) {
            (Some(mut left), Some(right)) => {
                left.merge(right);
                Some(left)
            }
            (left, right) => left.or(right),
        }
    }

    /// Prints a summary such that only what matters shows: no order among values, no sign of NaN.
    fn shown(summary: Option<Summary>) -> String {
        let bytes = |summary: &Summary| logmesh_protocol::codec::encode(1, summary);
        match summary {
            Some(Summary::Values(mut values)) => {
                values.sort_by(f64::total_cmp);
                format!("{values:?}")
            }
            Some(Summary::Samples(mut samples)) => {
                samples.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
                format!("{samples:?}")
            }
            // Sums have one spelling only once they travel.
            Some(summary @ (Summary::Sum { .. } | Summary::Moments(_))) => format!("{:?}", bytes(&summary)),
            other => format!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn merging_is_commutative_and_associative(
            op in sample::select(RangeOp::ALL),
            (all, shuffled) in samples().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            cuts in (0usize..12, 0usize..12),
        ) {
            let (first, second) = (cuts.0.min(cuts.1).min(all.len()), cuts.0.max(cuts.1).min(all.len()));
            let part = |from: usize, to: usize| summary(op, &shuffled[from..to]);
            let (a, b, c) = (part(0, first), part(first, second), part(second, all.len()));
            let whole = shown(summary(op, &all));
            prop_assert_eq!(&shown(merged(merged(a.clone(), b.clone()), c.clone())), &whole);
            prop_assert_eq!(&shown(merged(a.clone(), merged(b.clone(), c.clone()))), &whole);
            prop_assert_eq!(&shown(merged(c, merged(b, a))), &whole);
        }
    }
}
