//! What one node has told, by version.

use std::sync::Arc;

use logmesh_protocol::id::Boot;
use logmesh_protocol::replica::Announcement;

use super::mind::{Mind, NEVER, lower};

/// What one node has told, and its heartbeats.
pub(super) struct Told {
    /// What was said as of version 1, 2 and so on. What nobody is at any more is forgotten now and then, and the rest numbered anew.
    said: Vec<(Boot, Arc<Announcement>)>,
    /// How many there may be before it is looked which are forgotten.
    room: usize,
    /// The latest heartbeat. They are counted over all starts, and all counts are lowered before there are too many.
    pub(super) pulse: i16,
    /// The latest start and those before, each with its first heartbeat and its number.
    latest: (i16, u16),
    earlier: Vec<(i16, u16)>,
}

impl Default for Told {
    fn default() -> Self {
        Self { said: Vec::new(), room: TOLD_KEPT, pulse: NEVER, latest: (NEVER, 0), earlier: Vec::new() }
    }
}

impl Told {
    /// It starts, with this heartbeat.
    pub(super) fn start(&mut self, first: i16) {
        self.earlier.push(self.latest);
        self.latest = (first, self.latest.1 + 1);
    }

    /// Returns the number of the start to which a heartbeat belongs.
    pub(super) fn start_of(&self, beat: i16) -> u16 {
        if beat >= self.latest.0 {
            return self.latest.1;
        }
        self.earlier.iter().rev().find(|(first, _)| *first <= beat).map_or(0, |(_, number)| *number)
    }

    /// Lowers all heartbeats.
    pub(super) fn lower(&mut self) {
        lower(&mut self.pulse);
        lower(&mut self.latest.0);
        self.earlier.iter_mut().for_each(|(first, _)| lower(first));
    }

    /// Adds what is said now, and returns its version.
    pub(super) fn add(&mut self, boot: Boot, said: Announcement) -> i16 {
        self.said.push((boot, Arc::new(said)));
        i16::try_from(self.said.len()).expect("what nobody is at is forgotten in time")
    }

    /// Returns what was said last.
    pub(super) fn latest(&self) -> Option<&(Boot, Arc<Announcement>)> {
        self.said.last()
    }

    /// Returns what was said as of a version.
    pub(super) fn of(&self, version: i16) -> &(Boot, Arc<Announcement>) {
        &self.said[version as usize - 1]
    }

    /// Forgets the versions of node `at` that nobody is at, if there are many.
    pub(super) fn tidy(&mut self, at: usize, minds: &mut [Mind]) {
        if self.said.len() <= self.room {
            return;
        }
        // Version 0 is nothing, and not numbered anew.
        let mut is_used = vec![false; self.said.len() + 1];
        is_used[self.said.len()] = true;
        // Who is down begins anew.
        minds.iter().filter(|mind| mind.is_up).for_each(|mind| is_used[mind.versions[at] as usize] = true);
        is_used[0] = false;
        let mut used = is_used.iter().skip(1);
        self.said.retain(|_| used.next() == Some(&true));
        self.room = (2 * self.said.len()).max(TOLD_KEPT);
        let mut count = 0;
        let mut number = |is_used: &bool| {
            count += i16::from(*is_used);
            count
        };
        let renumbered: Vec<i16> = is_used.iter().map(&mut number).collect();
        for mind in minds.iter_mut() {
            mind.renumber(at, &renumbered);
        }
    }
}

/// So many versions are kept in any case.
const TOLD_KEPT: usize = 256;
