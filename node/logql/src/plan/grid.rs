//! The steps of a metric query: the instants at which its value is asked.

use logmesh_protocol::time::{TimeRange, Timestamp};

use super::{POINTS_MAX, QueryParams};
use crate::duration::Nanoseconds;
use crate::error::PlanError;

/// Instants at equal distances, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    first: i64,
    step: i64,
    count: usize,
}

impl Grid {
    /// Returns the steps from the start up to the end, which is one of them if the step divides the range.
    pub(crate) fn new(params: &QueryParams) -> Result<Self, PlanError> {
        let first = params.start.as_nanos();
        let Some(step) = params.step else { return Ok(Self { first, step: 1, count: 1 }) };
        let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
        if step == 0 {
            return Err(PlanError::StepZero);
        }
        let span = i128::from(params.end.as_nanos()) - i128::from(first);
        let points = u64::try_from(span / i128::from(step) + 1).unwrap_or(u64::MAX);
        match usize::try_from(points) {
            Ok(count) if points <= POINTS_MAX => Ok(Self { first, step, count }),
            _ => Err(PlanError::PointsMax { points, max: POINTS_MAX }),
        }
    }

    /// Returns how many steps there are; at least one.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Returns the instant of step `at`. It lies before the end, so the wrapping cancels out.
    pub(crate) fn time(&self, at: usize) -> Timestamp {
        Timestamp::from_nanos(self.first.wrapping_add(self.step.wrapping_mul(at as i64)))
    }

    /// Returns the record time that the ranges before all steps cover together.
    pub(crate) fn record_range(&self, range: Nanoseconds, offset: Nanoseconds) -> TimeRange {
        let start = self.step_range(0, range, offset).start;
        TimeRange { start, end: self.step_range(self.count - 1, range, offset).end }
    }

    /// Returns the record time that the range before step `at`, at T, covers: (T − offset − range, T − offset].
    pub(crate) fn step_range(&self, at: usize, range: Nanoseconds, offset: Nanoseconds) -> TimeRange {
        let end = self.time(at).as_nanos().saturating_sub(offset.0).saturating_add(1);
        TimeRange { start: Timestamp::from_nanos(end.saturating_sub(range.0)), end: Timestamp::from_nanos(end) }
    }

    /// Returns the steps whose ranges cover a record at `time`: from the first, included, to the last, excluded.
    pub(crate) fn steps_over(&self, time: Timestamp, range: Nanoseconds, offset: Nanoseconds) -> (usize, usize) {
        // The first step that covers it lies at or behind `time + offset`; the last lies before that plus the range.
        let since_first = time.as_nanos().saturating_add(offset.0).saturating_sub(self.first);
        let from = self.steps_before(since_first);
        let to = self.steps_before(since_first.saturating_add(range.0));
        (from, to)
    }

    /// Returns how many panes there can be: the steps that cover a record change at most twice a step.
    pub(crate) fn panes(&self) -> usize {
        2 * self.count + 1
    }

    /// Returns the number of the pane whose records the steps from the first, included, to the last, excluded, cover. Both
    /// ends only ever move on, so their sum tells panes apart and puts them in order.
    pub(crate) fn pane_number(from: usize, to: usize) -> u32 {
        u32::try_from(from + to).expect("the steps are bounded")
    }

    /// Returns the first and the last pane that step `at` covers.
    pub(crate) fn panes_of(&self, at: usize, range: Nanoseconds, offset: Nanoseconds) -> (u32, u32) {
        let covered = self.step_range(at, range, offset);
        let number = |time: Timestamp| {
            let (from, to) = self.steps_over(time, range, offset);
            Self::pane_number(from, to)
        };
        (number(covered.start), number(Timestamp::from_nanos(covered.end.as_nanos().saturating_sub(1))))
    }

    /// Returns how many steps lie less than `nanos` after the first one: the place of the first step at or behind it.
    fn steps_before(&self, nanos: i64) -> usize {
        if nanos <= 0 {
            return 0;
        }
        // Rounded up: (nanos + step − 1) / step without its overflow.
        let steps = (nanos - 1) / self.step + 1;
        usize::try_from(steps).unwrap_or(usize::MAX).min(self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn grid(start: i64, end: i64, step: u64) -> Result<Grid, PlanError> {
        let (start, end) = (Timestamp::from_nanos(start), Timestamp::from_nanos(end));
        Grid::new(&QueryParams::range(start, end, Duration::from_nanos(step)))
    }

    #[test]
    fn the_end_is_a_step_if_the_step_divides_the_range() {
        for (start, end, step, count) in [(0, 10, 5, 3), (0, 9, 5, 2), (3, 3, 5, 1), (-7, 3, 2, 6)] {
            assert_eq!(grid(start, end, step).unwrap().len(), count, "{start} {end} {step}");
        }
    }

    #[test]
    fn too_many_points_and_no_step_are_refused() {
        assert_eq!(grid(0, 11_000, 1), Err(PlanError::PointsMax { points: 11_001, max: POINTS_MAX }));
        assert!(grid(0, 10_999, 1).is_ok());
        assert_eq!(grid(0, 10, 0), Err(PlanError::StepZero));
        assert!(matches!(grid(i64::MIN, i64::MAX, 1), Err(PlanError::PointsMax { .. })));
    }

    proptest! {
        #[test]
        fn a_record_is_covered_by_exactly_the_steps_whose_range_holds_it(
            start in -50i64..50, span in 0i64..60, step in 1u64..20, range in 1i64..40, offset in -30i64..30, time in -99i64..199,
        ) {
            let grid = grid(start, start + span, step).unwrap();
            let (range, offset) = (Nanoseconds(range), Nanoseconds(offset));
            let (from, to) = grid.steps_over(Timestamp::from_nanos(time), range, offset);
            for at in 0..grid.len() {
                let step_time = grid.time(at).as_nanos() - offset.0;
                let covered = step_time - range.0 < time && time <= step_time;
                prop_assert_eq!(from <= at && at < to, covered);
            }
            let pane = (from < to).then(|| Grid::pane_number(from, to));
            for at in 0..grid.len() {
                let (first, last) = grid.panes_of(at, range, offset);
                let covered = from <= at && at < to;
                prop_assert_eq!(covered, pane.is_some_and(|pane| first <= pane && pane <= last));
                prop_assert!((last as usize) < grid.panes());
            }
            let whole = grid.record_range(range, offset);
            prop_assert!(from >= to || whole.contains(Timestamp::from_nanos(time)));
        }
    }
}
