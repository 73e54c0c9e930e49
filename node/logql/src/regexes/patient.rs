//! A search that can be broken off.
//!
//! The engines of the `regex` crate never look up from a text, and a text takes them as long as its bytes times the states of the
//! expression: `[ab]*a[ab]{1000}c` on a line of 256 KiB holds a thread for many seconds. What could take that long is searched
//! twice instead: first by a lazy automaton that gives up as soon as it makes states faster than it uses them, so that most
//! expressions are as quick as ever; and where it does, or where the groups of a match are asked for, by this machine (R. Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009, "Pike's implementation"):
//! slower for most texts, with the same answers, and it asks as it goes whether anybody still waits.

use regex_automata::Input;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

use super::{REGEX_BYTES_MAX, REGEX_NESTING_MAX};
use crate::interrupt::Interrupt;

/// The most states times bytes that a search may have at the worst which cannot be broken off: about half a second.
pub(super) const WORK_MAX: usize = 16 << 20;
/// The most states times ends of groups: each state may have to remember where all groups begin and end.
const MEMORY_MAX: usize = 4 << 20;
/// The most bytes of the states that a lazy automaton keeps, how often it may forget them all, and how many bytes it has to get out
/// of each state from then on.
const LAZY_BYTES_MAX: usize = 2 << 20;
const LAZY_CLEARS_MAX: usize = 2;
const LAZY_BYTES_PER_STATE: usize = 10;
/// How many states are looked at before it is asked again whether anybody waits.
const ASK_EVERY: u32 = 1 << 12;

/// An expression as states.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    nfa: NFA,
    /// None where the expression cannot be searched for in this way.
    lazy: Option<DFA>,
    /// Whether texts are text, so that no match may end within a character.
    text: bool,
}

/// Where the groups of a match begin and end, two places a group; `None` for one that has no part in it.
pub(super) type Places = Vec<Option<usize>>;

impl Patient {
    /// Compiles what the `regex` crate has compiled already; fails only where that came close to its bound. `text`: for text, where
    /// the dot stops at newlines; else for bytes, where it does not.
    pub(super) fn new(pattern: &str, text: bool) -> Result<Self, String> {
        let syntax = syntax::Config::new().utf8(text).dot_matches_new_line(!text).nest_limit(REGEX_NESTING_MAX);
        let config = NFA::config().utf8(text).nfa_size_limit(Some(REGEX_BYTES_MAX));
        let nfa = NFA::compiler().syntax(syntax).configure(config).build(pattern).map_err(|error| error.to_string())?;
        if nfa.states().len().saturating_mul(nfa.group_info().slot_len()) > MEMORY_MAX {
            return Err("it has too many groups for its size".to_owned());
        }
        let lazy = DFA::config()
            .cache_capacity(LAZY_BYTES_MAX)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(LAZY_CLEARS_MAX))
            .minimum_bytes_per_state(Some(LAZY_BYTES_PER_STATE));
        let lazy = DFA::builder().configure(lazy).build_from_nfa(nfa.clone()).ok();
        Ok(Self { nfa, lazy, text })
    }

    /// Tells whether a search through so many bytes could take long.
    pub(super) fn is_needed(&self, bytes: usize) -> bool {
        self.nfa.states().len().saturating_mul(bytes) > WORK_MAX
    }

    /// Tells whether the text matches; false if nobody waits for the answer any more.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.lazily(text, 0).unwrap_or_else(|| Search::new(&self.nfa, text, 0).run(0).is_some())
    }

    /// Tells whether there is a match from `start` on; nothing if that takes more than a moment to find out.
    fn lazily(&self, text: &[u8], start: usize) -> Option<bool> {
        let lazy = self.lazy.as_ref()?;
        let input = Input::new(text).range(start..).earliest(true);
        lazy.try_search_fwd(&mut lazy.create_cache(), &input).ok().map(|found| found.is_some())
    }

    /// Returns the first match from `start` on; none also if nobody waits for it any more.
    pub(super) fn find_at(&self, text: &[u8], mut start: usize) -> Option<Places> {
        if self.lazily(text, start) == Some(false) {
            return None;
        }
        let slots = self.nfa.group_info().slot_len();
        loop {
            let places = Search::new(&self.nfa, text, slots).run(start)?;
            let places: Places = places.into_iter().map(|place| Some(place).filter(|place| *place != NONE)).collect();
            let (from, to) = (places[0]?, places[1]?);
            let splits = |at: usize| text.get(at).is_some_and(|byte| (0x80..0xc0).contains(byte));
            if !(self.text && from == to && splits(from)) {
                return Some(places);
            }
            start = from + 1;
        }
    }
}

/// One search through one text.
struct Search<'s> {
    nfa: &'s NFA,
    text: &'s [u8],
    slots: usize,
    /// Whom to follow from a state to those that it leads to without a byte.
    stack: Vec<Frame>,
    /// What the thread at hand remembers; kept to be used again.
    carried: Vec<usize>,
    /// States until it is asked again whether anybody waits.
    until_asked: u32,
    given_up: bool,
}

