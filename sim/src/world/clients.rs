//! Clients: the loads of the spec, and who waits for which answer since when.

use std::collections::BTreeMap;
use std::time::Duration;

use logmesh_protocol::id::NodeId;
use logmesh_protocol::replica::Ticket;
use logmesh_protocol::segment::Window;
use rand::Rng;

use super::{Happening, World, node, small};
use crate::host::{Host, Trap};
use crate::network::nanos;
use crate::spec::{Load, Shape};

/// All who wait, and what they have seen since the world was last looked at.
#[derive(Debug, Default)]
pub(super) struct Clients {
    waiting: BTreeMap<Ticket, Waiting>,
    /// How long each acknowledgement took, in microseconds.
    pub(super) ack_micros: Vec<u32>,
    /// How many copies each told of.
    pub(super) copies_told: Vec<u64>,
    /// Requests that no node took.
    pub(super) turned_away: u64,
}

/// A client that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) node: NodeId,
    pub(super) since: u64,
    /// Which load it belongs to, at which of its nodes it asked, and how often it will ask again.
    retry: Option<(usize, usize, u8)>,
}

impl Waiting {
    /// Returns how it asks again, if it does.
    fn again(&self) -> Option<(usize, usize, u8)> {
        let (load, at, tries) = self.retry?;
        Some((load, at, tries.checked_sub(1)?))
    }
}

impl Clients {
    /// An append was given to a host that is up.
    pub(super) fn given(&mut self, ticket: Ticket, since: u64, host: &Host) {
        if host.replica.is_some() {
            self.waiting.insert(ticket, Waiting { node: host.id, since, retry: None });
        }
    }

    /// A host is gone: nobody waits for it any more. Returns who asks again: of which load, where it was asked, and how often still.
    pub(super) fn forget(&mut self, node: NodeId) -> Vec<(usize, usize, u8)> {
        let gone = self.waiting.extract_if(.., |_, waiting| waiting.node == node);
        let retries: Vec<_> = gone.map(|(_, waiting)| waiting.again()).collect();
        self.turned_away += retries.iter().filter(|retry| retry.is_none()).count() as u64;
        retries.into_iter().flatten().collect()
    }

    /// Returns who waits, longest first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&Ticket, &Waiting)> {
        self.waiting.iter()
    }
}

impl World {
    /// Lets the clients of all loads begin.
    pub(super) fn begin_loads(&mut self) {
        for load in 0..self.spec.loads.len() {
            let nodes: Vec<u16> = match &self.spec.loads[load].nodes[..] {
                [] => self.indices().collect(),
                nodes => nodes.to_vec(),
            };
            for index in nodes {
                let begin = self.spec.loads[load].from + self.pause(load) / 2;
                self.later(begin, Happening::Push { load, slot: index });
            }
        }
    }

    /// Returns how long it is until the next request at a node.
    fn pause(&mut self, load: usize) -> Duration {
        let rate = rate_at(&self.spec.loads[load], self.age()).max(1);
        let mean = 1_000 * 1_000_000_000 / rate;
        Duration::from_nanos(mean / 2 + self.random.clients.random_range(0..=mean))
    }

    pub(super) fn on_push(&mut self, load: usize, to: NodeId) {
        if self.spec.loads[load].until.is_some_and(|until| self.age() >= until) {
            return;
        }
        let pause = self.pause(load);
        self.later(pause, Happening::Push { load, slot: small(to) });
        // Nobody asks a node that has never been there.
        if self.hosts[&to].starts > 0 {
            let retries = self.spec.loads[load].retries;
            self.request(load, usize::from(small(to)), retries);
        }
    }

    pub(super) fn on_retry(&mut self, load: usize, at: usize, tries: u8) {
        self.request(load, at, tries);
    }

    /// A client asks a node; if it is down, the next one a while later, as often as it may.
    fn request(&mut self, load: usize, at: usize, tries: u8) {
        let to = node(at as u16);
        if self.hosts[&to].replica.is_none() || self.hosts[&to].is_stopping {
            match tries.checked_sub(1) {
                Some(tries) => self.retry_later(load, at, tries),
                None => self.clients.turned_away += 1,
            }
            return;
        }
        for _ in 0..self.spec.loads[load].tenants {
            let (window, bytes) = self.draw_batch(load, to);
            let copies = self.spec.loads[load].copies;
            let ticket = self.give_append(to, window, copies, bytes);
            if let Some(waiting) = self.clients.waiting.get_mut(&ticket) {
                waiting.retry = Some((load, at, tries));
            }
        }
        self.settle(to);
    }

