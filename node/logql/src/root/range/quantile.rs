//! Quantiles over a sliding range: how many of each value lie within is kept in a Fenwick tree (Fenwick, "A new data
//! structure for cumulative frequency tables", Software: Practice and Experience 24, 1994), so that a step costs little
//! however many values its range holds.

use super::Window;
use crate::partial::Pane;
use crate::summary::Summary;

pub(super) struct QuantileWindow {
    quantile: f64,
    /// All values there are, rising, each once.
    distinct: Vec<f64>,
    /// The tree over how often each lies within the range; its places count from one.
    tree: Vec<u32>,
    count: usize,
}

impl QuantileWindow {
    pub(super) fn new(panes: &[Pane], quantile: f64) -> Self {
        let mut distinct: Vec<f64> = panes.iter().flat_map(|pane| values(&pane.summary)).copied().collect();
        distinct.sort_by(order);
        distinct.dedup_by(|a, b| order(a, b).is_eq());
        let tree = vec![0; distinct.len() + 1];
        Self { quantile, distinct, tree, count: 0 }
    }

    fn change(&mut self, pane: &Summary, enters: bool) {
        for value in values(pane) {
            let mut at = self.distinct.partition_point(|other| order(other, value).is_lt()) + 1;
            while let Some(cell) = self.tree.get_mut(at) {
                *cell = if enters { *cell + 1 } else { *cell - 1 };
                at += at & at.wrapping_neg();
            }
            self.count = if enters { self.count + 1 } else { self.count - 1 };
        }
    }

    /// Returns the value with this many before it.
    fn nth(&self, before: usize) -> f64 {
        let (mut at, mut left) = (0, before);
        let mut stride = self.tree.len().next_power_of_two();
        while stride > 0 {
            if let Some(cell) = self.tree.get(at + stride)
                && *cell as usize <= left
            {
                at += stride;
                left -= *cell as usize;
            }
            stride /= 2;
        }
        self.distinct.get(at).copied().unwrap_or(f64::NAN)
    }
}

impl Window for QuantileWindow {
    fn enter(&mut self, _at: usize, pane: &Summary) {
        self.change(pane, true);
    }

    fn leave(&mut self, _at: usize, pane: &Summary) {
        self.change(pane, false);
    }

    /// Interpolates linearly between the two nearest values, as Prometheus does.
    fn value(&mut self, _within: &[Pane], _start: usize, _step: usize) -> f64 {
        if self.count == 0 || self.quantile.is_nan() {
            return f64::NAN;
        }
        if self.quantile < 0.0 {
            return f64::NEG_INFINITY;
        }
        if self.quantile > 1.0 {
            return f64::INFINITY;
        }
        let rank = self.quantile * (self.count - 1) as f64;
        let lower = rank.floor();
        let weight = rank - lower;
        let (lower, upper) = (lower as usize, (lower as usize + 1).min(self.count - 1));
        self.nth(lower) * (1.0 - weight) + self.nth(upper) * weight
    }
}

/// The order of values, NaN first.
fn order(left: &f64, right: &f64) -> std::cmp::Ordering {
    right
        .is_nan()
        .cmp(&left.is_nan())
        .then_with(|| if left.is_nan() { left.total_cmp(left) } else { left.total_cmp(right) })
}

fn values(pane: &Summary) -> &[f64] {
    match pane {
        Summary::Values(values) => values,
        _ => &[],
    }
}
