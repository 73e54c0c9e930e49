//! The world: hosts, network and time, driven by one queue of events and one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use logmesh_protocol::config::Config;
use logmesh_protocol::deletion::DeletionId;
use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::replica::{Append, Input, Ticket};
use logmesh_protocol::segment::Window;
use logmesh_protocol::time::Instant;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::clients::Clients;
use self::inquiry::Inquiry;
use crate::clock::Clock;
use crate::gossip::{self, Exchange, Gossip};
use crate::host::{Deed, Host, Trap, Work};
pub use crate::hosts::node;
use crate::hosts::{Hosts, slot};
use crate::network::{Network, Parcel, nanos};
use crate::oracle::{Oracle, Place};
use crate::sample::Sample;
use crate::spec::{Fault, NodeSpec, Spec};

mod clients;
mod converge;
mod deleting;
mod faults;
mod inquiry;
mod look;
mod perform;

/// Everything there is.
pub struct World {
    /// The hosts, by their ids.
    pub hosts: Hosts,
    /// The links between them.
    pub network: Network,
    /// What was promised.
    pub oracle: Oracle,
    /// How the clients were answered: copies, or none if refused.
    pub answers: BTreeMap<Ticket, Option<u8>>,
    /// Which hosts stopped, and whether in order.
    pub stopped: BTreeMap<NodeId, bool>,
    /// The nanoseconds since the world began, less a second.
    pub nanos: u64,
    /// A hash of all that has happened, so that two runs can be compared.
    pub trace: u64,
    /// What was done to the world and what the machines told, in order; empty unless [`World::keeps_story`].
    pub story: Vec<String>,
    /// Whether the story is written down.
    pub keeps_story: bool,
    /// What was seen from outside, as often as the spec says.
    pub samples: Vec<Sample>,
    spec: Spec,
    gossip: Gossip,
    clients: Clients,
    inquiries: BTreeMap<u64, Inquiry>,
    random: Streams,
    queue: crate::queue::Queue<Happening>,
    tickets: u64,
    tickets_of_inquiries: u64,
    /// How many segments hosts have dropped because they had expired.
    pub expired_count: u64,
    /// What was asked since the world was last looked at.
    asked: Vec<crate::sample::QuerySample>,
    /// When all were last compared with all.
    compared_at: u64,
    /// Which batches no head told of when that was last looked at.
    untold: BTreeSet<Place>,
    /// All deletions that were asked for, in order.
    deletions: Vec<DeletionId>,
    /// Who was told to leave, or was given up by an operator.
    may_be_gone: BTreeSet<NodeId>,
    /// Whether somebody is running whom nobody may know to.
    has_strangers: bool,
    /// Kept to be filled again.
    deeds: Vec<Deed>,
}

/// One source of randomness for each purpose: that one of them is asked once more changes nothing for the others.
struct Streams {
    network: ChaCha8Rng,
    disk: ChaCha8Rng,
    gossip: ChaCha8Rng,
    starts: ChaCha8Rng,
    clients: ChaCha8Rng,
    faults: ChaCha8Rng,
}

impl Streams {
    fn new(seed: u64) -> Self {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        let [network, disk, gossip, starts, clients, faults] = [0, 1, 2, 3, 4, 5].map(stream);
        Self { network, disk, gossip, starts, clients, faults }
    }
}

