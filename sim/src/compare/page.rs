//! The comparison as one HTML file: bars for what matters most, then a table of everything.

use super::{Comparison, MEASURES, Measure};
use crate::report::{document, escape};

impl Comparison {
    /// Returns the comparison as an HTML document.
    pub fn to_html(&self, title: &str) -> String {
        let plots: String = HEADLINES.iter().filter_map(|name| self.bars(name)).collect();
        let names: String = self.runs.iter().map(|run| format!("<th>{}</th>", escape(&run.name))).collect();
        let mut rows = String::new();
        let mut group = "";
        for measure in MEASURES {
            if measure.group != group {
                group = measure.group;
                rows.push_str(&format!("<tr><td class=group colspan={}>{group}</td></tr>", self.runs.len() + 1));
            }
            rows.push_str(&self.row(measure));
        }
        let body = format!(
            "<header><h1>{}</h1><p class=about>What each buys in availability, consistency and durability, and what it costs.</p></header>\
             <div class=pairs>{plots}</div><section class=wide><table><thead><tr><th></th>{names}</tr></thead><tbody>{rows}</tbody></table></section>",
            escape(title)
        );
        document(title, &body, &serde_json::json!({}))
    }

    /// Returns a row of the table, with the best and the worst of it marked.
    fn row(&self, measure: &Measure) -> String {
        let values: Vec<Option<f64>> = self.runs.iter().map(measure.value).collect();
        let known = || values.iter().copied().flatten();
        let (least, most) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
        let differ = most > least;
        let cell = |(run, value): (&super::Compared, &Option<f64>)| {
            let class = match (measure.more_is_better, value) {
                (Some(more), Some(value)) if differ && *value == if more { most } else { least } => "best",
                (Some(more), Some(value)) if differ && *value == if more { least } else { most } => "worst",
                _ => "",
            };
            format!("<td class='{class}'>{}</td>", escape(&measure.shown(run)))
        };
        let cells: String = self.runs.iter().zip(&values).map(cell).collect();
        format!("<tr><td>{}</td>{cells}</tr>", measure.name)
    }

    /// Returns a bar for each run by one measure; none if no run has it.
    fn bars(&self, name: &str) -> Option<String> {
        let measure = MEASURES.iter().find(|measure| measure.name == name)?;
        let values: Vec<Option<f64>> = self.runs.iter().map(measure.value).collect();
        let most = values.iter().copied().flatten().fold(0.0, f64::max);
        values.iter().any(Option::is_some).then(|| {
            let row = |(index, (run, value)): (usize, (&super::Compared, &Option<f64>))| {
                let y = index as f64 * ROW;
                let width = value.map_or(0.0, |value| if most > 0.0 { value / most * BAR } else { 0.0 });
                let class = if measure.more_is_better == Some(true) { "good" } else { "cost" };
                format!(
                    "<text x={:.0} y={:.0} text-anchor=end class=words>{}</text><rect class='bar {class}' x={NAMES:.0} y={:.0} width={width:.1} height={:.0} rx=2 />\
                     <text class=words x={:.1} y={:.0}>{}</text>",
                    NAMES - 8.0,
                    y + 16.0,
                    escape(&run.name),
                    y + 3.0,
                    ROW - 6.0,
                    NAMES + width + 6.0,
                    y + 16.0,
                    escape(&measure.shown(run))
                )
            };
            let rows: String = self.runs.iter().zip(&values).enumerate().map(row).collect();
            let height = self.runs.len() as f64 * ROW;
            let better = match measure.more_is_better {
                Some(true) => ", more is better",
                Some(false) => ", less is better",
                None => "",
            };
            format!(
                "<section><h2>{}</h2><p class=note>{}{better}</p><svg viewBox='0 0 {WIDTH:.0} {height:.0}' role=img>{rows}</svg></section>",
                measure.name, measure.group
            )
        })
    }
}

/// What matters most, each shown as bars.
const HEADLINES: &[&str] = &[
    "writes accepted",
    "answers complete",
    "batches lost",
    "short of copies, at worst",
    "acknowledged, half within",
    "99 % within",
    "new batches sent",
    "bytes on disks",
];

const WIDTH: f64 = 520.0;
/// The room for the names of the runs.
const NAMES: f64 = 150.0;
/// The length of the longest bar.
const BAR: f64 = 260.0;
const ROW: f64 = 24.0;
