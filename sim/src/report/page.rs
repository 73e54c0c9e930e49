//! The report as one HTML file that asks nothing of the network: charts to look at, a verdict first.

use std::fmt::Write;

use super::chart::{Chart, Frame, LEFT, RIGHT, Scale, WIDTH, clock};
use super::grid::{Grid, LEVEL_LEAST};
use super::recording::{Moment, Recording};
use super::{Figures, show};

impl Recording {
    /// Returns the report as an HTML document.
    pub fn to_html(&self) -> String {
        let frame = Frame { end_s: self.end_s(), lasts_s: self.lasts_s, marks: &self.marks };
        let mut page = Page { run: self, frame, body: String::new(), reads: Vec::new() };
        page.head();
        page.story();
        page.states();
        page.writes();
        page.acks();
        page.copies();
        page.answers();
        page.staleness();
        page.traffic();
        page.repair();
        let data = serde_json::json!({ "step": self.step_s, "end": self.end_s(), "reads": page.reads });
        document(&self.scenario, &page.body, &data)
    }
}

struct Page<'a> {
    run: &'a Recording,
    frame: Frame<'a>,
    body: String,
    /// What is read off each panel at each moment.
    reads: Vec<Vec<String>>,
}

impl Page<'_> {
    fn head(&mut self) {
        let run = self.run;
        let figures = Figures::of(run);
        let kept = run.outcome.broken.is_empty();
        let (class, verdict) = if kept { ("ok", "All promises kept") } else { ("bad", "Promises broken") };
        let _ = write!(
            self.body,
            "<header><h1>{}</h1><span class='verdict {class}'>{verdict}</span>",
            escape(&run.scenario)
        );
        let _ = write!(self.body, "<p class=about>{}</p><p class=facts>", escape(&run.about));
        let facts = format!(
            "{} nodes · {} copies · acknowledged with {} · {} of work · seed {}",
            run.nodes.len(),
            run.copies,
            run.ack_copies,
            show::seconds(run.lasts_s),
            run.seed
        );
        let _ = write!(self.body, "{facts}</p></header>");
        if !kept {
            let lines: String =
                run.outcome.broken.iter().take(20).map(|line| format!("<li>{}</li>", escape(line))).collect();
            let _ = write!(self.body, "<ul class=broken>{lines}</ul>");
        }
        let _ = write!(self.body, "<div class=tiles>{}</div>", tiles(run, &figures));
    }

    fn story(&mut self) {
        if self.run.marks.is_empty() {
            return;
        }
        let chart = self.frame.story();
        self.panel(("What happens", "the scenario's timeline"), &[], &chart, |_| String::new());
    }

    fn states(&mut self) {
        let legend = [
            ("cell-u", "up"),
            ("cell-c", "cut off from most"),
            ("cell-r", "refuses writes"),
            ("cell-d", "down"),
            ("cell-a", "no member"),
        ];
        let chart = self.grid(&Grid::of_states(self.run), "states");
        let up = |index: usize| {
            let all = self.run.nodes.iter().filter_map(|node| node.state.get(index));
            let up = all.filter(|state| matches!(state, super::NodeState::Up)).count();
            format!("{up} of {} up and connected", self.run.nodes.len())
        };
        let reads = self.read(|index, _| up(index));
        self.panel_read(("Nodes", "how each of them is"), &legend, &chart, reads);
    }

    fn writes(&mut self) {
        let step = self.run.step_s;
        let per_second = |count: u64| count as f64 / step;
        let points: Vec<_> =
            self.run.moments.iter().map(|m| (m.at_s, vec![per_second(m.accepted), per_second(m.refused)])).collect();
        let chart = self.stack(100.0, &points, &["ok", "bad"], show::significant);
        let legend = [("ok", "accepted"), ("bad", "refused or without a node")];
        self.panel(("Writes a second", "batches that clients brought"), &legend, &chart, |m| {
            format!(
                "{} accepted, {} refused",
                show::significant(per_second(m.accepted)),
                show::significant(per_second(m.refused))
            )
        });
    }

    fn acks(&mut self) {
        let all = self.run.moments.iter().filter_map(|m| m.ack_ms);
        let least = all.clone().map(|[p50, ..]| p50).fold(f64::MAX, f64::min).min(1e6);
        let most = all.map(|[.., most]| most).fold(0.0, f64::max);
        let millis = |ms: f64| show::seconds(ms / 1e3);
        let mut chart = Chart::new(&self.frame, 120.0, Scale::powers(least, most), millis);
        for (index, class) in [(2, "most"), (1, "p99"), (0, "p50")] {
            let points: Vec<_> = self.run.moments.iter().map(|m| (m.at_s, m.ack_ms.map(|ms| ms[index]))).collect();
            chart.line(&points, class);
        }
        let chart = chart.finish();
        let legend = [("p50", "half"), ("p99", "99 %"), ("most", "the slowest")];
        self.panel(("Acknowledged within", "how long clients wait"), &legend, &chart, |m| match m.ack_ms {
            Some([p50, p99, most]) => format!("half {}, 99 % {}, all {}", millis(p50), millis(p99), millis(most)),
            None => "none".into(),
        });
    }

    fn copies(&mut self) {
        let copies = usize::from(self.run.copies);
        let layer = |m: &Moment, count: usize| m.copies.get(count).copied().unwrap_or(0);
        // The gravest at the bottom: lost, one copy, then all that are merely short.
        let layers = |m: &Moment| {
            let single = if copies > 1 { layer(m, 1) } else { 0 };
            let short: u64 = (2..copies).map(|count| layer(m, count)).sum();
            vec![layer(m, 0) as f64, single as f64, short as f64]
        };
        let points: Vec<_> = self.run.moments.iter().map(|m| (m.at_s, layers(m))).collect();
        let chart = self.stack(100.0, &points, &["bad", "one", "short"], whole);
        let legend = [("bad", "on no disk"), ("one", "on one disk only"), ("short", "short of copies")];
        let about = format!("acknowledged batches on fewer than {copies} disks; nothing to see is good");
        self.panel(("Batches short of copies", &about), &legend, &chart, |m| {
            let on = m.copies.iter().enumerate().filter(|(_, count)| **count > 0);
            let on: Vec<String> = on.map(|(disks, count)| format!("{} on {disks}", show::count(*count))).collect();
            if on.is_empty() { "nothing written".into() } else { on.join(", ") }
        });
    }

    fn answers(&mut self) {
        let numbers =
            |m: &Moment| [m.answers_complete, m.answers_unsure, m.answers_incomplete, m.answers_wrong].map(f64::from);
        // Queries are few: a bar takes several moments together.
        let width = self.run.moments.len().div_ceil(ANSWER_BARS).max(1);
        let step_s = self.run.step_s * width as f64;
        let bar = |(index, bar): (usize, &[Moment])| {
            let sum = |index: usize| bar.iter().map(|m| numbers(m)[index]).sum();
            ((index + 1) as f64 * step_s, (0..4).map(sum).collect())
        };
        let points: Vec<(f64, Vec<f64>)> = self.run.moments.chunks(width).enumerate().map(bar).collect();
        let most = points.iter().map(|(_, values)| values.iter().sum()).fold(0.0, f64::max);
        let mut chart = Chart::new(&self.frame, 80.0, Scale::up_to(most), show::significant);
        chart.stack(step_s, &points, &["ok", "unsure", "one", "bad"]);
        let chart = chart.finish();
        let legend = [
            ("ok", "complete, and said so"),
            ("unsure", "complete, not sure of it"),
            ("one", "lacked something, and said so"),
            ("bad", "wrongly said to be complete"),
        ];
        self.panel(("Answers", "what queries over everything claimed, and what was true"), &legend, &chart, |m| {
            let [complete, unsure, incomplete, wrong] = numbers(m);
            format!("{complete} complete, {unsure} unsure, {incomplete} incomplete, {wrong} wrong; at most {} batches lacking", m.missing)
        });
    }

    fn staleness(&mut self) {
        let points: Vec<_> = self.run.moments.iter().map(|m| (m.at_s, vec![m.staleness_s])).collect();
        let most = self.run.moments.iter().map(|m| m.staleness_s).fold(0.0, f64::max);
        let mut chart = Chart::new(&self.frame, 80.0, Scale::up_to_seconds(most), clock);
        chart.stack(self.run.step_s, &points, &["one"]);
        let chart = chart.finish();
        self.panel(("Staleness", "how old the oldest batch was that an answer lacked"), &[], &chart, |m| {
            show::seconds(m.staleness_s)
        });
    }

    fn traffic(&mut self) {
        let rate = |bytes: u64| bytes as f64 / self.run.step_s;
        let rates = |m: &Moment| [rate(m.push_bytes), rate(m.repair_bytes), rate(m.message_bytes)];
        let most = self.run.moments.iter().flat_map(rates).fold(0.0, f64::max);
        let mut chart = Chart::new(&self.frame, 120.0, Scale::powers(RATE_LEAST, most), show::bytes);
        for (index, class) in [(2, "talk"), (0, "push"), (1, "repair")] {
            let shown = |m: &Moment| Some(rates(m)[index]).filter(|rate| *rate >= RATE_LEAST);
            let points: Vec<_> = self.run.moments.iter().map(|m| (m.at_s, shown(m))).collect();
            chart.line(&points, class);
        }
        let chart = chart.finish();
        let legend = [("push", "new batches"), ("repair", "repair, handover, sealed extents"), ("talk", "messages")];
        let reads = self.read(|_, m| {
            let [push, repair, talk] = rates(m).map(show::bytes);
            format!("{push}/s new, {repair}/s repair, {talk}/s messages")
        });
        self.panel_read(("Traffic", "bytes a second in the whole mesh"), &legend, &chart, reads);
    }

    fn repair(&mut self) {
        let chart = self.grid(&Grid::of_repair(self.run), "repair");
        let reads = self.read(|index, _| {
            let of = |node: &super::NodeTrack| node.repair_bytes.get(index).copied().unwrap_or(0);
            let busiest = self.run.nodes.iter().max_by_key(|node| of(node));
            busiest.map_or(String::new(), |node| {
                format!("most: {} with {}/s", node.name, show::bytes(of(node) as f64 / self.run.step_s))
            })
        });
        let least = format!("at least {}/s", show::bytes(LEVEL_LEAST));
        let most = format!("{}/s and more", show::bytes(LEVEL_LEAST * 4f64.powi(8)));
        let legend = [("cell-1", least.as_str()), ("cell-9", most.as_str())];
        self.panel_read(("Repair by node", "what each sent besides its new batches"), &legend, &chart, reads);
    }

    fn stack(&self, height: f64, points: &[(f64, Vec<f64>)], classes: &[&str], show: fn(f64) -> String) -> String {
        let most = points.iter().map(|(_, values)| values.iter().sum()).fold(0.0, f64::max);
        let mut chart = Chart::new(&self.frame, height, Scale::up_to(most), show);
        chart.stack(self.run.step_s, points, classes);
        chart.finish()
    }

    /// Returns a grid for the script to paint, with the names of its rows.
    fn grid(&self, grid: &Grid, kind: &str) -> String {
        let height = grid.row_height();
        let labels: String = grid
            .shown_labels(self.run)
            .into_iter()
            .map(|(row, text)| {
                let top = row as f64 * height;
                format!("<span style='top:{top:.1}px;line-height:{:.1}px'>{}</span>", height.max(10.0), escape(&text))
            })
            .collect();
        let cells = serde_json::json!({ "rows": grid.rows, "labels": grid.labels });
        format!(
            "<div class=grid data-kind={kind} style='height:{:.1}px'><div class=names>{labels}</div><canvas></canvas><script type=application/json>{}</script></div>{}",
            height * grid.rows.len() as f64,
            embedded(&cells),
            self.frame.axis()
        )
    }

    fn read(&self, read: impl Fn(usize, &Moment) -> String) -> Vec<String> {
        self.run.moments.iter().enumerate().map(|(index, moment)| read(index, moment)).collect()
    }

    fn panel(&mut self, words: (&str, &str), legend: &[(&str, &str)], chart: &str, read: impl Fn(&Moment) -> String) {
        let reads = self.read(|_, moment| read(moment));
        self.panel_read(words, legend, chart, reads);
    }

    fn panel_read(&mut self, (title, about): (&str, &str), legend: &[(&str, &str)], chart: &str, reads: Vec<String>) {
        let legend: String = legend
            .iter()
            .map(|(class, text)| format!("<span><i class='{class}'></i>{}</span>", escape(text)))
            .collect();
        let _ = write!(
            self.body,
            "<section><h2>{}</h2><p class=note>{}</p><div class=legend>{legend}</div><output></output><div class=plot>{chart}</div></section>",
            escape(title),
            escape(about)
        );
        self.reads.push(reads);
    }
}

