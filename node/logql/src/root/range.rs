//! From what the panes come to, to the value of a range function at each step. The ranges of the steps slide over the
//! panes: what enters is added, what leaves is taken off, so that a pane costs the same however many steps cover it.

mod counter;
mod quantile;

use std::collections::VecDeque;

use crate::ast::{RangeAggregation, RangeOp};
use crate::exact::{ExactSum, Moments};
use crate::partial::Pane;
use crate::plan::Grid;
use crate::summary::{Summary, is_greater, is_less};
use counter::CounterWindow;
use quantile::QuantileWindow;

/// Returns the values at all steps of a function over samples; the panes are in the order of their numbers.
pub(super) fn values(panes: &[Pane], aggregation: &RangeAggregation, grid: Grid) -> Vec<Option<f64>> {
    let seconds = aggregation.range.as_seconds();
    let mut window: Box<dyn Window> = match aggregation.op {
        RangeOp::StdvarOverTime => Box::new(MomentsWindow { moments: Moments::default(), root: false }),
        RangeOp::StddevOverTime => Box::new(MomentsWindow { moments: Moments::default(), root: true }),
        RangeOp::MinOverTime => Box::new(ExtremeWindow { beats: is_less, best: VecDeque::new() }),
        RangeOp::MaxOverTime => Box::new(ExtremeWindow { beats: is_greater, best: VecDeque::new() }),
        RangeOp::FirstOverTime => Box::new(EdgeWindow { last: false }),
        RangeOp::LastOverTime => Box::new(EdgeWindow { last: true }),
        RangeOp::QuantileOverTime => Box::new(QuantileWindow::new(panes, aggregation.parameter.unwrap_or(f64::NAN))),
        RangeOp::RateCounter => Box::new(CounterWindow::new(panes, aggregation, grid)),
        RangeOp::AvgOverTime => Box::new(SumWindow::new(Divisor::Count)),
        RangeOp::Rate => Box::new(SumWindow::new(Divisor::Fixed(seconds))),
        RangeOp::SumOverTime
        | RangeOp::CountOverTime
        | RangeOp::BytesOverTime
        | RangeOp::BytesRate
        | RangeOp::AbsentOverTime => Box::new(SumWindow::new(Divisor::Fixed(1.0))),
    };
    let (mut start, mut end) = (0, 0);
    let mut values = Vec::with_capacity(grid.len());
    for step in 0..grid.len() {
        let (first, last) = grid.panes_of(step, aggregation.range, aggregation.offset);
        while panes.get(end).is_some_and(|pane| pane.number <= last) {
            window.enter(end, &panes[end].summary);
            end += 1;
        }
        while start < end && panes[start].number < first {
            window.leave(start, &panes[start].summary);
            start += 1;
        }
        values.push((start < end).then(|| window.value(&panes[start..end], start, step)));
    }
    values
}

/// What a range holds while it slides.
trait Window {
    /// Takes in the pane at this place, which lies behind all others.
    fn enter(&mut self, at: usize, pane: &Summary);

    /// Lets go of the pane at this place, the first of those within.
    fn leave(&mut self, at: usize, pane: &Summary);

    /// Returns the value of the function for a step over the panes within, at least one, of which the first has this place.
    fn value(&mut self, within: &[Pane], start: usize, step: usize) -> f64;
}

enum Divisor {
    Count,
    Fixed(f64),
}

struct SumWindow {
    count: u64,
    sum: ExactSum,
    divisor: Divisor,
}

impl SumWindow {
    fn new(divisor: Divisor) -> Self {
        Self { count: 0, sum: ExactSum::default(), divisor }
    }
}

impl Window for SumWindow {
    fn enter(&mut self, _at: usize, pane: &Summary) {
        if let Summary::Sum { count, sum } = pane {
            self.count = self.count.saturating_add(*count);
            self.sum.merge(sum);
        }
    }

    fn leave(&mut self, _at: usize, pane: &Summary) {
        if let Summary::Sum { count, sum } = pane {
            self.count = self.count.saturating_sub(*count);
            self.sum.unmerge(sum);
        }
    }

    fn value(&mut self, _within: &[Pane], _start: usize, _step: usize) -> f64 {
        match self.divisor {
            Divisor::Count => self.sum.mean(self.count),
            Divisor::Fixed(seconds) => self.sum.value() / seconds,
        }
    }
}

struct MomentsWindow {
    moments: Moments,
    /// Whether the deviation is asked for, rather than the variance.
    root: bool,
}

impl Window for MomentsWindow {
    fn enter(&mut self, _at: usize, pane: &Summary) {
        if let Summary::Moments(moments) = pane {
            self.moments.merge(moments);
        }
    }

    fn leave(&mut self, _at: usize, pane: &Summary) {
        if let Summary::Moments(moments) = pane {
            self.moments.unmerge(moments);
        }
    }

    fn value(&mut self, _within: &[Pane], _start: usize, _step: usize) -> f64 {
        let variance = self.moments.variance();
        if self.root { variance.sqrt() } else { variance }
    }
}

/// The least or the greatest. Of the panes within only those are kept that no later one beats: the best comes first.
struct ExtremeWindow {
    beats: fn(f64, f64) -> bool,
    best: VecDeque<(usize, f64)>,
}

impl Window for ExtremeWindow {
    fn enter(&mut self, at: usize, pane: &Summary) {
        let (Summary::Least(value) | Summary::Greatest(value)) = pane else { return };
        while self.best.back().is_some_and(|(_, other)| !(self.beats)(*other, *value)) {
            self.best.pop_back();
        }
        self.best.push_back((at, *value));
    }

    fn leave(&mut self, at: usize, _pane: &Summary) {
        if self.best.front().is_some_and(|(first, _)| *first == at) {
            self.best.pop_front();
        }
    }

    fn value(&mut self, _within: &[Pane], _start: usize, _step: usize) -> f64 {
        self.best.front().map_or(f64::NAN, |(_, value)| *value)
    }
}

/// The earliest or the latest: panes are in the order of time.
struct EdgeWindow {
    last: bool,
}

impl Window for EdgeWindow {
    fn enter(&mut self, _at: usize, _pane: &Summary) {}

    fn leave(&mut self, _at: usize, _pane: &Summary) {}

    fn value(&mut self, within: &[Pane], _start: usize, _step: usize) -> f64 {
        let pane = if self.last { within.last() } else { within.first() };
        match pane.map(|pane| &pane.summary) {
            Some(Summary::First(_, value) | Summary::Last(_, value)) => *value,
            _ => f64::NAN,
        }
    }
}
