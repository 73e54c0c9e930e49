//! Makes a failing fate small: leaves out faults, work and nodes while the same promise still breaks.

use crate::spec::Fault;
use crate::swarm::Fate;
use crate::trial;

/// Returns the smallest fate that was found in which the same promise breaks, and how many were tried.
pub fn shrink(fate: &Fate, tries_most: u32) -> (Fate, u32) {
    let mut search = Search { best: fate.clone(), promise: String::new(), tries: 0, tries_most };
    let Some(promise) = broken_promise(fate) else { return (search.best, 1) };
    search.promise = promise;
    while search.round() && search.tries < search.tries_most {}
    (search.best, search.tries)
}

/// Returns which promise breaks first.
fn broken_promise(fate: &Fate) -> Option<String> {
    let outcome = trial::run(fate, false);
    let first = outcome.broken.first()?;
    Some(first.split(':').next().unwrap_or(first).to_owned())
}

struct Search {
    best: Fate,
    promise: String,
    tries: u32,
    tries_most: u32,
}

impl Search {
    /// Tries each way once. Tells whether anything could be left out.
    fn round(&mut self) -> bool {
        let mut found = false;
        let mut length = self.best.spec.timeline.len().div_ceil(2);
        while length > 0 {
            let mut from = 0;
            while from < self.best.spec.timeline.len() {
                let mut fate = self.best.clone();
                let to = (from + length).min(fate.spec.timeline.len());
                fate.spec.timeline.drain(from..to);
                if self.keeps(fate) { found = true } else { from = to }
            }
            length /= 2;
        }
        for at in (0..self.best.spec.loads.len()).rev() {
            let mut fate = self.best.clone();
            fate.spec.loads.remove(at);
            found |= self.keeps(fate);
        }
        found |= self.fewer_nodes();
        for simpler in [without_queries, with_less_work, with_shorter_life] {
            let mut fate = self.best.clone();
            found |= simpler(&mut fate) && self.keeps(fate);
        }
        found
    }

    /// Takes the fate as the best if the same promise breaks in it.
    fn keeps(&mut self, fate: Fate) -> bool {
        if self.tries >= self.tries_most {
            return false;
        }
        self.tries += 1;
        let fails = broken_promise(&fate).is_some_and(|promise| promise == self.promise);
        if fails {
            self.best = fate;
        }
        fails
    }

    /// Leaves out the last nodes, and what comes upon them.
    fn fewer_nodes(&mut self) -> bool {
        let mut found = false;
        while self.best.spec.nodes.len() > 2 {
            let mut fate = self.best.clone();
            fate.spec.nodes.pop();
            let count = fate.spec.nodes.len() as u16;
            fate.spec.timeline.retain_mut(|(_, fault)| is_within(fault, count));
            for load in &mut fate.spec.loads {
                let was_for_all = load.nodes.is_empty();
                load.nodes.retain(|node| *node < count);
                if !was_for_all && load.nodes.is_empty() {
                    load.nodes.push(0);
                }
            }
            if !self.keeps(fate) {
                break;
            }
            found = true;
        }
        found
    }
}

fn without_queries(fate: &mut Fate) -> bool {
    fate.spec.query_every.take().is_some()
}

fn with_less_work(fate: &mut Fate) -> bool {
    for load in &mut fate.spec.loads {
        load.per_node_per_1000_s /= 2;
    }
    fate.spec.loads.iter().any(|load| load.per_node_per_1000_s > 20)
}

fn with_shorter_life(fate: &mut Fate) -> bool {
    let last = fate.spec.timeline.iter().map(|(at, _)| *at).max().unwrap_or_default();
    let shorter = (fate.mended_at * 3 / 4).max(last + std::time::Duration::from_secs(1));
    let is_shorter = shorter < fate.mended_at;
    fate.mended_at = shorter;
    is_shorter
}

/// Tells whether a fault is about nodes that are there; leaves out of groups those that are not.
fn is_within(fault: &mut Fault, count: u16) -> bool {
    match fault {
        Fault::Cut { from, to, .. }
        | Fault::Heal { from, to }
        | Fault::Flap { from, to, .. }
        | Fault::SlowLink { from, to, .. } => {
            from.retain(|node| *node < count);
            to.retain(|node| *node < count);
            !from.is_empty() && !to.is_empty()
        }
        Fault::HealAll | Fault::Loss { .. } => true,
        Fault::SlowNode { node, .. }
        | Fault::Pause { node, .. }
        | Fault::SlowDisk { node, .. }
        | Fault::StallDisk { node, .. }
        | Fault::FullDisk { node, .. }
        | Fault::WipeDisk { node }
        | Fault::FlipBits { node, .. }
        | Fault::Crash { node }
        | Fault::CrashAt { node, .. }
        | Fault::Start { node }
        | Fault::Join { node }
        | Fault::Leave { node }
        | Fault::Forget { node }
        | Fault::Stop { node }
        | Fault::Skew { node, .. }
        | Fault::Drift { node, .. }
        | Fault::Delete { node }
        | Fault::TakeBack { node, .. }
        | Fault::Speak { node, .. } => *node < count,
    }
}