fn tiles(run: &Recording, figures: &Figures) -> String {
    let share = |share: Option<f64>| share.map_or("–".to_owned(), show::share);
    let is_all = |share: Option<f64>| share.is_none_or(|share| share >= 1.0);
    let millis = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| show::seconds(ms / 1e3));
    let after = run.outcome.converged_after_s;
    let restored =
        figures.restored_after_s.map_or("not in the end".to_owned(), |after| show::seconds(after.max(run.step_s)));
    let tiles = [
        (
            "writes accepted",
            share(figures.accepted_share()),
            format!("{} refused", show::count(figures.refused)),
            mood(is_all(figures.accepted_share()), false),
        ),
        (
            "acknowledged within",
            millis(figures.ack_p50_ms),
            format!("99 % within {}, all {}", millis(figures.ack_p99_ms), millis(figures.ack_max_ms)),
            "",
        ),
        (
            "batches lost",
            show::count(run.outcome.lost),
            format!("of {} acknowledged", show::count(run.outcome.acknowledged)),
            mood(run.outcome.lost == 0, true),
        ),
        (
            "answers complete",
            share(figures.complete_share()),
            format!("{} said so wrongly", figures.answers_wrong),
            mood(is_all(figures.complete_share()), figures.answers_wrong > 0),
        ),
        ("stalest answer", show::seconds(figures.staleness_max_s), "oldest batch it lacked".into(), ""),
        ("copies made up in", restored, "after the last fault".into(), mood(figures.restored_after_s.is_some(), false)),
        (
            "converged in",
            after.map_or("not".to_owned(), show::seconds),
            "after the last write".into(),
            mood(after.is_some(), true),
        ),
        (
            "repair",
            format!("{}/s", show::bytes(figures.repair_rate)),
            format!("a node, on average; {}/s of messages", show::bytes(figures.message_rate)),
            "",
        ),
    ];
    let tile = |(name, figure, note, class): &(&str, String, String, &str)| {
        format!(
            "<div class='tile {class}'><span>{name}</span><b>{}</b><small>{}</small></div>",
            escape(figure),
            escape(note)
        )
    };
    tiles.iter().map(tile).collect()
}

fn mood(is_well: bool, is_grave: bool) -> &'static str {
    match (is_well, is_grave) {
        (true, false) | (true, true) => "ok",
        (false, true) => "bad",
        (false, false) => "warn",
    }
}

fn whole(number: f64) -> String {
    show::count(number.round() as u64)
}

/// Returns a whole HTML document around a body, with the style, the script and its data within.
pub(crate) fn document(title: &str, body: &str, data: &serde_json::Value) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>\
         <title>{} – Logmesh simulator</title><style>:root{{--left:{:.2}%;--right:{:.2}%}}{STYLE}</style></head><body><main>{body}</main>\
         <script type=application/json id=data>{}</script><script>{SCRIPT}</script></body></html>\n",
        escape(title),
        LEFT / WIDTH * 100.0,
        RIGHT / WIDTH * 100.0,
        embedded(data)
    )
}

/// Returns JSON that cannot end the script element it stands in.
fn embedded(data: &serde_json::Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

/// Returns a text that HTML shows as it is.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The least rate that the chart of traffic shows, in bytes a second.
const RATE_LEAST: f64 = 10.0;
/// About how many bars the chart of answers has.
const ANSWER_BARS: usize = 100;
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
