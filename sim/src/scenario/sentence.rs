//! The sentences of a timeline: `at 10m cut zone a from zone b for 5m`.

use std::ops::Range;
use std::time::Duration;

use super::mistake::{Mistake, suggestion};
use super::unit::{self, Span};
use super::who::Names;

/// What a sentence tells to happen. Nodes are named by their places in the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Nothing passes between the two, either way.
    Cut(Vec<usize>, Vec<usize>),
    /// Nothing passes from the first to the second.
    Block(Vec<usize>, Vec<usize>),
    /// The links between the two come and go, down for half of this time.
    Flap(Vec<usize>, Vec<usize>, Duration),
    /// Parcels between the two are lost, so many of a thousand.
    Lose(Vec<usize>, Vec<usize>, u32),
    /// Parcels between the two take so much longer.
    Delay(Vec<usize>, Vec<usize>, Span),
    /// So many bytes pass between two nodes in a second.
    Throttle(Vec<usize>, Vec<usize>, u64),
    /// All links are as in the beginning.
    Heal,
    /// Nodes lose their power; when it ends they start again.
    Crash(Vec<usize>),
    /// Nodes stop in order; when it ends they start again.
    Stop(Vec<usize>),
    /// Nodes lose power and disk; when it ends they start with an empty one.
    Wipe(Vec<usize>),
    /// Nodes start.
    Start(Vec<usize>),
    /// Nodes join that were not there before.
    Join(Vec<usize>),
    /// Nodes leave in order, for good.
    Leave(Vec<usize>),
    /// Nodes that are down are given up for lost.
    Forget(Vec<usize>),
    /// A bit flips in so many batches on each disk.
    Rot(Vec<usize>, u32),
    /// Disks take nothing more.
    Fill(Vec<usize>),
    /// Disks take so many times as long over all they do.
    Slow(Vec<usize>, f64),
    /// Nodes take so much longer over all they receive.
    Lag(Vec<usize>, Duration),
    /// Nodes stand still, as when a machine swaps; then go on.
    Freeze(Vec<usize>),
    /// Wall clocks go ahead by so much.
    Skew(Vec<usize>, Duration),
    /// Clients write so many times as much.
    Load(Vec<usize>, f64),
}

/// A sentence as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) at: Duration,
    pub(crate) lasts: Option<Duration>,
    /// The pause from one node to the next, if they take turns.
    pub(crate) turns: Option<Duration>,
    pub(crate) act: Act,
}

/// What is wrong with a sentence, and where in it.
#[derive(Debug)]
pub(crate) struct Wrong {
    range: Range<usize>,
    what: String,
    hint: Option<String>,
}

