//! The rate of a counter over a sliding range, as Prometheus calculates it: where the value falls the counter was reset,
//! and what was counted before is added; the rise is then extended to the ends of the range, where samples stand close
//! enough to them (<https://prometheus.io/docs/prometheus/latest/querying/functions/#rate>).

use std::ops::Range;

use super::Window;
use crate::ast::RangeAggregation;
use crate::exact::ExactSum;
use crate::partial::Pane;
use crate::plan::Grid;
use crate::summary::Summary;

pub(super) struct CounterWindow {
    aggregation_seconds: f64,
    /// For each step the first and the last nanosecond of its range, the first excluded.
    ends: Vec<(i64, i64)>,
    /// All samples, by time and value.
    samples: Vec<(i64, f64)>,
    /// Where the samples of each pane begin, and where the last one's end.
    starts: Vec<usize>,
    /// The samples that are less than the one before, and what that was.
    resets: Vec<(usize, f64)>,
    /// Which of those lie within the range, and their sum.
    resets_within: Range<usize>,
    lost: ExactSum,
}

impl CounterWindow {
    pub(super) fn new(panes: &[Pane], aggregation: &RangeAggregation, grid: Grid) -> Self {
        let (mut samples, mut starts) = (Vec::new(), vec![0]);
        for pane in panes {
            let start = samples.len();
            if let Summary::Samples(more) = &pane.summary {
                samples.extend_from_slice(more);
            }
            samples[start..].sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
            starts.push(samples.len());
        }
        let pairs = samples.windows(2).enumerate();
        let resets = pairs.filter(|(_, pair)| pair[1].1 < pair[0].1).map(|(at, pair)| (at + 1, pair[0].1)).collect();
        let end = |step| grid.step_range(step, aggregation.range, aggregation.offset);
        let nanos = |step| (end(step).start.as_nanos().saturating_sub(1), end(step).end.as_nanos().saturating_sub(1));
        Self {
            aggregation_seconds: aggregation.range.as_seconds(),
            ends: (0..grid.len()).map(nanos).collect(),
            samples,
            starts,
            resets,
            resets_within: 0..0,
            lost: ExactSum::default(),
        }
    }

    /// Slides on to the resets between the samples of `within`, and returns what was counted before them.
    fn lost(&mut self, within: &Range<usize>) -> f64 {
        while let Some((_, before)) = self.resets.get(self.resets_within.end).filter(|(at, _)| *at < within.end) {
            self.lost.add(*before);
            self.resets_within.end += 1;
        }
        // At the first sample nothing falls: what stands before it lies outside.
        while self.resets_within.start < self.resets_within.end {
            let (at, before) = self.resets[self.resets_within.start];
            if at > within.start {
                break;
            }
            self.lost.remove(before);
            self.resets_within.start += 1;
        }
        self.lost.value()
    }
}

impl Window for CounterWindow {
    fn enter(&mut self, _at: usize, _pane: &Summary) {}

    fn leave(&mut self, _at: usize, _pane: &Summary) {}

    fn value(&mut self, within: &[Pane], start: usize, step: usize) -> f64 {
        let places = self.starts[start]..self.starts[start + within.len()];
        let lost = self.lost(&places);
        let samples = &self.samples[places];
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return f64::NAN };
        // One sample alone shows no rise.
        if samples.len() < 2 {
            return 0.0;
        }
        let rise = last.1 - first.1 + lost;
        let (range_start, range_end) = self.ends[step];
        let seconds = |from: i64, to: i64| (i128::from(to) - i128::from(from)) as f64 / 1e9;
        let sampled = seconds(first.0, last.0);
        if sampled == 0.0 {
            return rise / self.aggregation_seconds;
        }
        let between = sampled / (samples.len() - 1) as f64;
        let extension = |gap: f64| if gap >= between * THRESHOLD { between / 2.0 } else { gap };
        let mut before = extension(seconds(range_start, first.0));
        // No counter is less than zero: it cannot have risen for longer than it takes from there.
        if rise > 0.0 && first.1 >= 0.0 {
            before = before.min(sampled * (first.1 / rise));
        }
        let after = extension(seconds(last.0, range_end));
        rise * ((sampled + before + after) / sampled / self.aggregation_seconds)
    }
}

/// A gap up to so many times the mean distance of samples is taken for one between samples.
const THRESHOLD: f64 = 1.1;