    pub(super) fn retry_later(&mut self, load: usize, at: usize, tries: u8) {
        let next = (at + 1) % self.hosts.len();
        self.later(RETRY_AFTER, Happening::Retry { load, at: next, tries });
    }

    fn draw_batch(&mut self, load: usize, to: NodeId) -> (Window, u64) {
        let load = &self.spec.loads[load];
        let rng = &mut self.random.clients;
        let now = Window::of(self.hosts[&to].now(self.nanos).timestamp);
        let (late_per_mille, hours) = load.late;
        let die = rng.random_range(0..1000);
        let window = match die {
            _ if die < late_per_mille => Window(now.0.saturating_sub(rng.random_range(0..=u32::from(hours)))),
            _ if die < late_per_mille + load.future_per_mille => Window(now.0 + 1),
            _ => now,
        };
        let (from, to) = load.batch_bytes;
        (window, u64::from(rng.random_range(from..=to.max(from))))
    }

    pub(super) fn on_acknowledged(&mut self, id: NodeId, ticket: Ticket, copies: u8) -> bool {
        self.mark(&[5, ticket.0, u64::from(copies)]);
        self.establish();
        self.oracle.acknowledged(self.nanos, ticket, copies, &self.hosts);
        self.answers.insert(ticket, Some(copies));
        if let Some(waiting) = self.clients.waiting.remove(&ticket) {
            let micros = (self.nanos - waiting.since) / 1_000;
            self.clients.ack_micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
            let told = &mut self.clients.copies_told;
            told.resize(told.len().max(usize::from(copies) + 1), 0);
            told[usize::from(copies)] += 1;
        }
        let host = &mut self.hosts[&id];
        host.tally.accepted += 1;
        if host.trap == Some(Trap::Acknowledged) {
            self.note(|| format!("{id:?} crashed, acknowledged"));
            self.power_off(id);
            return false;
        }
        true
    }

    pub(super) fn on_refused(&mut self, id: NodeId, ticket: Ticket) {
        self.mark(&[6, ticket.0]);
        self.oracle.refused(ticket);
        self.answers.insert(ticket, None);
        self.hosts[&id].tally.refused += 1;
        self.check_refusal(id);
        let Some(waiting) = self.clients.waiting.remove(&ticket) else { return };
        match waiting.again() {
            Some((load, at, tries)) => self.retry_later(load, at, tries),
            None => self.clients.turned_away += 1,
        }
    }
}

/// Returns how many requests each node gets in a thousand seconds just now.
fn rate_at(load: &Load, age: Duration) -> u64 {
    let usual = load.per_node_per_1000_s;
    match load.shape {
        Shape::Steady => usual,
        Shape::Diurnal(period) => {
            // A triangle instead of a sine: it rises and falls alike, in integers.
            let period = nanos(period).max(2);
            let phase = nanos(age) % period;
            let height = if phase < period / 2 { phase } else { period - phase };
            usual / 5 + u64::try_from(u128::from(usual) * 16 / 5 * u128::from(height) / u128::from(period)).unwrap_or(0)
        }
        Shape::Burst { times, at, lasts } if age >= at && age < at + lasts => usual * u64::from(times),
        Shape::Burst { .. } => usual,
    }
}

/// How long a client waits before it asks again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_low_and_a_high() {
        let load = Load { shape: Shape::Diurnal(Duration::from_secs(100)), ..Load::default() };
        let rates: Vec<u64> = [0, 25, 50, 75, 100].map(|at| rate_at(&load, Duration::from_secs(at))).into();
        assert_eq!(rates, [200, 1_000, 1_800, 1_000, 200]);
    }

    #[test]
    fn a_burst_ends() {
        let (at, lasts) = (Duration::from_secs(10), Duration::from_secs(5));
        let load = Load { shape: Shape::Burst { times: 10, at, lasts }, ..Load::default() };
        let rates: Vec<u64> = [9, 10, 14, 15].map(|at| rate_at(&load, Duration::from_secs(at))).into();
        assert_eq!(rates, [1_000, 10_000, 10_000, 1_000]);
    }
}
