//! Charts over time as SVG: areas, lines, bars, all with the same axis of time and with what happened behind them.

use std::fmt::Write;

use super::recording::Mark;
use super::show;

/// What all charts of a report have in common.
pub(crate) struct Frame<'a> {
    /// When the axis of time ends.
    pub(crate) end_s: f64,
    /// When the clients' work is over.
    pub(crate) lasts_s: f64,
    /// What happened, shown behind each chart.
    pub(crate) marks: &'a [Mark],
}

/// One chart, being drawn.
pub(crate) struct Chart<'a> {
    frame: &'a Frame<'a>,
    height: f64,
    scale: Scale,
    svg: String,
}

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From zero to this.
    Linear(f64),
    /// By powers of ten, from the first to the second.
    Log(f64, f64),
}

/// A stretch of a row: from when to when, and what it says.
pub(crate) struct Bar<'a> {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    pub(crate) text: &'a str,
}

impl Frame<'_> {
    /// Returns where a time lies.
    pub(crate) fn x(&self, at_s: f64) -> f64 {
        LEFT + (at_s / self.end_s.max(1e-9)).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Returns the rows that say what happened, one a mark.
    pub(crate) fn story(&self) -> String {
        let rows = self.marks.len();
        let height = rows as f64 * ROW + BOTTOM;
        let mut svg = open(height);
        self.times(&mut svg, height);
        for (index, mark) in self.marks.iter().enumerate() {
            let bar = Bar { from_s: mark.from_s, to_s: mark.to_s, text: &mark.text };
            self.row(&mut svg, index as f64 * ROW, &bar, index + 1);
        }
        svg + "</svg>"
    }

    /// Returns the axis of time alone.
    pub(crate) fn axis(&self) -> String {
        let mut svg = open(BOTTOM);
        self.times(&mut svg, BOTTOM);
        svg + "</svg>"
    }

    fn row(&self, svg: &mut String, top: f64, bar: &Bar<'_>, number: usize) {
        let (from, to) = (self.x(bar.from_s), self.x(bar.to_s).max(self.x(bar.from_s) + 3.0));
        let (y, height) = (top + 3.0, ROW - 6.0);
        let text = super::escape(bar.text);
        let _ = write!(
            svg,
            "<text class=axis x={:.1} y={:.1} text-anchor=end>{number}</text>",
            LEFT - 8.0,
            top + ROW / 2.0 + 4.0
        );
        let _ = write!(svg, "<rect class=mark x={from:.1} y={y:.1} width={:.1} height={height:.1} rx=2 />", to - from);
        // The words stand where there is room for them: after the bar, or before it.
        let width = bar.text.chars().count() as f64 * LETTER;
        let (x, anchor) = match (to + 6.0 + width < WIDTH - RIGHT, from - LEFT > width + 6.0) {
            (true, _) => (to + 6.0, "start"),
            (false, true) => (from - 6.0, "end"),
            (false, false) => (LEFT + 4.0, "start"),
        };
        let _ =
            write!(svg, "<text class=words x={x:.1} y={:.1} text-anchor={anchor}>{text}</text>", top + ROW / 2.0 + 4.0);
    }

    /// Draws the axis of time and what happened.
    fn times(&self, svg: &mut String, height: f64) {
        let floor = height - BOTTOM;
        for mark in self.marks {
            let (from, to) = (self.x(mark.from_s), self.x(mark.to_s));
            let _ =
                write!(svg, "<rect class=band x={from:.1} y=0 width={:.1} height={floor:.1} />", (to - from).max(1.0));
        }
        let step = time_step(self.end_s);
        for tick in 0..=(self.end_s / step) as u32 {
            let at = f64::from(tick) * step;
            let x = self.x(at);
            let _ = write!(svg, "<path class=grid d='M{x:.1} 0V{floor:.1}'/>");
            let (y, words) = (height - 3.0, clock(at));
            let is_last = x + words.len() as f64 * LETTER / 2.0 > WIDTH;
            let (x, anchor) = if is_last { (WIDTH, "end") } else { (x, "middle") };
            let _ = write!(svg, "<text class=axis x={x:.1} y={y:.1} text-anchor={anchor}>{words}</text>");
        }
        if self.lasts_s < self.end_s {
            let x = self.x(self.lasts_s);
            let _ = write!(svg, "<path class=over d='M{x:.1} 0V{floor:.1}'><title>the work is over</title></path>");
        }
    }
}

