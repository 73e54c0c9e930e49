//! Aggregations over series, step by step.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use logmesh_protocol::record::Labels;

use super::Series;
use crate::ast::{Grouping, VectorOp};
use crate::exact::{ExactSum, Moments};
use crate::summary::{is_greater, is_less};

/// Aggregates series; `parameter` tells how many of them are chosen, where some are.
pub(super) fn aggregate(
    op: VectorOp,
    parameter: Option<u32>,
    grouping: &Grouping,
    series: Vec<Series>,
    steps: usize,
) -> Vec<Series> {
    let count = parameter.map_or(usize::MAX, |count| count as usize);
    match op {
        VectorOp::Topk | VectorOp::ApproxTopk => choose(series, grouping, count, steps, greatest_first),
        VectorOp::Bottomk => choose(series, grouping, count, steps, least_first),
        VectorOp::Sort => sorted(series, least_first),
        VectorOp::SortDesc => sorted(series, greatest_first),
        VectorOp::Sum
        | VectorOp::Min
        | VectorOp::Max
        | VectorOp::Avg
        | VectorOp::Count
        | VectorOp::Stdvar
        | VectorOp::Stddev => fold(op, &groups(&series, grouping), &series, steps),
    }
}

/// Returns the places of the series of each group.
fn groups(series: &[Series], grouping: &Grouping) -> BTreeMap<Labels, Vec<usize>> {
    let mut groups: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
    for (at, one) in series.iter().enumerate() {
        groups.entry(grouping.of(&one.labels)).or_default().push(at);
    }
    groups
}

/// Makes one series of each group.
fn fold(op: VectorOp, groups: &BTreeMap<Labels, Vec<usize>>, series: &[Series], steps: usize) -> Vec<Series> {
    let folded = |(labels, members): (&Labels, &Vec<usize>)| {
        let values = |step: usize| members.iter().filter_map(move |at| series[*at].points.get(step).copied().flatten());
        let points = (0..steps).map(|step| fold_values(op, values(step))).collect();
        Series { labels: labels.clone(), points }
    };
    groups.iter().map(folded).collect()
}

/// Returns what the values come to; nothing if there are none.
fn fold_values(op: VectorOp, mut values: impl Iterator<Item = f64>) -> Option<f64> {
    let first = values.next()?;
    let all = std::iter::once(first).chain(values);
    Some(match op {
        VectorOp::Min => all.reduce(|least, value| if is_less(value, least) { value } else { least })?,
        VectorOp::Max => all.reduce(|greatest, value| if is_greater(value, greatest) { value } else { greatest })?,
        VectorOp::Count => all.count() as f64,
        VectorOp::Stdvar => variance(all),
        VectorOp::Stddev => variance(all).sqrt(),
        VectorOp::Avg => {
            let mut count = 0;
            sum(all.inspect(|_| count += 1)).mean(count)
        }
        VectorOp::Sum
        | VectorOp::Topk
        | VectorOp::Bottomk
        | VectorOp::Sort
        | VectorOp::SortDesc
        | VectorOp::ApproxTopk => sum(all).value(),
    })
}

fn sum(values: impl Iterator<Item = f64>) -> ExactSum {
    let mut sum = ExactSum::default();
    values.for_each(|value| sum.add(value));
    sum
}

fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let mut moments = Moments::default();
    values.for_each(|value| moments.add(value));
    moments.variance()
}

/// Keeps at each step the first `count` values of each group, in this order; of equal ones those of the lesser labels.
fn choose(
    mut series: Vec<Series>,
    grouping: &Grouping,
    count: usize,
    steps: usize,
    order: fn(&f64, &f64) -> Ordering,
) -> Vec<Series> {
    let mut chosen: Vec<Vec<Option<f64>>> = series.iter().map(|_| vec![None; steps]).collect();
    for mut members in groups(&series, grouping).into_values() {
        members.sort_by(|a, b| series[*a].labels.cmp(&series[*b].labels));
        let mut values: Vec<(f64, usize)> = Vec::with_capacity(members.len());
        for step in 0..steps {
            let value = |at: &usize| Some((series[*at].points.get(step).copied().flatten()?, *at));
            values.clear();
            values.extend(members.iter().filter_map(value));
            // The sort is stable, so equal values stay in the order of their labels.
            values.sort_by(|a, b| order(&a.0, &b.0));
            for (value, at) in values.iter().take(count) {
                let points: &mut Vec<Option<f64>> = &mut chosen[*at];
                points[step] = Some(*value);
            }
        }
    }
    for (one, points) in series.iter_mut().zip(chosen) {
        one.points = points;
    }
    series
}

/// Puts series in the order of their first values; only in instant queries it shows.
fn sorted(mut series: Vec<Series>, order: fn(&f64, &f64) -> Ordering) -> Vec<Series> {
    let value = |one: &Series| one.points.first().copied().flatten().unwrap_or(f64::NAN);
    series.sort_by(|a, b| order(&value(a), &value(b)).then_with(|| a.labels.cmp(&b.labels)));
    series
}

/// The order of values, NaN last.
fn least_first(left: &f64, right: &f64) -> Ordering {
    left.is_nan().cmp(&right.is_nan()).then_with(|| left.partial_cmp(right).unwrap_or(Ordering::Equal))
}

/// The opposite order, but NaN last too.
fn greatest_first(left: &f64, right: &f64) -> Ordering {
    left.is_nan().cmp(&right.is_nan()).then_with(|| right.partial_cmp(left).unwrap_or(Ordering::Equal))
}
