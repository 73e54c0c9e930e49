//! The course of things: sentences laid out in time, each thing checked to be possible when it comes.

use std::ops::Range;
use std::time::Duration;

use super::mistake::Mistake;
use super::sentence::{Act, Said};
use super::table::Given;
use super::{PlannedNode, Sentence, Step};

/// Lays sentences out in time. Returns the single steps in their order, and the sentences as they were written.
pub(crate) fn lay_out(
    said: &[(Said, &Given<'_>)],
    nodes: &[PlannedNode],
    lasts: Duration,
) -> Result<(Vec<Step>, Vec<Sentence>), Vec<Mistake>> {
    let (mut steps, mut sentences, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (said, given)) in said.iter().enumerate() {
        let mut own = steps_of(said, index);
        let to = own.iter().map(|step| step.until.unwrap_or(step.at)).max().unwrap_or(said.at);
        if to > lasts {
            let what = format!("this goes on until {}, and the run is over after {}", shown(to), shown(lasts));
            mistakes.push(given.wrong(what).hint("make `duration` longer, or this shorter"));
        }
        let text = given.text("").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        sentences.push(Sentence { text, from: said.at, to, nodes: said.act.nodes() });
        steps.append(&mut own);
        if steps.len() > STEPS_MAX {
            mistakes.push(given.wrong(format!("the timeline has more than {STEPS_MAX} steps, the most")));
            return Err(mistakes);
        }
    }
    steps.sort_by_key(|step| (step.at, step.sentence));
    let paths: Vec<(&str, Range<usize>)> =
        said.iter().map(|(_, given)| (&given.path[..], given.span.clone())).collect();
    mistakes.extend(walk(&steps, nodes, &paths));
    mistakes.extend(collisions(&steps, &paths));
    if mistakes.is_empty() { Ok((steps, sentences)) } else { Err(mistakes) }
}

/// Returns the single steps that a sentence tells.
fn steps_of(said: &Said, sentence: usize) -> Vec<Step> {
    let until = |at: Duration| said.lasts.map(|lasts| at + lasts);
    match said.turns.zip(said.act.one_by_one()) {
        Some((pause, acts)) => {
            let turn = |(turn, act): (u32, Act)| {
                let at = said.at + pause * turn;
                Step { at, until: until(at), act, sentence }
            };
            (0..).zip(acts).map(turn).collect()
        }
        None => vec![Step { at: said.at, until: until(said.at), act: said.act.clone(), sentence }],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Up,
    Down,
    Leaving,
    Forgotten,
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::Absent => "has not joined",
            Self::Up => "is up",
            Self::Down => "is down",
            Self::Leaving => "has left",
            Self::Forgotten => "was forgotten",
        }
    }
}

/// Goes through all that happens and notes what cannot be, once a sentence.
fn walk(steps: &[Step], nodes: &[PlannedNode], said: &[(&str, Range<usize>)]) -> Vec<Mistake> {
    let mut states: Vec<State> =
        nodes.iter().map(|node| if node.is_founder { State::Up } else { State::Absent }).collect();
    let mut events: Vec<(Duration, bool, &Step)> = Vec::new();
    for step in steps {
        events.push((step.at, true, step));
        events.extend(step.until.map(|until| (until, false, step)));
    }
    // What ends makes room for what begins at the same time.
    events.sort_by_key(|(at, begins, step)| (*at, *begins, step.sentence));
    let mut mistakes: Vec<Mistake> = Vec::new();
    for (at, begins, step) in events {
        for node in step.act.nodes() {
            let wanted = if begins { begin(&step.act) } else { end(&step.act) };
            let Some((from, to)) = wanted else { continue };
            if from.contains(&states[node]) {
                states[node] = to.unwrap_or(states[node]);
                continue;
            }
            let (path, span) = &said[step.sentence];
            let what = format!("`{}` {} at {}", nodes[node].name, states[node].words(), shown(at));
            if !mistakes.iter().any(|mistake| mistake.key == *path) {
                mistakes.push(Mistake::new(span.clone(), path, what).hint(cure(&step.act, begins, states[node])));
            }
        }
    }
    mistakes
}

/// Returns in which states something can befall a node, and its state after that if it changes.
fn begin(act: &Act) -> Option<(&'static [State], Option<State>)> {
    use State::{Absent, Down, Forgotten, Leaving, Up};
    match act {
        Act::Crash(_) | Act::Stop(_) => Some((&[Up], Some(Down))),
        Act::Wipe(_) => Some((&[Up, Down], Some(Down))),
        Act::Start(_) => Some((&[Down], Some(Up))),
        Act::Join(_) => Some((&[Absent], Some(Up))),
        Act::Leave(_) => Some((&[Up], Some(Leaving))),
        Act::Forget(_) => Some((&[Down], Some(Forgotten))),
        Act::Rot(..) | Act::Fill(_) | Act::Slow(..) | Act::Lag(..) | Act::Freeze(_) | Act::Skew(..) => {
            Some((&[Up, Down], None))
        }
        Act::Cut(..)
        | Act::Block(..)
        | Act::Flap(..)
        | Act::Lose(..)
        | Act::Delay(..)
        | Act::Throttle(..)
        | Act::Load(..)
        | Act::Heal => None,
    }
}

/// Returns the same for the end of something.
fn end(act: &Act) -> Option<(&'static [State], Option<State>)> {
    match act {
        Act::Crash(_) | Act::Stop(_) | Act::Wipe(_) => Some((&[State::Down], Some(State::Up))),
        _ => None,
    }
}

/// Notes sentences that befall the same links at the same time: the end of one would end the other.
fn collisions(steps: &[Step], said: &[(&str, Range<usize>)]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let links: Vec<_> = steps.iter().filter_map(|step| Some((step, step.act.ends()?))).collect();
    for (index, (later, (one, other))) in links.iter().enumerate() {
        let meets = |(step, (a, b)): &&(&Step, (&[usize], &[usize]))| {
            let is_over = step.until.is_some_and(|until| until <= later.at);
            !is_over && ((meet(one, a) && meet(other, b)) || (meet(one, b) && meet(other, a)))
        };
        if let Some((earlier, _)) = links[..index].iter().find(meets) {
            let (path, span) = &said[later.sentence];
            let what = format!("{} concerns some of the same links, and is not over", said[earlier.sentence].0);
            mistakes.push(Mistake::new(span.clone(), path, what).hint("let one end before the other begins"));
        }
    }
    mistakes
}

/// Tells whether two ascending lists have something in common.
fn meet(one: &[usize], other: &[usize]) -> bool {
    one.iter().any(|node| other.binary_search(node).is_ok())
}

fn cure(act: &Act, begins: bool, state: State) -> &'static str {
    match (act, state) {
        (_, State::Absent) => "let it `join` first, or leave `later` out of its table",
        (Act::Forget(_), State::Up) => "only who is down can be forgotten; `leave` takes out who is up",
        (Act::Join(_), _) => "who is to join later has `later = true` in its table",
        (_, State::Forgotten) if !begins => "leave the `for` out: who was forgotten does not return",
        (_, State::Down) => "it has to `start` first",
        _ => "look at what the sentences before this one do to it",
    }
}

/// Returns a time as people write it.
pub(crate) fn shown(time: Duration) -> String {
    let millis = time.as_millis();
    let parts = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (mut rest, mut text) = (millis, String::new());
    for (unit, size) in parts {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// The most single things that a timeline tells.
const STEPS_MAX: usize = 20_000;