impl<'a> Chart<'a> {
    /// Returns an empty chart.
    pub(crate) fn new(frame: &'a Frame<'a>, height: f64, scale: Scale, show: fn(f64) -> String) -> Self {
        let mut svg = open(height);
        frame.times(&mut svg, height);
        let mut chart = Self { frame, height, scale, svg };
        for tick in scale.ticks() {
            let y = chart.y(tick);
            let _ = write!(chart.svg, "<path class=grid d='M{LEFT} {y:.1}H{:.1}'/>", WIDTH - RIGHT);
            let _ = write!(
                chart.svg,
                "<text class=axis x={:.1} y={:.1} text-anchor=end>{}</text>",
                LEFT - 6.0,
                y + 4.0,
                show(tick)
            );
        }
        chart
    }

    /// Draws areas upon each other: each point has its time and the value of each layer.
    pub(crate) fn stack(&mut self, step_s: f64, points: &[(f64, Vec<f64>)], classes: &[&str]) {
        for (layer, class) in classes.iter().enumerate() {
            let height = |values: &[f64], layers: usize| values.iter().take(layers).sum::<f64>();
            let tops = points.iter().map(|(at, values)| (*at, height(values, layer + 1)));
            let bottoms = points.iter().map(|(at, values)| (*at, height(values, layer)));
            if points.iter().all(|(_, values)| values.get(layer).is_none_or(|value| *value <= 0.0)) {
                continue;
            }
            let (tops, mut bottoms) = (self.steps(step_s, tops), self.steps(step_s, bottoms));
            bottoms.reverse();
            let path: Vec<String> = tops.into_iter().chain(bottoms).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let _ = write!(self.svg, "<path class='area {class}' d='M{}Z'/>", path.join("L"));
        }
    }

    /// Draws a line, with gaps where there is no value.
    pub(crate) fn line(&mut self, points: &[(f64, Option<f64>)], class: &str) {
        for run in points.split(|(_, value)| value.is_none()).filter(|run| !run.is_empty()) {
            let place = |(at, value): &(f64, Option<f64>)| {
                let (x, y) = (self.frame.x(*at), self.y(value.unwrap_or(0.0)));
                format!("{x:.1} {y:.1}")
            };
            let path: Vec<String> = run.iter().map(place).collect();
            let lone = if run.len() == 1 { "h1" } else { "" };
            let _ = write!(self.svg, "<path class='line {class}' d='M{}{lone}'/>", path.join("L"));
        }
    }

    /// Returns what was drawn.
    pub(crate) fn finish(self) -> String {
        self.svg + "</svg>"
    }

    /// Returns the corners of a line that holds each value from one time to the next. Corners on a level are left out.
    fn steps(&self, step_s: f64, points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
        let mut corners: Vec<(f64, f64)> = Vec::new();
        for (at, value) in points {
            let y = self.y(value);
            for x in [self.frame.x(at - step_s), self.frame.x(at)] {
                if let [.., (_, before), (last_x, last_y)] = &mut corners[..]
                    && *before == y
                    && *last_y == y
                {
                    *last_x = x;
                    continue;
                }
                corners.push((x, y));
            }
        }
        corners
    }

    fn y(&self, value: f64) -> f64 {
        let floor = self.height - BOTTOM;
        let share = match self.scale {
            Scale::Linear(most) => value / most.max(1e-9),
            Scale::Log(least, most) => (value.max(least) / least).log10() / (most / least).log10(),
        };
        floor - share.clamp(0.0, 1.0) * (floor - TOP)
    }
}

impl Scale {
    /// Returns a scale from zero on which a value has room.
    pub(crate) fn up_to(most: f64) -> Self {
        Self::Linear(if most > 0.0 { nice(most) } else { 1.0 })
    }

    /// Returns a scale from zero on which a time has room, that ends at a round number of seconds, minutes or hours.
    pub(crate) fn up_to_seconds(most: f64) -> Self {
        let unit = [3_600.0, 60.0, 1.0].into_iter().find(|unit| most > *unit).unwrap_or(1.0);
        match Self::up_to(most / unit) {
            Self::Linear(units) => Self::Linear(units * unit),
            scale => scale,
        }
    }