impl Wrong {
    pub(crate) fn new(range: Range<usize>, what: impl Into<String>) -> Self {
        Self { range, what: what.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn mistake(self, path: &str, place: impl FnOnce(Range<usize>) -> Range<usize>) -> Mistake {
        Mistake { span: place(self.range), key: path.to_owned(), what: self.what, hint: self.hint }
    }
}

/// Reads one sentence.
pub(crate) fn read(text: &str, names: &Names) -> Result<Said, Wrong> {
    let words = &mut Words::new(text);
    words.expect("at")?;
    let at = words.quantity("a time such as `10m`", unit::duration)?;
    let (verb, place) = words.take("what happens")?;
    let act = act(verb, place.clone(), words, names)?;
    let mut said = Said { at, lasts: None, turns: None, act };
    if words.peek() == Some("for") {
        words.skip();
        said.lasts = Some(words.quantity("how long, such as `5m`", unit::duration)?);
    }
    if words.peek() == Some(",") {
        words.skip();
    }
    if words.peek() == Some("one") {
        ["one", "by", "one", "every"].into_iter().try_for_each(|word| words.expect(word))?;
        said.turns = Some(words.quantity("the pause between two, such as `1m`", unit::duration)?);
    }
    words.end()?;
    said.check(verb, place)?;
    Ok(said)
}

impl Said {
    /// Tells whether such a thing can last, has to, and can go from node to node.
    fn check(&self, verb: &str, place: Range<usize>) -> Result<(), Wrong> {
        let may_last = !matches!(
            self.act,
            Act::Heal | Act::Start(_) | Act::Join(_) | Act::Leave(_) | Act::Forget(_) | Act::Rot(..)
        );
        if self.lasts.is_some() && !may_last {
            return Err(Wrong::new(place, format!("`{verb}` takes no `for`: it happens at once, and stays")));
        }
        if self.lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(Wrong::new(place, "something that lasts no time does not happen"));
        }
        if self.lasts.is_none() && matches!(self.act, Act::Flap(..) | Act::Load(..) | Act::Freeze(_)) {
            return Err(
                Wrong::new(place, format!("`{verb}` needs an end")).hint("say how long it goes on, such as `for 10m`")
            );
        }
        if self.turns.is_some() && self.act.one_by_one().is_none() {
            return Err(Wrong::new(place, format!("`{verb}` cannot go one by one")));
        }
        Ok(())
    }
}

impl Act {
    /// Returns the nodes concerned.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Cut(one, other)
            | Self::Block(one, other)
            | Self::Flap(one, other, _)
            | Self::Lose(one, other, _)
            | Self::Delay(one, other, _)
            | Self::Throttle(one, other, _) => one.iter().chain(other).copied().collect(),
            Self::Heal => Vec::new(),
            Self::Crash(who)
            | Self::Stop(who)
            | Self::Wipe(who)
            | Self::Start(who)
            | Self::Join(who)
            | Self::Leave(who)
            | Self::Forget(who)
            | Self::Rot(who, _)
            | Self::Fill(who)
            | Self::Slow(who, _)
            | Self::Lag(who, _)
            | Self::Freeze(who)
            | Self::Skew(who, _)
            | Self::Load(who, _) => who.clone(),
        }
    }

    /// Returns the two ends, if it is something about links.
    pub fn ends(&self) -> Option<(&[usize], &[usize])> {
        match self {
            Self::Cut(one, other)
            | Self::Block(one, other)
            | Self::Flap(one, other, _)
            | Self::Lose(one, other, _)
            | Self::Delay(one, other, _)
            | Self::Throttle(one, other, _) => Some((one, other)),
            _ => None,
        }
    }

    /// Returns the same for each node alone, if it is something that befalls nodes.
    pub(crate) fn one_by_one(&self) -> Option<Vec<Act>> {
        let each = |who: &[usize], act: fn(Vec<usize>) -> Act| Some(who.iter().map(|node| act(vec![*node])).collect());
        match self {
            Self::Crash(who) => each(who, Self::Crash),
            Self::Stop(who) => each(who, Self::Stop),
            Self::Wipe(who) => each(who, Self::Wipe),
            Self::Start(who) => each(who, Self::Start),
            Self::Join(who) => each(who, Self::Join),
            Self::Leave(who) => each(who, Self::Leave),
            Self::Forget(who) => each(who, Self::Forget),
            Self::Fill(who) => each(who, Self::Fill),
            Self::Freeze(who) => each(who, Self::Freeze),
            Self::Slow(who, times) => Some(who.iter().map(|node| Self::Slow(vec![*node], *times)).collect()),
            Self::Cut(..)
            | Self::Block(..)
            | Self::Flap(..)
            | Self::Lose(..)
            | Self::Delay(..)
            | Self::Throttle(..)
            | Self::Heal
            | Self::Rot(..)
            | Self::Lag(..)
            | Self::Skew(..)
            | Self::Load(..) => None,
        }
    }
}

fn act(verb: &str, place: Range<usize>, words: &mut Words<'_>, names: &Names) -> Result<Act, Wrong> {
    match verb {
        "cut" => ends(words, names, "from").map(|(one, other)| Act::Cut(one, other)),
        "flap" => flap(words, names),
        "isolate" => {
            let who = names.take(words)?;
            let others: Vec<usize> = names.all().into_iter().filter(|node| !who.contains(node)).collect();
            if others.is_empty() {
                Err(Wrong::new(place, "nobody is left to be isolated from"))
            } else {
                Ok(Act::Cut(who, others))
            }
        }
        "block" => ends(words, names, "to").map(|(from, to)| Act::Block(from, to)),
        "lose" => {
            let share = words.quantity("a share such as `5%`", unit::per_mille)?;
            between(words, names).map(|(one, other)| Act::Lose(one, other, share))
        }
        "delay" => {
            let time = words.quantity("a time such as `80ms` or `50ms..90ms`", unit::span)?;
            between(words, names).map(|(one, other)| Act::Delay(one, other, time))
        }
        "throttle" => {
            let bytes = words.quantity("a bandwidth such as `10Mbit/s`", unit::bandwidth)?;
            between(words, names).map(|(one, other)| Act::Throttle(one, other, bytes))
        }
        "heal" => Ok(Act::Heal),
        "crash" => names.take(words).map(Act::Crash),
        "stop" => names.take(words).map(Act::Stop),
        "wipe" => names.take(words).map(Act::Wipe),
        "start" => names.take(words).map(Act::Start),
        "join" => names.take(words).map(Act::Join),
        "leave" => names.take(words).map(Act::Leave),
        "forget" => names.take(words).map(Act::Forget),
        "freeze" => names.take(words).map(Act::Freeze),
        "fill" => names.take(words).map(Act::Fill),
        "rot" => rot(words, names),
        "slow" => {
            let who = names.take(words)?;
            Ok(Act::Slow(who, words.quantity("a factor such as `50x`", unit::factor)?))
        }
        "lag" => by(words, names).map(|(who, time)| Act::Lag(who, time)),
        "skew" => by(words, names).map(|(who, time)| Act::Skew(who, time)),
        "load" => load(words, names),
        _ => Err(Wrong::new(place, format!("nothing is called `{verb}`")).hint(suggestion(verb, VERBS))),
    }
}