enum Frame {
    Explore(StateID),
    Restore(usize, usize),
}

/// Where a group begins or ends that has no part in the match so far.
const NONE: usize = usize::MAX;

/// The states in which a search is, those first that a match prefers, and what each remembers of the groups.
struct Threads {
    order: Vec<StateID>,
    /// Where a state stands in `order`, if it does.
    places: Vec<u32>,
    memory: Vec<usize>,
}

impl Threads {
    fn new(states: usize, slots: usize) -> Self {
        Self { order: Vec::new(), places: vec![0; states], memory: vec![NONE; states * slots] }
    }

    /// Adds a state; tells whether it was not there.
    fn insert(&mut self, state: StateID) -> bool {
        let place = self.places[state.as_usize()] as usize;
        if self.order.get(place) == Some(&state) {
            return false;
        }
        self.places[state.as_usize()] = u32::try_from(self.order.len()).expect("states are numbered in 31 bits");
        self.order.push(state);
        true
    }
}

impl<'s> Search<'s> {
    fn new(nfa: &'s NFA, text: &'s [u8], slots: usize) -> Self {
        Self { nfa, text, slots, stack: Vec::new(), carried: Vec::new(), until_asked: ASK_EVERY, given_up: false }
    }

    /// Returns where the first match from `start` on lies; only that there is one where no slots are asked for.
    fn run(&mut self, start: usize) -> Option<Vec<usize>> {
        let states = self.nfa.states().len();
        let (mut now, mut next) = (Threads::new(states, self.slots), Threads::new(states, self.slots));
        let mut found = None;
        let mut fresh = vec![NONE; self.slots];
        for at in start..=self.text.len() {
            if found.is_none() {
                self.follow(self.nfa.start_anchored(), at, &mut fresh, &mut now);
            }
            if now.order.is_empty() && found.is_some() {
                break;
            }
            if let Some(places) = self.step(at, &now, &mut next) {
                found = Some(places);
                if self.slots == 0 {
                    break;
                }
            }
            if self.given_up {
                return None;
            }
            std::mem::swap(&mut now, &mut next);
            next.order.clear();
        }
        found
    }

    /// Takes the byte at `at` in all states. Returns the match that ends before it, if one does; states that would be preferred less
    /// are left out then.
    fn step(&mut self, at: usize, now: &Threads, next: &mut Threads) -> Option<Vec<usize>> {
        let byte = self.text.get(at).copied();
        for state in &now.order {
            let memory = &now.memory[state.as_usize() * self.slots..][..self.slots];
            let to = match (self.nfa.state(*state), byte) {
                (State::Match { .. }, _) => return Some(memory.to_vec()),
                (State::ByteRange { trans }, Some(byte)) => trans.matches_byte(byte).then_some(trans.next),
                (State::Sparse(transitions), Some(byte)) => transitions.matches_byte(byte),
                (State::Dense(transitions), Some(byte)) => transitions.matches_byte(byte),
                _ => None,
            };
            if let Some(to) = to {
                let mut carried = std::mem::take(&mut self.carried);
                carried.clear();
                carried.extend_from_slice(memory);
                self.follow(to, at + 1, &mut carried, next);
                self.carried = carried;
            }
            if self.given_up {
                return None;
            }
        }
        None
    }

    /// Adds `state` and all that it leads to without a byte.
    fn follow(&mut self, state: StateID, at: usize, memory: &mut [usize], threads: &mut Threads) {
        self.stack.push(Frame::Explore(state));
        while let Some(frame) = self.stack.pop() {
            match frame {
                Frame::Restore(slot, place) => memory[slot] = place,
                Frame::Explore(state) => self.explore(state, at, memory, threads),
            }
        }
    }

