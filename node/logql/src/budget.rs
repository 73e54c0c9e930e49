//! What a metric query may hold in memory, over all its range aggregations together: a query may have hundreds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::EvalError;
use crate::plan::{CELLS_MAX, PANES_MAX, VALUES_MAX};

/// What is held so far. The parts of one query share it.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    cells: AtomicU64,
    panes: AtomicU64,
    values: AtomicU64,
}

impl Budget {
    /// Accounts for one more series over this many steps.
    pub(crate) fn take_series(&self, steps: usize) -> Result<(), EvalError> {
        take(&self.cells, steps as u64, CELLS_MAX).map_err(EvalError::CellsMax)
    }

    /// Accounts for one more pane.
    pub(crate) fn take_pane(&self) -> Result<(), EvalError> {
        take(&self.panes, 1, PANES_MAX).map_err(EvalError::CellsMax)
    }

    /// Accounts for more numbers that are kept one by one.
    pub(crate) fn take_values(&self, count: u64) -> Result<(), EvalError> {
        // Most functions keep none.
        if count == 0 { Ok(()) } else { take(&self.values, count, VALUES_MAX).map_err(EvalError::ValuesMax) }
    }
}

/// Adds to what is taken; fails with the most there may be if that is more.
fn take(taken: &AtomicU64, more: u64, most: u64) -> Result<(), u64> {
    let before = taken.fetch_add(more, Ordering::Relaxed);
    if before.saturating_add(more) > most { Err(most) } else { Ok(()) }
}