    /// Returns a scale of whole powers of ten on which two values have room.
    pub(crate) fn powers(least: f64, most: f64) -> Self {
        let floor = 10f64.powf(least.max(1e-6).log10().floor());
        let top = 10f64.powf(most.max(floor * 1.01).log10().ceil());
        Self::Log(floor, top.max(floor * 10.0))
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(most) => [0.0, 0.5, 1.0].iter().map(|share| share * most).collect(),
            Self::Log(least, most) => {
                let count = (most / least).log10().round() as i32;
                (0..=count).map(|power| least * 10f64.powi(power)).collect()
            }
        }
    }
}

/// Returns a number with one or two digits at or above `most`.
fn nice(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= most * 0.9999).unwrap_or(10.0 * power)
}

/// Returns a pause between two marks on the axis of time that makes about ten of them.
fn time_step(end_s: f64) -> f64 {
    let steps = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0,
        43_200.0,
    ];
    steps.into_iter().find(|step| end_s / step <= 12.0).unwrap_or(86_400.0)
}

/// Returns a time in few letters.
pub(crate) fn clock(at_s: f64) -> String {
    let at = at_s.round() as u64;
    match at {
        0 => "0".into(),
        at if at.is_multiple_of(3_600) => format!("{} h", at / 3_600),
        at if at.is_multiple_of(60) && at < 3_600 => format!("{} min", at / 60),
        at if at >= 3_600 => format!("{}:{:02}", at / 3_600, at % 3_600 / 60),
        at => show::seconds(at as f64),
    }
}

fn open(height: f64) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {height:.0}' role=img>")
}

/// The width of all charts, in the units of their drawings.
pub(crate) const WIDTH: f64 = 1_000.0;
/// The room for the axis of values.
pub(crate) const LEFT: f64 = 64.0;
/// The room at the other end.
pub(crate) const RIGHT: f64 = 12.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 18.0;
/// The height of a row of the story.
const ROW: f64 = 22.0;
/// About how wide a letter is.
const LETTER: f64 = 6.3;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(marks: &[Mark]) -> Frame<'_> {
        Frame { end_s: 100.0, lasts_s: 80.0, marks }
    }

    #[test]
    fn time_goes_from_the_left_to_the_right() {
        let frame = frame(&[]);
        assert_eq!((frame.x(0.0), frame.x(100.0), frame.x(500.0)), (LEFT, WIDTH - RIGHT, WIDTH - RIGHT));
    }

    #[test]
    fn a_level_line_has_few_corners() {
        let frame = frame(&[]);
        let chart = Chart::new(&frame, 100.0, Scale::up_to(9.0), show::significant);
        let corners = chart.steps(1.0, (1..=100).map(|at| (f64::from(at), if at == 50 { 9.0 } else { 1.0 })));
        assert_eq!(corners.len(), 6, "{corners:?}");
    }

    #[test]
    fn scales_have_round_ends() {
        assert_eq!([Scale::up_to(1_130.0), Scale::up_to(0.0)], [Scale::Linear(1_200.0), Scale::Linear(1.0)]);
        assert_eq!([900.0, 50.0, 4_000.0].map(Scale::up_to_seconds), [960.0, 50.0, 4_320.0].map(Scale::Linear));
        assert_eq!([960.0, 480.0, 50.0, 4_320.0].map(clock), ["16 min", "8 min", "50 s", "1:12"]);
        let Scale::Log(least, most) = Scale::powers(0.35, 260.0) else { panic!() };
        assert!((least - 0.1).abs() < 1e-9 && (most - 1_000.0).abs() < 1e-6);
    }

    #[test]
    fn gaps_part_a_line_and_words_are_escaped() {
        let marks = [Mark { text: "a < b".into(), to_s: 9.0, ..Mark::default() }];
        let frame = frame(&marks);
        assert!(frame.story().contains("a &lt; b"));
        let mut chart = Chart::new(&frame, 100.0, Scale::up_to(9.0), show::significant);
        chart.line(&[(1.0, Some(1.0)), (2.0, None), (3.0, Some(2.0)), (4.0, Some(3.0))], "p50");
        assert_eq!(chart.finish().matches("'line p50'").count(), 2);
    }
}