    fn explore(&mut self, mut state: StateID, at: usize, memory: &mut [usize], threads: &mut Threads) {
        while threads.insert(state) {
            self.ask();
            match self.nfa.state(state) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } | State::Fail => {
                    threads.memory[state.as_usize() * self.slots..][..self.slots].copy_from_slice(memory);
                    return;
                }
                State::Look { look, next } => {
                    if !self.nfa.look_matcher().matches(*look, self.text, at) {
                        return;
                    }
                    state = *next;
                }
                State::Union { alternates } => {
                    let Some((first, others)) = alternates.split_first() else { return };
                    self.stack.extend(others.iter().rev().map(|other| Frame::Explore(*other)));
                    state = *first;
                }
                State::BinaryUnion { alt1, alt2 } => {
                    self.stack.push(Frame::Explore(*alt2));
                    state = *alt1;
                }
                State::Capture { next, slot, .. } => {
                    if let Some(place) = memory.get_mut(slot.as_usize()) {
                        self.stack.push(Frame::Restore(slot.as_usize(), std::mem::replace(place, at)));
                    }
                    state = *next;
                }
            }
        }
    }

    fn ask(&mut self) {
        self.until_asked -= 1;
        if self.until_asked == 0 {
            self.until_asked = ASK_EVERY;
            self.given_up |= Interrupt::is_raised_here();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::{prop_assert_eq, proptest};
    use regex::{Regex, RegexBuilder};

    use super::*;

    fn places(regex: &Regex, text: &str, start: usize) -> Option<Places> {
        let captures = regex.captures_at(text, start)?;
        Some(
            captures
                .iter()
                .flat_map(|group| [group.map(|group| group.start()), group.map(|group| group.end())])
                .collect(),
        )
    }

    fn check(pattern: &str, text: &str) {
        let regex = Regex::new(pattern).unwrap();
        let patient = Patient::new(pattern, true).unwrap();
        for start in (0..=text.len()).filter(|start| text.is_char_boundary(*start)) {
            assert_eq!(
                patient.find_at(text.as_bytes(), start),
                places(&regex, text, start),
                "{pattern} {text} {start}"
            );
        }
        let machine = Search::new(&patient.nfa, text.as_bytes(), 0).run(0).is_some();
        assert_eq!([patient.is_match(text.as_bytes()), machine], [regex.is_match(text); 2], "{pattern} {text}");
    }

    #[test]
    fn it_finds_what_the_quick_engines_find() {
        for pattern in [
            "a|ab",
            "ab|a",
            "(a*)(a*)",
            "(a*?)(a*)",
            "(?:(a)|b)*",
            "a*",
            "",
            "^a",
            "a$",
            r"(?-u:\b)a+(?-u:\b)",
            "(é)|(a)",
            "(?m)^(.*)$",
            "(?s).",
            ".+b",
            "(a|b)+?b",
            "[^a]",
            r"\pL+",
            "(x+x+)+y",
            "(?i)AB",
            "^$",
            "a{2,3}",
            "(a?){3}",
        ] {
            for text in ["", "a", "ab", "aab", "é", "aéb", "xxxx", "b\na\n", "AbaB aaa", "\n"] {
                check(pattern, text);
            }
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_the_quick_engines_find_in_anything(pattern in "[ab.é()|*+?^$]{0,8}", text in "[abé\n]{0,10}") {
            if Regex::new(&pattern).is_ok() {
                check(&pattern, &text);
            }
        }

        #[test]
        fn in_bytes_too(pattern in "[ab.()|*+?^$]{0,8}", text in proptest::collection::vec(97u8..=130, 0..10)) {
            let quick = regex::bytes::RegexBuilder::new(&pattern).dot_matches_new_line(true).build();
            if let Ok(regex) = quick {
                prop_assert_eq!(Patient::new(&pattern, false).unwrap().is_match(&text), regex.is_match(&text));
            }
        }
    }

    /// What takes the quick engines many seconds on a long line: each byte may begin a match, and none is one.
    const HOSTILE: &str = "[xy]*x[xy]{1000}z";

    /// A line without an order that would help.
    fn noise(bytes: usize) -> String {
        let mut noise = 1u32;
        let mut letter = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if noise >> 31 == 0 { 'x' } else { 'y' }
        };
        (0..bytes).map(|_| letter()).collect()
    }

    #[test]
    fn a_search_that_nobody_waits_for_ends_at_once() {
        let patient = Patient::new(HOSTILE, true).unwrap();
        let line = noise(256 << 10);
        assert!(patient.is_needed(line.len()));
        let begun = Instant::now();
        assert_eq!(patient.lazily(line.as_bytes(), 0), None, "that is too much for a lazy automaton");
        println!("the lazy automaton gave up after {:?}", begun.elapsed());
        let interrupt = Interrupt::default();
        let raiser = interrupt.clone();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                raiser.raise();
            });
            assert!(!interrupt.within(|| patient.is_match(line.as_bytes())));
        });
        println!("the search ended after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "five times what it should take: {:?}", begun.elapsed());
    }

    #[test]
    fn what_needs_no_patience_takes_less_than_a_second() {
        let regex = RegexBuilder::new(HOSTILE).build().unwrap();
        let patient = Patient::new(HOSTILE, true).unwrap();
        let mut bytes = 1;
        while !patient.is_needed(bytes * 2) {
            bytes *= 2;
        }
        let line = noise(bytes);
        let begun = Instant::now();
        assert!(!regex.is_match(&line));
        println!("{bytes} bytes in {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "five times what it should take: {:?}", begun.elapsed());
    }

    #[test]
    fn long_lines_without_malice_take_no_longer_than_ever() {
        let patient = Patient::new(r"(?P<method>\w+) (?P<path>\S+) (?P<status>\d{3})|panic: .* at", true).unwrap();
        let line = "the quick brown fox jumps over the lazy dog, ".repeat(6_000);
        assert!(patient.is_needed(line.len()));
        assert_eq!(patient.lazily(line.as_bytes(), 0), Some(false));
    }

    #[test]
    fn too_many_groups_for_the_size_are_refused() {
        let pattern = format!("(?:{}){{200}}", "(a)".repeat(60));
        assert!(Patient::new(&pattern, true).is_err());
    }
}
