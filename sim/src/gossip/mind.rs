//! What one node has heard of all others.

use super::standing::Standing;

/// What one node has heard. All arrays go by slot.
#[derive(Default)]
pub(super) struct Mind {
    pub(super) is_up: bool,
    /// Whether somebody was found to be live, to be away or to have started anew since the machine was last told.
    has_moved: bool,
    pub(super) ticks: u64,
    /// The latest version of what each told; 0 is nothing.
    pub(super) versions: Vec<i16>,
    /// What the machine was told: the version, negative if not live.
    shown: Vec<i16>,
    pub(super) live: Vec<u16>,
    pub(super) dead: Vec<u16>,
    /// Who is not live though its address is known.
    pub(super) unheard: Vec<u16>,
    /// The latest heartbeat of each.
    pub(super) beats: Vec<i16>,
    /// The latest heartbeats as of the last tick: all calls of a tick leave before the first answer comes.
    called_with: Vec<i16>,
    /// How many later heartbeats came that are not in the standing yet, and in which of the exchanges since then the last one did.
    fresh: Vec<u8>,
    freshest: Vec<u8>,
    /// How many of them had come by the last tick.
    fresh_before: Vec<u8>,
    /// When these exchanges were, in milliseconds.
    heard_at: Vec<i32>,
    pub(super) standings: Vec<Standing>,
}

impl Mind {
    pub(super) fn grow(&mut self, count: usize) {
        self.versions.resize(count, 0);
        self.shown.resize(count, 0);
        self.beats.resize(count, NEVER);
        self.called_with.resize(count, NEVER);
        self.fresh.resize(count, 0);
        self.freshest.resize(count, 0);
        self.fresh_before.resize(count, 0);
        self.standings.resize(count, Standing::default());
    }

    /// It starts, and knows these addresses.
    pub(super) fn start(&mut self, slot: u16, is_contact: impl Fn(usize) -> bool) {
        let count = self.versions.len();
        *self = Self { is_up: true, ..Self::default() };
        self.grow(count);
        for (at, standing) in self.standings.iter_mut().enumerate() {
            standing.is_contact = at != usize::from(slot) && is_contact(at);
        }
        self.list(slot);
    }

    /// An interval begins: it will call with these heartbeats.
    pub(super) fn begin_interval(&mut self, slot: u16, pulse: i16) {
        self.beats[usize::from(slot)] = pulse;
        self.called_with.copy_from_slice(&self.beats);
    }

    /// Takes in the heartbeats that `caller` called with.
    pub(super) fn hear_call(&mut self, caller: &Self, now: i32) {
        self.hear_beats(&caller.called_with, now);
    }

    /// Takes in the heartbeats of an answer.
    pub(super) fn hear_answer(&mut self, called: &Self, now: i32) {
        self.hear_beats(&called.beats, now);
    }

    /// Takes the later heartbeats. Without branches, so that the compiler can do several at once.
    fn hear_beats(&mut self, other: &[i16], now: i32) {
        if self.heard_at.len() == usize::from(u8::MAX) {
            self.take_fresh();
        }
        let exchange = self.heard_at.len() as u8;
        self.heard_at.push(now);
        let own = self.beats.iter_mut().zip(&mut self.fresh).zip(&mut self.freshest);
        for (((beat, fresh), freshest), theirs) in own.zip(other) {
            let is_later = *theirs > *beat;
            *beat = (*beat).max(*theirs);
            *fresh = fresh.wrapping_add(u8::from(is_later));
            *freshest = if is_later { exchange } else { *freshest };
        }
    }

    /// Takes the later versions.
    pub(super) fn hear_facts(&mut self, other: &Self) {
        for (version, theirs) in self.versions.iter_mut().zip(&other.versions) {
            *version = (*version).max(*theirs);
        }
    }

    /// Both take the later versions.
    pub(super) fn share_facts(&mut self, other: &mut Self) {
        for (one, other) in self.versions.iter_mut().zip(&mut other.versions) {
            let latest = (*one).max(*other);
            (*one, *other) = (latest, latest);
        }
    }

    /// Takes into account which heartbeats came.
    pub(super) fn take_fresh(&mut self) {
        (0..self.standings.len()).for_each(|at| self.take_fresh_of(at));
        self.heard_at.clear();
    }

    fn take_fresh_of(&mut self, at: usize) {
        let fresh = std::mem::take(&mut self.fresh[at]);
        self.fresh_before[at] = 0;
        if fresh > 0 {
            let standing = &mut self.standings[at];
            standing.count = standing.count.saturating_add(u16::from(fresh));
            standing.last = self.heard_at[usize::from(self.freshest[at])];
        }
    }

