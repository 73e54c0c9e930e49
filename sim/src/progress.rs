//! Progress at a terminal: how far a run has come, how fast, and what happens in it. Nothing is shown where nobody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::show;
use crate::scenario::Progress;

/// The bar of one run.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Returns the bar of a run of that name.
    pub fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{prefix:.bold} {bar:24} {msg}");
        let bar = ProgressBar::new(1).with_prefix(name.to_owned());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    /// Shows how far the run has come.
    pub fn show(&self, progress: Progress<'_>) {
        self.bar.set_length(progress.lasts.as_secs());
        self.bar.set_position(progress.age.min(progress.lasts).as_secs());
        self.bar.set_message(message(progress, self.bar.elapsed()));
    }

    /// Takes the bar away. Returns how many seconds passed in the world in each real one.
    pub fn finish(&self, age: Duration) -> f64 {
        self.bar.finish_and_clear();
        speed(age, self.bar.elapsed())
    }
}

fn message(progress: Progress<'_>, elapsed: Duration) -> String {
    let shown = |time: Duration| show::seconds(time.as_secs_f64());
    let place = match progress.age.checked_sub(progress.lasts) {
        Some(after) if !after.is_zero() => format!("work is over, converging for {}", shown(after)),
        _ => format!("{} of {}", shown(progress.age), shown(progress.lasts)),
    };
    let happens = progress.happens.map(|words| format!(" · {words}")).unwrap_or_default();
    let broken = if progress.broken > 0 { format!(" · {} PROMISES BROKEN", progress.broken) } else { String::new() };
    format!("{place} · {:.0}× real time{happens}{broken}", speed(progress.age, elapsed))
}

fn speed(age: Duration, elapsed: Duration) -> f64 {
    age.as_secs_f64() / elapsed.as_secs_f64().max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_where_the_run_is_and_what_happens() {
        let secs = Duration::from_secs;
        let progress = Progress { age: secs(90), lasts: secs(600), happens: Some("at 1m crash a1"), broken: 0 };
        assert_eq!(message(progress, secs(3)), "1 min 30 s of 10 min · 30× real time · at 1m crash a1");
        let later = Progress { age: secs(630), happens: None, broken: 2, ..progress };
        assert_eq!(message(later, secs(3)), "work is over, converging for 30 s · 210× real time · 2 PROMISES BROKEN");
    }
}
