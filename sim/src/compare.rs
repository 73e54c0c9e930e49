//! Comparisons: what several runs cost and bought, side by side: availability, consistency, durability, performance.

use serde::Serialize;

use crate::report::{Figures, Recording, show};

mod page;
mod variants;

pub use self::variants::variants;

/// Several runs, side by side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// The runs, in the order they were asked for.
    pub runs: Vec<Compared>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// What makes it different from the others.
    pub name: String,
    /// The name of its scenario.
    pub scenario: String,
    /// Its figures.
    pub figures: Figures,
    /// How many promises were broken.
    pub broken: usize,
}

/// Something by which runs differ.
pub(crate) struct Measure {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    /// Whether more of it is better; none if it is neither good nor bad.
    pub(crate) more_is_better: Option<bool>,
    pub(crate) value: fn(&Compared) -> Option<f64>,
    pub(crate) show: fn(f64) -> String,
}

impl Comparison {
    /// Adds a run.
    pub fn add(&mut self, name: String, run: &Recording) {
        let broken = run.outcome.broken.len();
        self.runs.push(Compared { name, scenario: run.scenario.clone(), figures: Figures::of(run), broken });
    }

    /// Returns a table for a terminal: a row a measure, a column a run.
    pub fn to_text(&self) -> String {
        let shown = |measure: &Measure| -> Vec<String> { self.runs.iter().map(|run| measure.shown(run)).collect() };
        let rows: Vec<(&Measure, Vec<String>)> = MEASURES.iter().map(|measure| (measure, shown(measure))).collect();
        let first = MEASURES.iter().map(|measure| width(measure.name)).max().unwrap_or(0) + 2;
        let widths: Vec<usize> = (0..self.runs.len())
            .map(|run| {
                rows.iter().map(|(_, cells)| width(&cells[run])).chain([width(&self.runs[run].name)]).max().unwrap_or(0)
            })
            .collect();
        let mut text = " ".repeat(first);
        for (run, width_of) in self.runs.iter().zip(&widths) {
            text.push_str(&format!("  {}", padded(&run.name, *width_of)));
        }
        let mut group = "";
        for (measure, cells) in rows {
            if measure.group != group {
                group = measure.group;
                text.push_str(&format!("\n{group}"));
            }
            text.push_str(&format!("\n  {}{}", measure.name, " ".repeat(first - 2 - width(measure.name))));
            for (cell, width_of) in cells.iter().zip(&widths) {
                text.push_str(&format!("  {}", padded(cell, *width_of)));
            }
        }
        text.push('\n');
        text
    }
}

impl Measure {
    /// Returns what is told of a run.
    pub(crate) fn shown(&self, run: &Compared) -> String {
        (self.value)(run).map_or_else(|| "–".to_owned(), self.show)
    }
}

fn padded(text: &str, width_of: usize) -> String {
    format!("{}{text}", " ".repeat(width_of.saturating_sub(width(text))))
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn count(number: f64) -> String {
    show::count(number.round() as u64)
}

fn rate(bytes: f64) -> String {
    format!("{}/s", show::bytes(bytes))
}

fn millis(ms: f64) -> String {
    show::seconds(ms / 1e3)
}

/// All by which runs are compared.
pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        group: "availability",
        name: "writes accepted",
        more_is_better: Some(true),
        value: |run| run.figures.accepted_share(),
        show: show::share,
    },
    Measure {
        group: "availability",
        name: "writes refused",
        more_is_better: Some(false),
        value: |run| Some(run.figures.refused as f64),
        show: count,
    },
    Measure {
        group: "consistency",
        name: "answers complete",
        more_is_better: Some(true),
        value: |run| run.figures.complete_share(),
        show: show::share,
    },
    Measure {
        group: "consistency",
        name: "complete, unsure of it",
        more_is_better: None,
        value: |run| run.figures.unsure_share(),
        show: show::share,
    },
    Measure {
        group: "consistency",
        name: "stalest answer",
        more_is_better: Some(false),
        value: |run| Some(run.figures.staleness_max_s),
        show: show::seconds,
    },
    Measure {
        group: "consistency",
        name: "wrongly said complete",
        more_is_better: Some(false),
        value: |run| Some(run.figures.answers_wrong as f64),
        show: count,
    },
    Measure {
        group: "durability",
        name: "batches lost",
        more_is_better: Some(false),
        value: |run| Some(run.figures.lost as f64),
        show: count,
    },
    Measure {
        group: "durability",
        name: "acknowledged as asked",
        more_is_better: Some(true),
        value: |run| run.figures.acks_as_asked,
        show: show::share,
    },
    Measure {
        group: "durability",
        name: "short of copies, at worst",
        more_is_better: Some(false),
        value: |run| Some(run.figures.short_max as f64),
        show: count,
    },
    Measure {
        group: "durability",
        name: "copies made up in",
        more_is_better: Some(false),
        value: |run| run.figures.restored_after_s,
        show: show::seconds,
    },
    Measure {
        group: "durability",
        name: "converged in",
        more_is_better: Some(false),
        value: |run| run.figures.converged_after_s,
        show: show::seconds,
    },
    Measure {
        group: "performance",
        name: "acknowledged, half within",
        more_is_better: Some(false),
        value: |run| run.figures.ack_p50_ms,
        show: millis,
    },
    Measure {
        group: "performance",
        name: "99 % within",
        more_is_better: Some(false),
        value: |run| run.figures.ack_p99_ms,
        show: millis,
    },
    Measure {
        group: "performance",
        name: "all within",
        more_is_better: Some(false),
        value: |run| run.figures.ack_max_ms,
        show: millis,
    },
    Measure {
        group: "cost a node",
        name: "new batches sent",
        more_is_better: Some(false),
        value: |run| Some(run.figures.push_rate),
        show: rate,
    },
    Measure {
        group: "cost a node",
        name: "repair sent",
        more_is_better: Some(false),
        value: |run| Some(run.figures.repair_rate),
        show: rate,
    },
    Measure {
        group: "cost a node",
        name: "messages sent",
        more_is_better: Some(false),
        value: |run| Some(run.figures.message_rate),
        show: rate,
    },
    Measure {
        group: "cost of all",
        name: "bytes on disks",
        more_is_better: None,
        value: |run| Some(run.figures.disk_bytes as f64),
        show: show::bytes,
    },
    Measure {
        group: "promises",
        name: "broken",
        more_is_better: Some(false),
        value: |run| Some(run.broken as f64),
        show: count,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(name: &str, accepted: u64, refused: u64) -> Compared {
        let figures = Figures { accepted, refused, ..Figures::default() };
        Compared { name: name.into(), scenario: "x".into(), figures, broken: 0 }
    }

    #[test]
    fn the_table_has_a_column_a_run_and_a_row_a_measure() {
        let comparison = Comparison { runs: vec![compared("copies=1", 1_000, 0), compared("copies=3", 900, 100)] };
        let text = comparison.to_text();
        let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
        assert_eq!(
            line("writes accepted").split_whitespace().collect::<Vec<_>>(),
            ["writes", "accepted", "100", "%", "90.0", "%"]
        );
        assert!(line("copies=1").ends_with("copies=1  copies=3"));
        let widths: Vec<usize> = text.lines().filter(|line| line.starts_with("  ")).map(width).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn the_page_names_all_runs_and_marks_the_best() {
        let comparison = Comparison { runs: vec![compared("<one>", 1_000, 0), compared("other", 900, 100)] };
        let page = comparison.to_html("A <trade>");
        assert!(page.contains("&lt;one&gt;") && !page.contains("<one>") && page.contains("class='best'"));
    }
}