    /// Judges of all others whether they are up. `start_of` tells to which start a heartbeat belongs.
    pub(super) fn judge_all(&mut self, slot: u16, now: i32, start_of: impl Fn(usize, i16) -> u16) {
        self.take_fresh();
        let mut has_moved = false;
        for (at, (standing, beat)) in self.standings.iter_mut().zip(&self.beats).enumerate() {
            if at == usize::from(slot) || *beat == NEVER {
                continue;
            }
            let start = start_of(at, *beat);
            if start != standing.start {
                // Another start, another id to chitchat: it is live once an interval is known.
                let last = standing.last;
                *standing = Standing { last, since: last, count: 0, start, is_live: false, is_contact: true };
                has_moved = true;
            }
            has_moved |= standing.judge(now);
        }
        self.note_judged(slot, has_moved);
    }

    /// Judges of those who are away, and of those of whom nothing was heard since the last tick: the others are live still. (Their usual
    /// interval would have to be shorter than a sixteenth of a tick.) For times in which nobody starts.
    pub(super) fn judge_silent(&mut self, slot: u16, now: i32) {
        let mut has_moved = false;
        for at in 0..self.dead.len() {
            let at = usize::from(self.dead[at]);
            self.take_fresh_of(at);
            has_moved |= self.standings[at].judge(now);
        }
        for at in 0..self.fresh.len() {
            if self.fresh[at] == self.fresh_before[at] && self.standings[at].is_live {
                self.take_fresh_of(at);
                has_moved |= self.standings[at].judge(now);
            }
        }
        self.fresh_before.copy_from_slice(&self.fresh);
        self.note_judged(slot, has_moved);
    }

    fn note_judged(&mut self, slot: u16, has_moved: bool) {
        if has_moved {
            self.has_moved = true;
            self.list(slot);
        }
    }

    /// Lists who is live, who is away, and who is to be called besides.
    fn list(&mut self, slot: u16) {
        let heard = (0..).zip(self.standings.iter().zip(&self.beats));
        let heard = heard.filter(|(at, (_, beat))| *at != slot && **beat != NEVER);
        let (live, dead): (Vec<_>, Vec<_>) = heard.partition(|(_, (standing, _))| standing.is_live);
        self.live = live.into_iter().map(|(at, _)| at).collect();
        self.dead = dead.into_iter().map(|(at, _)| at).collect();
        let unheard = (0..).zip(&self.standings).filter(|(_, other)| other.is_contact && !other.is_live);
        self.unheard = unheard.map(|(slot, _)| slot).collect();
    }

    /// Returns of whom the machine was not told all yet, whether each is live, and the version of what each told. Heads alone can wait for
    /// `pause` ticks, so long as it `is_quiet`.
    pub(super) fn news(&mut self, slot: u16, is_quiet: bool, pause: u64) -> Vec<(u16, bool, i16)> {
        let has_moved = std::mem::take(&mut self.has_moved);
        if is_quiet && !has_moved && !self.ticks.is_multiple_of(pause) {
            return Vec::new();
        }
        // Without branches, as a good part of them is new: each is noted, and stays if it is.
        let (mut noted, mut count) = (vec![0; self.versions.len()], 0);
        for (at, (version, shown)) in (0..).zip(self.versions.iter().zip(&self.shown)) {
            noted[count] = at;
            count += usize::from(has_moved || *version != shown.abs());
        }
        noted.truncate(count);
        let mut news = Vec::with_capacity(count);
        for at in noted {
            let (version, shown) = (self.versions[usize::from(at)], self.shown[usize::from(at)]);
            // Whoever has not moved is what it was.
            let is_live = if has_moved || shown == 0 { self.standings[usize::from(at)].is_live } else { shown > 0 };
            let now = if is_live { version } else { -version };
            if at != slot && now != shown {
                self.shown[usize::from(at)] = now;
                news.push((at, is_live, version));
            }
        }
        news
    }

    /// The versions of what node `at` told have other numbers now.
    pub(super) fn renumber(&mut self, at: usize, numbers: &[i16]) {
        let shown = &mut self.shown[at];
        *shown = numbers[shown.unsigned_abs() as usize] * shown.signum();
        let version = &mut self.versions[at];
        *version = numbers[*version as usize];
    }

    /// There are too many heartbeats of node `at`.
    pub(super) fn lower(&mut self, at: usize) {
        lower(&mut self.beats[at]);
        lower(&mut self.called_with[at]);
    }
}

/// Lowers the count of a heartbeat. Those of more than half an hour ago need not be told apart.
pub(super) fn lower(beat: &mut i16) {
    if *beat != NEVER {
        *beat = beat.saturating_sub(LOWERED_BY).max(NEVER + 1);
    }
}

/// The heartbeat of one who was never heard.
pub(super) const NEVER: i16 = i16::MIN;
/// When they get too many, the counts of heartbeats are lowered by so much: more than a node has in half an hour.
const LOWERED_BY: i16 = i16::MAX;
