//! Nodes × time: one row a node, one column a moment, each cell a letter that the page paints.

use super::recording::{NodeState, Recording};

/// A grid of cells, to be painted by the page's script.
pub(crate) struct Grid {
    /// One line a node.
    pub(crate) rows: Vec<String>,
    /// What each row is called in full.
    pub(crate) labels: Vec<String>,
}

impl Grid {
    /// Returns how each node was.
    pub(crate) fn of_states(run: &Recording) -> Self {
        Self::new(run, |node, moment| letter(node.state.get(moment).copied().unwrap_or_default()))
    }

    /// Returns how much each node sent in repair: a digit for each power of four.
    pub(crate) fn of_repair(run: &Recording) -> Self {
        let level = |bytes: u64| {
            let rate = bytes as f64 / run.step_s.max(1e-9);
            let level = if rate < LEVEL_LEAST { 0 } else { 1 + (rate / LEVEL_LEAST).log(4.0) as u32 };
            char::from_digit(level.min(9), 10).unwrap_or('9')
        };
        Self::new(run, |node, moment| match node.state.get(moment) {
            None | Some(NodeState::Absent) => 'a',
            Some(_) => level(node.repair_bytes.get(moment).copied().unwrap_or(0)),
        })
    }

    fn new(run: &Recording, cell: impl Fn(&super::NodeTrack, usize) -> char) -> Self {
        let rows = run.nodes.iter().map(|node| (0..run.moments.len()).map(|moment| cell(node, moment)).collect());
        let label = |node: &super::NodeTrack| match node.zone.is_empty() {
            true => node.name.clone(),
            false => format!("{} · {}", node.name, node.zone),
        };
        Self { rows: rows.collect(), labels: run.nodes.iter().map(label).collect() }
    }

    /// Returns the names that stand beside the rows: of all if there is room, else of each zone where it begins.
    pub(crate) fn shown_labels(&self, run: &Recording) -> Vec<(usize, String)> {
        if self.row_height() >= LABEL_HEIGHT {
            return run.nodes.iter().map(|node| node.name.clone()).enumerate().collect();
        }
        let begins = |index: &usize| *index == 0 || run.nodes[*index].zone != run.nodes[index - 1].zone;
        let mut labels: Vec<(usize, String)> = Vec::new();
        for index in (0..run.nodes.len()).filter(begins) {
            let is_free =
                labels.last().is_none_or(|(last, _)| (index - last) as f64 * self.row_height() >= LABEL_HEIGHT);
            if is_free {
                let node = &run.nodes[index];
                labels.push((index, if node.zone.is_empty() { node.name.clone() } else { node.zone.clone() }));
            }
        }
        labels
    }

    /// Returns the height of a row in pixels of the page.
    pub(crate) fn row_height(&self) -> f64 {
        (GRID_HEIGHT / self.rows.len().max(1) as f64).clamp(1.0, 18.0)
    }
}

fn letter(state: NodeState) -> char {
    match state {
        NodeState::Absent => 'a',
        NodeState::Up => 'u',
        NodeState::CutOff => 'c',
        NodeState::Refusing => 'r',
        NodeState::Down => 'd',
    }
}

/// The least rate that shows, in bytes a second.
pub(crate) const LEVEL_LEAST: f64 = 100.0;

/// About how high a grid is, in pixels; with very many nodes it is higher.
const GRID_HEIGHT: f64 = 420.0;

/// The least height at which a name can be read.
const LABEL_HEIGHT: f64 = 10.0;
