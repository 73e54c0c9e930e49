//! Who is meant: `a1`, `a1..a3`, `zone a`, `all`, and several of these with commas between.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::PlannedNode;
use super::mistake::{Mistake, nearest, suggestion};
use super::sentence::{Words, Wrong};
use super::table::Given;

/// The names of all nodes and zones.
pub(crate) struct Names {
    nodes: BTreeMap<String, usize>,
    zones: BTreeMap<String, Vec<usize>>,
}

impl Names {
    pub(crate) fn new(planned: &[PlannedNode]) -> Self {
        let mut zones: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, node) in planned.iter().enumerate().filter(|(_, node)| !node.zone.is_empty()) {
            zones.entry(node.zone.clone()).or_default().push(index);
        }
        let nodes = planned.iter().enumerate().map(|(index, node)| (node.name.clone(), index)).collect();
        Self { nodes, zones }
    }

    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.nodes.len()).collect()
    }

    /// Reads who is meant from a text value that says nothing else.
    pub(crate) fn read(&self, given: &Given<'_>) -> Result<Vec<usize>, Mistake> {
        let text = given.text("\"zone a\"")?;
        let mut words = Words::new(text);
        let read = self.take(&mut words).and_then(|who| words.end().map(|()| who));
        read.map_err(|wrong| wrong.mistake(&given.path, |_| given.span.clone()))
    }

    /// Reads the name of a zone.
    pub(crate) fn zone(&self, given: &Given<'_>) -> Result<String, Mistake> {
        let zone = given.text("\"a\"")?;
        let zones: Vec<&str> = self.zones.keys().map(String::as_str).collect();
        let unknown = || given.wrong(format!("there is no zone `{zone}`")).hint(suggestion(zone, &zones));
        self.zones.contains_key(zone).then(|| zone.to_owned()).ok_or_else(unknown)
    }

    /// Takes who is meant off the front of some words; each once, in the order of the plan.
    pub(crate) fn take(&self, words: &mut Words<'_>) -> Result<Vec<usize>, Wrong> {
        let mut who = BTreeSet::new();
        loop {
            who.extend(self.take_one(words)?);
            if words.peek() != Some(",") || words.peek_second() == Some("one") {
                return Ok(who.into_iter().collect());
            }
            words.skip();
        }
    }

    fn take_one(&self, words: &mut Words<'_>) -> Result<Vec<usize>, Wrong> {
        let (word, place) = words.take("a node, `zone` and its name, or `all`")?;
        match word {
            "all" => Ok(self.all()),
            "zone" => {
                let (zone, place) = words.take("the name of a zone")?;
                let zones = || self.zones.keys().map(String::as_str).collect::<Vec<_>>();
                let unknown =
                    || Wrong::new(place, format!("there is no zone `{zone}`")).hint(suggestion(zone, &zones()));
                self.zones.get(zone).cloned().ok_or_else(unknown)
            }
            _ => self.nodes_of(word, place),
        }
    }

    fn nodes_of(&self, word: &str, place: Range<usize>) -> Result<Vec<usize>, Wrong> {
        let names = expand(word).map_err(|what| Wrong::new(place.clone(), what))?;
        let node = |name: &String| self.nodes.get(name).copied().ok_or_else(|| self.unknown(name, place.clone()));
        names.iter().map(node).collect()
    }

    fn unknown(&self, name: &str, place: Range<usize>) -> Wrong {
        let wrong = Wrong::new(place, format!("there is no node `{name}`"));
        if self.zones.contains_key(name) {
            return wrong.hint(format!("did you mean `zone {name}`?"));
        }
        let others: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
        match nearest(name, ["all", "zone"]) {
            Some(word) if nearest(name, others.iter().copied()).is_none() => {
                wrong.hint(format!("did you mean `{word}`?"))
            }
            _ => wrong.hint(suggestion(name, &others)),
        }
    }
}

/// Returns the names that `names = …` declares: a text or an array of texts, each a name or a range of names.
pub(crate) fn declared(given: &Given<'_>, mistakes: &mut Vec<Mistake>) -> Vec<(String, Range<usize>)> {
    let parts = match given.array() {
        Ok(parts) => parts,
        Err(_) => vec![Given { path: given.path.clone(), span: given.span.clone(), value: given.value }],
    };
    let mut names = Vec::new();
    for part in parts {
        let read = part.text("\"a1..a3\"").and_then(|text| expand(text).map_err(|what| part.wrong(what)));
        match read {
            Ok(read) => match read.iter().find(|name| !is_name(name)) {
                Some(_) => mistakes.push(part.wrong(NAME_RULE)),
                None => names.extend(read.into_iter().map(|name| (name, part.span.clone()))),
            },
            Err(mistake) => mistakes.push(mistake),
        }
    }
    names
}

/// Returns the names in `a1..a3`; a name alone is itself. Leading zeros of the first are kept: `n01..n10`.
fn expand(word: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = word.split_once("..") else { return Ok(vec![word.to_owned()]) };
    let split = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        Some((name[stem.len()..].parse::<u32>().ok()?, stem))
    };
    let wrong = || format!("`{word}` is no range of names such as `a1..a3`");
    let ((from, stem), (to, other)) = split(first).zip(split(last)).ok_or_else(wrong)?;
    if stem != other || from > to {
        return Err(wrong());
    }
    if (to - from) as usize >= super::NODES_MAX {
        return Err(format!("`{word}` names more than {} nodes, the most", super::NODES_MAX));
    }
    let digits = first.len() - stem.len();
    Ok((from..=to).map(|number| format!("{stem}{number:0digits$}")).collect())
}

/// Tells whether nodes and zones can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_fine) && !RESERVED.contains(&name)
}

/// What a name must be like.
pub(crate) const NAME_RULE: &str =
    "a name has 1 to 64 letters, digits, `-` and `_`, and is no word of the timeline such as `all`, `zone`, `for`";

const NAME_BYTES_MAX: usize = 64;

const RESERVED: &[&str] = &["all", "zone", "from", "to", "for", "and", "every", "on", "by", "between", "one", "at"];