/// Thousands wait: hosts are named by their slots, and what is large lies elsewhere.
enum Happening {
    /// A parcel arrives.
    Arrival { from: u16, to: u16, parcel: Parcel },
    /// An fsync ends, if the host is still in the same start.
    Written { slot: u16, boot: Boot },
    /// The disk is done with something else.
    Worked { slot: u16, boot: Boot, work: Box<Work> },
    /// A machine wants to be called, unless it has changed its mind.
    Wake { slot: u16, at: Instant },
    /// A host gossips.
    Gossip { slot: u16 },
    /// An exchange of gossip that took its time ends.
    Exchange(Exchange),
    /// Something of the spec's timeline.
    Fault(usize),
    /// A client of a load pushes to the next of its nodes.
    Push { load: usize, slot: u16 },
    /// A client that was not answered well tries again.
    Retry { load: usize, at: usize, tries: u8 },
    /// Somebody is asked for everything.
    Ask,
    /// A question of a query reaches a node.
    Asked { inquiry: u64, slot: u16 },
    /// The node that was asked looks at what answers came.
    Gather { inquiry: u64 },
    /// The world is looked at.
    Look,
}

impl World {
    /// Returns a world with so many hosts in one zone, all of them up, and with nothing to do.
    pub fn new(seed: u64, count: u16, config: &Config) -> Self {
        Self::of(&Spec::new(seed, count, config))
    }

    /// Returns the world that is described. Nothing happens in it before [`World::run_for`].
    pub fn of(spec: &Spec) -> Self {
        let mut world = Self {
            hosts: Hosts::default(),
            network: Network::new(spec.links.clone()),
            oracle: Oracle::default(),
            answers: BTreeMap::new(),
            stopped: BTreeMap::new(),
            nanos: BEGINNING,
            trace: 0,
            story: Vec::new(),
            keeps_story: true,
            samples: Vec::new(),
            spec: spec.clone(),
            gossip: Gossip::default(),
            clients: Clients::default(),
            inquiries: BTreeMap::new(),
            random: Streams::new(spec.seed),
            queue: crate::queue::Queue::default(),
            tickets: 0,
            tickets_of_inquiries: 0,
            expired_count: 0,
            asked: Vec::new(),
            compared_at: 0,
            untold: BTreeSet::new(),
            deletions: Vec::new(),
            may_be_gone: BTreeSet::new(),
            has_strangers: false,
            deeds: Vec::new(),
        };
        for node in &spec.nodes {
            world.add(node);
        }
        for index in world.indices() {
            if spec.nodes[usize::from(index)].is_founder {
                world.start(index);
            }
        }
        world.plan_timeline();
        world.begin_loads();
        world
    }

    /// Returns settings that suit a small world: all that takes minutes in production takes seconds.
    pub fn quick() -> Config {
        Config {
            standin_after: Duration::from_secs(5),
            repair_interval: Duration::from_secs(2),
            repair_grace: Duration::from_millis(500),
            push_retry: Duration::from_secs(1),
            seal_after: Duration::from_secs(5),
            seal_bytes: 20_000,
            scrub_period: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(10),
            ..Config::default()
        }
    }

    fn plan_timeline(&mut self) {
        for at in 0..self.spec.timeline.len() {
            self.later(self.spec.timeline[at].0, Happening::Fault(at));
        }
        if let Some(every) = self.spec.query_every {
            self.later(every, Happening::Ask);
        }
        if let Some(every) = self.spec.sample_every {
            self.later(every, Happening::Look);
        }
    }

    /// Adds a host, down.
    fn add(&mut self, spec: &NodeSpec) -> u16 {
        let index = u16::try_from(self.hosts.len()).expect("fewer than 65,536 hosts");
        let config = Config { zone: self.spec.links.zone(spec.zone), weight: spec.weight, ..self.spec.config.clone() };
        let mut host = Host::new(node(index), config, spec);
        host.clock = Clock::beginning(self.spec.begins);
        self.hosts.push(host);
        self.network.add(spec.zone, spec.bytes_per_second);
        self.gossip.add(spec.is_founder);
        // Not all at the same moment: nobody waits for the others.
        let first = Duration::from_nanos(self.random.gossip.random_range(0..nanos(gossip::INTERVAL)));
        self.later(first, Happening::Gossip { slot: index });
        index
    }