fn flap(words: &mut Words<'_>, names: &Names) -> Result<Act, Wrong> {
    let (one, other) = ends(words, names, "from")?;
    words.expect("every")?;
    let often = |text: &str| match unit::duration(text)? {
        every if every >= FLAP_MIN => Ok(every),
        _ => Err(format!("a link comes and goes every {FLAP_MIN:?} at most")),
    };
    Ok(Act::Flap(one, other, words.quantity("how often, such as `20s`", often)?))
}

/// Reads `WHO by TIME`.
fn by(words: &mut Words<'_>, names: &Names) -> Result<(Vec<usize>, Duration), Wrong> {
    let who = names.take(words)?;
    words.expect("by")?;
    Ok((who, words.quantity("a time such as `50ms`", unit::duration)?))
}

fn load(words: &mut Words<'_>, names: &Names) -> Result<Act, Wrong> {
    let more = |text: &str| match unit::factor(text)? {
        times if times >= 1.0 => Ok(times),
        _ => Err("a load of less than 1x is no burden".into()),
    };
    let times = words.quantity("a factor such as `10x`", more)?;
    if words.peek() != Some("on") {
        return Ok(Act::Load(names.all(), times));
    }
    words.skip();
    Ok(Act::Load(names.take(words)?, times))
}

fn rot(words: &mut Words<'_>, names: &Names) -> Result<Act, Wrong> {
    let whole = |text: &str| {
        let count = text.parse().ok().filter(|count| (1..=ROT_MAX).contains(count));
        count.ok_or_else(|| format!("a number from 1 to {ROT_MAX} is wanted"))
    };
    let count = words.quantity("how many batches", whole)?;
    words.expect("batches")?;
    words.expect("on")?;
    Ok(Act::Rot(names.take(words)?, count))
}

/// Reads `WHO from WHO`, or with another word between.
fn ends(words: &mut Words<'_>, names: &Names, word: &'static str) -> Result<(Vec<usize>, Vec<usize>), Wrong> {
    let one = names.take(words)?;
    words.expect(word)?;
    let place = words.place();
    let other = names.take(words)?;
    match one.iter().any(|node| other.contains(node)) {
        true => Err(Wrong::new(place, "a node is on both sides")),
        false => Ok((one, other)),
    }
}

fn between(words: &mut Words<'_>, names: &Names) -> Result<(Vec<usize>, Vec<usize>), Wrong> {
    words.expect("between")?;
    let one = names.take(words)?;
    words.expect("and")?;
    // A zone may be worsened within: both ends are the same then.
    Ok((one, names.take(words)?))
}

/// The words of a text, each with its place.
pub(crate) struct Words<'a> {
    words: Vec<(&'a str, usize)>,
    next: usize,
    end: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        for part in text.split_whitespace() {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            let mut at = 0;
            for piece in part.split_inclusive(',') {
                let word = piece.trim_end_matches(',');
                if !word.is_empty() {
                    words.push((word, start + at));
                }
                if word.len() < piece.len() {
                    words.push((&piece[word.len()..], start + at + word.len()));
                }
                at += piece.len();
            }
        }
        Self { words, next: 0, end: text.len() }
    }

    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).map(|(word, _)| *word)
    }

    pub(crate) fn peek_second(&self) -> Option<&'a str> {
        self.words.get(self.next + 1).map(|(word, _)| *word)
    }

    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    fn place(&self) -> Range<usize> {
        let end = self.end.saturating_sub(1)..self.end;
        self.words.get(self.next).map_or(end, |(word, at)| *at..at + word.len())
    }

    /// Takes the next word, which is to say what is `wanted`.
    pub(crate) fn take(&mut self, wanted: &str) -> Result<(&'a str, Range<usize>), Wrong> {
        let place = self.place();
        let word = self.peek().ok_or_else(|| Wrong::new(place.clone(), format!("here {wanted} is missing")))?;
        self.skip();
        Ok((word, place))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Wrong> {
        let (word, place) = self.take(&format!("`{wanted}`"))?;
        if word == wanted { Ok(()) } else { Err(Wrong::new(place, format!("`{wanted}` is wanted here, not `{word}`"))) }
    }

    fn quantity<T>(&mut self, wanted: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
        let (word, place) = self.take(wanted)?;
        parse(word).map_err(|what| Wrong::new(place, what))
    }

    pub(crate) fn end(&mut self) -> Result<(), Wrong> {
        let place = self.place();
        match self.peek() {
            None => Ok(()),
            Some(word) => {
                let hint = suggestion(word, &["for", "from", "to", "every", "one by one every"]);
                Err(Wrong::new(place, format!("`{word}` is too much here")).hint(hint))
            }
        }
    }
}

const VERBS: &[&str] = &[
    "cut", "isolate", "block", "flap", "lose", "delay", "throttle", "heal", "crash", "stop", "wipe", "start", "join",
    "leave", "forget", "rot", "fill", "slow", "lag", "freeze", "skew", "load",
];

const FLAP_MIN: Duration = Duration::from_millis(100);

/// The most batches of one disk that rot at once.
const ROT_MAX: u32 = 10_000;
