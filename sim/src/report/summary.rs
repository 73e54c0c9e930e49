//! The summary of a run that a person reads at a terminal.

use super::recording::Recording;
use super::{Figures, show};

impl Recording {
    /// Returns the summary, some lines long.
    pub fn summary(&self) -> String {
        let zones = self.nodes.iter().map(|node| &node.zone).filter(|zone| !zone.is_empty());
        let zones = zones.collect::<std::collections::BTreeSet<_>>().len();
        let place = if zones > 1 { format!(" in {zones} zones") } else { String::new() };
        let mut text = format!(
            "{}: {} nodes{place}, {} copies, {} of work, seed {}\n",
            self.scenario,
            self.nodes.len(),
            self.copies,
            show::seconds(self.lasts_s),
            self.seed
        );
        if !self.about.is_empty() {
            text.push_str(&format!("{}\n", self.about));
        }
        text.push('\n');
        for (name, line) in self.lines() {
            text.push_str(&format!("  {name:<13} {line}\n"));
        }
        for broken in self.outcome.broken.iter().take(BROKEN_SHOWN_MAX) {
            text.push_str(&format!("  ✗ {broken}\n"));
        }
        text
    }

    /// Returns what there is to say, each with its name.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let figures = Figures::of(self);
        vec![
            ("promises", self.promises_line()),
            ("writes", writes_line(&figures)),
            ("acknowledged", ack_line(&figures, self.ack_copies)),
            ("loss", self.loss_line()),
            ("copies", self.copies_line(&figures)),
            ("answers", answers_line(&figures)),
            ("traffic", traffic_line(&figures)),
            ("convergence", self.convergence_line()),
        ]
    }

    fn promises_line(&self) -> String {
        match self.outcome.broken.len() {
            0 => "all kept".into(),
            1 => "one was broken:".into(),
            many => format!("{many} were broken, the first of them:"),
        }
    }

    pub(super) fn loss_line(&self) -> String {
        let Some(share) = share_of(self.outcome.lost, self.outcome.acknowledged) else {
            return "nothing was written".into();
        };
        match self.outcome.lost {
            0 => format!("none of {} acknowledged batches", show::count(self.outcome.acknowledged)),
            lost => format!(
                "{} of {} acknowledged batches ({share})",
                show::count(lost),
                show::count(self.outcome.acknowledged)
            ),
        }
    }

    fn copies_line(&self, figures: &Figures) -> String {
        let worst = format!("at worst {} batches had fewer than {}", show::count(figures.short_max), self.copies);
        match figures.restored_after_s {
            Some(after) if !self.marks.is_empty() => {
                format!("{worst}; made up within {} of the last fault", show::seconds(after.max(self.step_s)))
            }
            Some(_) => worst,
            None => format!("{worst}; not made up in the end"),
        }
    }

    pub(super) fn convergence_line(&self) -> String {
        match (&self.outcome.converged_after_s, &self.outcome.unconverged) {
            (Some(after), _) => format!("all holders held the same {} after the last write", show::seconds(*after)),
            (None, Some(why)) => format!("not reached: {}", shortened(why)),
            (None, None) => "was not looked at".into(),
        }
    }
}

fn writes_line(figures: &Figures) -> String {
    let Some(share) = figures.accepted_share() else { return "none".into() };
    let (accepted, refused) = (show::count(figures.accepted), show::count(figures.refused));
    format!("{accepted} accepted, {refused} refused ({} accepted)", show::share(share))
}

fn ack_line(figures: &Figures, asked: u8) -> String {
    let (Some(p50), Some(p99), Some(max)) = (figures.ack_p50_ms, figures.ack_p99_ms, figures.ack_max_ms) else {
        return "nothing".into();
    };
    let [p50, p99, max] = [p50, p99, max].map(|ms| show::seconds(ms / 1e3));
    let copies = figures
        .acks_as_asked
        .map_or(String::new(), |share| format!("; {} with {asked} copies as asked", show::share(share)));
    format!("half within {p50}, 99 % within {p99}, all within {max}{copies}")
}

fn answers_line(figures: &Figures) -> String {
    let Some(share) = figures.complete_share() else { return "nobody asked".into() };
    let unsure = match figures.answers_unsure {
        0 => String::new(),
        unsure => format!(", {} complete without knowing it", show::share(unsure as f64 / figures.answers as f64)),
    };
    let stale = match figures.staleness_max_s {
        age if age > 0.0 => format!(", the stalest by {}", show::seconds(age)),
        _ => String::new(),
    };
    let wrong = match figures.answers_wrong {
        0 => "none said wrongly that it is complete".into(),
        wrong => format!("{wrong} said wrongly that they are complete"),
    };
    format!("{} asked for, {} complete{unsure}{stale}; {wrong}", show::count(figures.answers), show::share(share))
}

fn traffic_line(figures: &Figures) -> String {
    let [push, repair, talk] = [figures.push_rate, figures.repair_rate, figures.message_rate].map(show::bytes);
    format!("a node sent each second {push} of new batches, {repair} of repair, {talk} of messages")
}

fn share_of(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| show::share(part as f64 / whole as f64))
}

/// Returns the beginning of a text that may be very long.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(WHY_SHOWN_MAX).collect();
    if short.len() < text.len() { format!("{short} …") } else { short }
}

const BROKEN_SHOWN_MAX: usize = 5;

const WHY_SHOWN_MAX: usize = 200;