    /// Adds a host like the first ones, and starts it.
    pub fn join(&mut self, index: u16) {
        let added = self.add(&NodeSpec { is_founder: false, ..NodeSpec::default() });
        assert_eq!(added, index, "hosts have numbers without gaps");
        self.start(index);
    }

    /// Lets all who are up know each other at once, as in a mesh that has long existed: a thousand strangers take their time.
    pub fn acquaint(&mut self) {
        let nanos = self.nanos;
        let running = || self.hosts.values().filter_map(|host| host.replica.as_ref());
        let rows: Vec<_> = running().filter_map(|replica| replica.members_table().row(replica.id()).cloned()).collect();
        for index in self.indices() {
            let host = self.host(index);
            let now = host.now(nanos);
            if let Some(replica) = &mut host.replica {
                replica.merge_members(now, rows.clone());
            }
            self.settle(node(index));
        }
    }

    /// Returns the numbers of all hosts.
    pub fn indices(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.hosts.len()).expect("fewer than 65,536 hosts")
    }

    /// Writes a line of the story.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.keeps_story {
            self.story.push(format!("{:>9.3} {}", self.nanos as f64 / 1e9, line()));
        }
    }

    /// Returns how long the world has existed.
    pub fn age(&self) -> Duration {
        Duration::from_nanos(self.nanos - BEGINNING)
    }

    /// Returns how many events there were so far, those to come included.
    pub fn events(&self) -> u64 {
        self.queue.added()
    }

    /// Returns a host.
    pub fn host(&mut self, index: u16) -> &mut Host {
        &mut self.hosts[&node(index)]
    }

    /// Tells whether a host is up.
    pub fn is_up(&self, index: u16) -> bool {
        self.hosts.get(&node(index)).is_some_and(|host| host.replica.is_some())
    }

    /// Starts a host on what its disk holds.
    pub fn start(&mut self, index: u16) {
        self.note(|| format!("start {:?}", node(index)));
        let (nanos, seed) = (self.nanos, self.random.starts.random());
        let was_clean = self.stopped.remove(&node(index)) == Some(true);
        let is_founding = self.nanos == BEGINNING;
        let host = self.host(index);
        let is_empty = host.disk.state.is_empty();
        // Who told nobody that it is back is not expected by anybody at its next start either.
        let had_left = std::mem::take(&mut host.has_left);
        host.is_established = is_founding || host.is_established && !(was_clean || is_empty || had_left);
        host.start(nanos, seed);
        // It may have told that it was stopping in order, and then have taken that back unheard.
        host.is_established &= host.replica.as_ref().is_some_and(logmesh_protocol::replica::Replica::is_heard);
        let (boot, is_established) = (host.boot, host.is_established);
        self.has_strangers |= !is_established;
        self.gossip.start(index, boot, !is_empty, nanos);
        self.settle(node(index));
        let replica = self.hosts[&node(index)].replica.as_ref();
        let row = replica.and_then(|replica| replica.members_table().row(node(index)));
        self.hosts[&node(index)].started_as = row.map_or(0, |row| row.incarnation);
    }

    /// Takes the power from a host: all that was not durable is gone. Of what was being written some may be durable.
    pub fn crash(&mut self, index: u16) {
        self.note(|| format!("crash {:?}", node(index)));
        self.power_off(node(index));
    }

    fn power_off(&mut self, id: NodeId) {
        let host = &mut self.hosts[&id];
        let kept = self.random.disk.random_range(0..=host.writing_count());
        let written = host.crash(kept);
        self.oracle.durable(self.nanos, id, written);
        self.gossip.stop(small(id));
        for (load, at, tries) in self.clients.forget(id) {
            self.retry_later(load, at, tries);
        }
    }

    /// Takes a host's disk away, its identity excepted. It must be down.
    pub fn wipe(&mut self, index: u16) {
        assert!(!self.is_up(index), "a disk in use cannot be wiped");
        self.host(index).disk = crate::disk::Disk::default();
        self.oracle.wiped(node(index));
        self.oracle.deletions.wiped(index);
    }

    /// Flips a bit of some batch on a host's disk, of which another disk has a whole copy: no mesh can mend what is nowhere.
    pub fn rot(&mut self, index: u16) -> Option<Place> {
        let is_elsewhere = |place: &Place| {
            let mut others = self.hosts.values().filter(|host| host.id != node(index));
            others.any(|host| host.disk.has(place.0, place.1))
        };
        let places = self.hosts[&node(index)].disk.ids().map(|(segment, seq, _)| (segment, seq));
        let places: Vec<Place> = places.filter(is_elsewhere).collect();
        let place = *places.get(self.random.faults.random_range(0..places.len().max(1)))?;
        self.host(index).disk.rot(place.0, place.1);
        self.oracle.harmed(node(index), place);
        self.note(|| format!("rot {:?} {place:?}", node(index)));
        Some(place)
    }

    /// Lets a host crash at the worst moment, the next time it comes.
    pub fn set_trap(&mut self, index: u16, trap: Trap) {
        self.host(index).trap = Some(trap);
    }

    /// Gives a host an input, as an operator would.
    pub fn tell(&mut self, index: u16, input: Input) {
        self.give(node(index), input);
    }

    /// A client pushes to a host, records of now.
    pub fn append(&mut self, index: u16, copies: u8) -> Ticket {
        let nanos = self.nanos;
        let timestamp = self.host(index).now(nanos).timestamp;
        self.append_at(index, copies, Window::of(timestamp))
    }

    /// A client pushes to a host, records of a window.
    pub fn append_at(&mut self, index: u16, copies: u8, window: Window) -> Ticket {
        let raw_bytes = self.random.clients.random_range(100..400);
        let ticket = self.give_append(node(index), window, copies, raw_bytes);
        self.settle(node(index));
        ticket
    }

    fn give_append(&mut self, to: NodeId, window: Window, copies: u8, raw_bytes: u64) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let nanos = self.nanos;
        let host = &mut self.hosts[&to];
        host.push(Append { ticket, window, raw_bytes, copies });
        self.clients.given(ticket, nanos, host);
        ticket
    }

    /// Cuts the hosts `one` off from the hosts `other`, both ways.
    pub fn partition(&mut self, one: &[u16], other: &[u16]) {
        let cut = Fault::Cut { from: one.to_vec(), to: other.to_vec(), both_ways: true };
        self.afflict(&cut);
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.nanos + nanos(time);
        while let Some((at, happening)) = self.queue.pop_by(end) {
            self.nanos = at;
            self.happen(happening);
        }
        self.nanos = end;
    }

    fn later(&mut self, wait: Duration, happening: Happening) {
        self.queue.push(self.nanos.saturating_add(nanos(wait)), happening);
    }

    fn happen(&mut self, happening: Happening) {
        let Some(happening) = self.unless_paused(happening) else { return };
        match happening {
            Happening::Arrival { from, to, parcel } => self.on_arrival(node(from), node(to), parcel),
            Happening::Written { slot, boot } => self.on_written(node(slot), boot),
            Happening::Worked { slot, boot, work } => self.on_worked(node(slot), boot, *work),
            Happening::Wake { slot, at } => self.on_wake(node(slot), at),
            Happening::Gossip { slot } => self.on_gossip(node(slot)),
            Happening::Exchange(exchange) => self.gossip.perform(exchange, self.nanos),
            Happening::Fault(at) => {
                let fault = self.spec.timeline[at].1.clone();
                self.afflict(&fault);
            }
            Happening::Push { load, slot } => self.on_push(load, node(slot)),
            Happening::Retry { load, at, tries } => self.on_retry(load, at, tries),
            Happening::Ask => self.on_ask_anybody(),
            Happening::Asked { inquiry, slot } => self.on_asked(inquiry, node(slot)),
            Happening::Gather { inquiry } => self.on_gather(inquiry),
            Happening::Look => self.on_look(),
        }
    }

    /// Puts off what happens at a host that stands still.
    fn unless_paused(&mut self, happening: Happening) -> Option<Happening> {
        let (Happening::Arrival { to: slot, .. }
        | Happening::Written { slot, .. }
        | Happening::Worked { slot, .. }
        | Happening::Wake { slot, .. }
        | Happening::Asked { slot, .. }
        | Happening::Gossip { slot }) = happening
        else {
            return Some(happening);
        };
        let until = self.hosts.paused_until(slot);
        if until > self.nanos {
            self.queue.push(until, happening);
            return None;
        }
        Some(happening)
    }

    fn give(&mut self, to: NodeId, input: Input) {
        let nanos = self.nanos;
        if let Some(host) = self.hosts.get_mut(&to).filter(|host| host.replica.is_some()) {
            host.tell(nanos, input);
            self.settle(to);
        }
    }

    /// Calls a machine that wants it. An earlier wish took the place of the others.
    fn on_wake(&mut self, id: NodeId, at: Instant) {
        let host = &mut self.hosts[&id];
        if host.wake == Some(at) {
            host.wake = None;
            self.settle(id);
        }
    }

    fn on_gossip(&mut self, id: NodeId) {
        let (caller, nanos) = (small(id), self.nanos);
        self.later(gossip::INTERVAL, Happening::Gossip { slot: caller });
        if !self.gossip.is_up(caller) {
            return;
        }
        for called in self.gossip.tick(caller, nanos, &mut self.random.gossip) {
            let (other, rng) = (node(called), &mut self.random.gossip);
            let up = self.hosts.paused_until(called) <= nanos;
            let call = self.network.datagram(nanos, id, other, rng).filter(|_| up);
            let answer = call.and_then(|_| self.network.datagram(nanos, other, id, rng));
            let last = answer.and_then(|_| self.network.datagram(nanos, id, other, rng));
            let arrived = [call, answer, last].iter().flatten().count() as u8;
            let exchange = Gossip::exchange(caller, called, arrived);
            let took = call.unwrap_or_default() + answer.unwrap_or_default();
            // A small part of an interval makes no difference, and is not worth an event.
            match took <= gossip::INTERVAL / 8 {
                true => self.gossip.perform(exchange, nanos),
                false => self.later(took, Happening::Exchange(exchange)),
            }
        }
        let news = self.gossip.news(caller, nanos);
        if !news.is_empty() {
            self.mark(&[4, news.len() as u64]);
            self.give(id, Input::News(news));
        }
    }

    /// Finds who has become established: whom a running established host knows to be running.
    fn establish(&mut self) {
        if !self.has_strangers {
            return;
        }
        let established =
            self.hosts.values().filter(|host| host.is_established).filter_map(|host| host.replica.as_ref());
        let mut known: BTreeMap<NodeId, u64> = BTreeMap::new();
        for row in established.flat_map(|replica| replica.members_table().rows()) {
            let latest = known.entry(row.node).or_default();
            *latest = row.incarnation.max(*latest);
        }
        let running = self.hosts.values_mut().filter(|host| host.replica.is_some());
        self.has_strangers = false;
        for host in running.filter(|host| !host.is_established) {
            host.is_established = known.get(&host.id).is_some_and(|latest| *latest >= host.started_as);
            self.has_strangers |= !host.is_established;
        }
    }

    fn mark(&mut self, words: &[u64]) {
        for word in words.iter().chain(&[self.nanos]) {
            // FNV-1a over words: only to tell two traces apart.
            self.trace = (self.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

fn small(id: NodeId) -> u16 {
    slot(&id).and_then(|slot| u16::try_from(slot).ok()).expect("ids of hosts have slots")
}

/// When the world begins: not at zero, which the machines take for never.
const BEGINNING: u64 = 1_000_000_000;
