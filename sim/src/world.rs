//! The world: hosts, network and time, driven by one queue of events and one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use logmesh_protocol::config::Config;
use logmesh_protocol::id::NodeId;
use logmesh_protocol::message;
use logmesh_protocol::plan::{self, Known, Standing};
use logmesh_protocol::replica::{Announcement, Append, Input, Ticket};
use logmesh_protocol::segment::{SegmentId, Window};
use logmesh_protocol::time::{Instant, TimeRange, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::gossip;
use crate::host::{Deed, Host, Trap, Work};
use crate::network::{Network, Parcel};
use crate::oracle::{Oracle, Place};

/// Everything there is.
pub struct World {
    /// The hosts, by their ids.
    pub hosts: BTreeMap<NodeId, Host>,
    /// The links between them.
    pub network: Network,
    /// What was promised.
    pub oracle: Oracle,
    /// How the clients were answered: copies, or none if refused.
    pub answers: BTreeMap<Ticket, Option<u8>>,
    /// Which hosts stopped, and whether in order.
    pub stopped: BTreeMap<NodeId, bool>,
    /// The nanoseconds since the world began.
    pub nanos: u64,
    config: Config,
    /// Those that were there first: the seeds of all who join.
    founders: BTreeSet<NodeId>,
    rng: ChaCha8Rng,
    queue: BTreeMap<(u64, u64), Happening>,
    happened: u64,
    tickets: u64,
    /// A hash of all that has happened, so that two runs can be compared.
    pub trace: u64,
    /// What was done to the world and what the machines told, in order.
    pub story: Vec<String>,
}

enum Happening {
    /// A parcel arrives, if the host is still in the start it was sent to.
    Arrival { from: NodeId, to: NodeId, parcel: Parcel },
    /// What a node tells of itself arrives.
    Told { from: NodeId, to: NodeId, boot: logmesh_protocol::id::Boot, said: Announcement },
    /// The disk is done.
    Worked { node: NodeId, boot: logmesh_protocol::id::Boot, work: Work },
    /// A machine wants to be called.
    Wake(NodeId),
    /// A host tells all others of itself and looks at what it has heard.
    Gossip(NodeId),
}

impl World {
    /// Returns a world with so many hosts, all of them up.
    pub fn new(seed: u64, count: u8, config: &Config) -> Self {
        let mut world = Self {
            hosts: BTreeMap::new(),
            network: Network::default(),
            oracle: Oracle::default(),
            answers: BTreeMap::new(),
            stopped: BTreeMap::new(),
            nanos: 1_000_000_000,
            config: config.clone(),
            founders: (0..count).map(node).collect(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            queue: BTreeMap::new(),
            happened: 0,
            tickets: 0,
            trace: 0,
            story: Vec::new(),
        };
        (0..count).for_each(|index| world.join(index));
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

    /// Adds a host and starts it.
    pub fn join(&mut self, index: u8) {
        let id = node(index);
        self.hosts.insert(id, Host::new(id, self.config.clone()));
        self.start(index);
        self.later(gossip::INTERVAL, Happening::Gossip(id));
    }

    /// Writes a line of the story.
    pub fn note(&mut self, line: String) {
        self.story.push(format!("{:>9.3} {line}", self.nanos as f64 / 1e9));
    }

    /// Returns a host.
    pub fn host(&mut self, index: u8) -> &mut Host {
        self.hosts.get_mut(&node(index)).expect("the host was added")
    }

    /// Tells whether a host is up.
    pub fn is_up(&self, index: u8) -> bool {
        self.hosts.get(&node(index)).is_some_and(|host| host.replica.is_some())
    }

    /// Starts a host on what its disk holds.
    pub fn start(&mut self, index: u8) {
        self.note(format!("start {:?}", node(index)));
        let (nanos, seed) = (self.nanos, self.rng.random());
        let was_clean = self.stopped.remove(&node(index)) == Some(true);
        let is_founding = self.nanos == 1_000_000_000;
        self.host(index).is_established = is_founding || !(was_clean || self.host(index).disk.state.is_empty());
        self.host(index).start(nanos, seed);
        self.settle(node(index));
    }

    /// Takes the power from a host: all that was not durable is gone.
    pub fn crash(&mut self, index: u8) {
        self.note(format!("crash {:?}", node(index)));
        self.host(index).crash();
    }

    /// Takes a host's disk away, its identity excepted. It must be down.
    pub fn wipe(&mut self, index: u8) {
        assert!(!self.is_up(index), "a disk in use cannot be wiped");
        self.host(index).disk = crate::disk::Disk::default();
        self.oracle.wiped(node(index));
    }

    /// Flips a bit of some batch on a host's disk, of which another disk has a whole copy: no mesh can mend what is nowhere.
    pub fn rot(&mut self, index: u8) -> Option<Place> {
        let is_elsewhere = |place: &Place| {
            let others = self.hosts.values().filter(|host| host.id != node(index) && host.disk.has(place.0, place.1));
            others.count() > 0
        };
        let places = self.hosts[&node(index)].disk.ids().map(|(segment, seq, _)| (segment, seq));
        let places: Vec<Place> = places.filter(is_elsewhere).collect();
        let place = *places.get(self.rng.random_range(0..places.len().max(1)))?;
        self.host(index).disk.rot(place.0, place.1);
        self.oracle.harmed(node(index), place);
        self.note(format!("rot {:?} {place:?}", node(index)));
        Some(place)
    }

    /// Lets a host crash at the worst moment, the next time it comes.
    pub fn set_trap(&mut self, index: u8, trap: Trap) {
        self.host(index).trap = Some(trap);
    }

    /// Gives a host an input, as an operator would.
    pub fn tell(&mut self, index: u8, input: Input) {
        let nanos = self.nanos;
        self.host(index).tell(nanos, input);
        self.settle(node(index));
    }

    /// A client pushes to a host, records of now.
    pub fn append(&mut self, index: u8, copies: u8) -> Ticket {
        let nanos = self.nanos;
        let timestamp = self.host(index).now(nanos).timestamp;
        self.append_at(index, copies, Window::of(timestamp))
    }

    /// A client pushes to a host, records of a window.
    pub fn append_at(&mut self, index: u8, copies: u8, window: Window) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let raw_bytes = self.rng.random_range(100..400);
        self.host(index).push(Append { ticket, window, raw_bytes, copies });
        self.settle(node(index));
        ticket
    }

    /// Cuts the hosts `one` off from the hosts `other`, both ways.
    pub fn partition(&mut self, one: &[u8], other: &[u8]) {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            self.network.cut(node(a), node(b));
            self.network.cut(node(b), node(a));
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.nanos + time.as_nanos() as u64;
        while let Some(((at, number), happening)) = self.queue.pop_first() {
            if at > end {
                self.queue.insert((at, number), happening);
                break;
            }
            self.nanos = at;
            self.happen(happening);
        }
        self.nanos = end;
    }

    /// Lets time pass until all holders hold the same. Returns after how long, or why not within `most`.
    pub fn converge_within(&mut self, most: Duration) -> Result<Duration, String> {
        let begin = self.nanos;
        loop {
            let why = self.divergence();
            let passed = Duration::from_nanos(self.nanos - begin);
            match why {
                None => return Ok(passed),
                Some(why) if passed >= most => return Err(format!("not converged after {passed:?}: {why}")),
                Some(_) => self.run_for(Duration::from_millis(500)),
            }
        }
    }

    /// Returns why the world has not converged, if it has not: all running hosts have one member table, and of each segment that anybody
    /// holds all holders hold the same.
    pub fn divergence(&self) -> Option<String> {
        let running: Vec<_> = self.hosts.values().filter_map(|host| Some((host.id, host.replica.as_ref()?))).collect();
        let (_, first) = running.first()?;
        if running.iter().any(|(_, replica)| replica.members_table().digest() != first.members_table().digest()) {
            return Some("member tables differ".into());
        }
        let mut found: BTreeMap<SegmentId, BTreeMap<NodeId, _>> = BTreeMap::new();
        let mut holders: BTreeMap<SegmentId, BTreeSet<NodeId>> = BTreeMap::new();
        for (node, replica) in &running {
            for (segment, seqs) in replica.quarantined() {
                // What rotted or was lost everywhere stays named for ever, and rightly so.
                if seqs.iter().any(|seq| self.hosts.values().any(|host| host.disk.has(segment, seq))) {
                    return Some(format!("{node:?} has not mended {seqs:?} of {segment:?}"));
                }
            }
            for status in replica.segments().into_iter().filter(|status| !status.held.is_empty()) {
                holders.entry(status.segment).or_default().extend(status.holders);
                found.entry(status.segment).or_default().insert(*node, (status.held, status.root));
            }
        }
        for (segment, found) in found {
            let mut kept: BTreeSet<_> = holders[&segment].iter().map(|holder| found.get(holder)).collect();
            if kept.len() > 1 || kept.pop_first().flatten().is_none_or(|(_, root)| root.is_none()) {
                return Some(format!("{segment:?}: holders {:?}, held {found:?}", holders[&segment]));
            }
        }
        None
    }

    /// Plans a query over everything at a host, as production does, and lets the oracle judge the claim.
    pub fn query(&mut self, index: u8) -> bool {
        let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
        let me = node(index);
        let Some(replica) = self.hosts[&me].replica.as_ref() else { return false };
        let members = replica.members();
        if !members.iter().any(|member| member.node != me && self.founders.contains(&member.node)) {
            // A node that was given seeds and has met none of them coordinates nothing.
            return false;
        }
        let up = |other: NodeId| {
            let reached = self.network.reaches(me, other) && self.network.reaches(other, me);
            self.hosts.get(&other).filter(|_| reached || other == me)?.replica.as_ref()
        };
        let asked: Vec<NodeId> = members.iter().filter(|member| member.live).map(|member| member.node).collect();
        let (mut standings, mut own, mut table) = (BTreeMap::new(), BTreeMap::new(), replica.members_table().clone());
        for member in members.into_iter().filter(|member| member.node != me || asked.contains(&me)) {
            let standing = match (member.live, up(member.node)) {
                (true, Some(other)) => {
                    own.insert(member.node, other.own_segments(&range));
                    table.merge(other.members_table().rows().cloned());
                    Standing::Answered(other.survey(&range, &asked))
                }
                (true, None) => Standing::Silent(replica.heads_of(member.node)),
                (false, _) => Standing::Away { since: None, heads: replica.heads_of(member.node) },
            };
            standings.insert(member.node, standing);
        }
        let assignment =
            plan::assign(&Known { table: &table, standings: &standings, copies: self.config.copies, range });
        own.retain(|node, _| assignment.own.contains_key(node));
        let before = self.oracle.broken.len();
        self.oracle.check_answer(&assignment, &own, &self.hosts);
        let claim = format!("{} {:?}", assignment.completeness, assignment.completeness.missing);
        self.note(format!("{me:?} answers {claim}"));
        let broken = self.oracle.broken.iter().skip(before).cloned().collect::<Vec<_>>();
        broken.into_iter().for_each(|line| self.note(line));
        assignment.completeness.complete
    }

    /// Lets the oracle look at all disks.
    pub fn check(&mut self) {
        let retention = self.config.retention;
        for host in self.hosts.values() {
            let now = host.now(self.nanos).timestamp;
            let gone = host.disk.ids().filter(|(segment, ..)| segment.window.end().saturating_add(retention) <= now);
            gone.for_each(|(segment, ..)| self.oracle.expired(segment));
        }
        self.oracle.check_disks(&self.hosts);
    }

    fn later(&mut self, wait: Duration, happening: Happening) {
        self.happened += 1;
        self.queue.insert((self.nanos + wait.as_nanos() as u64, self.happened), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival { from, to, parcel } => {
                self.mark(&[1, parcel.bytes()]);
                let input = match parcel {
                    Parcel::Message(bytes) => match message::decode(&bytes) {
                        Ok(message) => Input::Message { from, message },
                        Err(error) => {
                            self.oracle.broken.push(format!("what is sent is decoded: {error}"));
                            return;
                        }
                    },
                    Parcel::Batches(frames) => Input::Batches { from, frames },
                    Parcel::Extent(extent, bytes) => Input::Extent { from, extent, bytes },
                };
                self.give(to, input);
            }
            Happening::Told { from, to, boot, said } => {
                let nanos = self.nanos;
                if let Some(host) = self.hosts.get_mut(&to).filter(|host| host.replica.is_some()) {
                    host.heard.hear(nanos, from, boot, said);
                }
            }
            Happening::Worked { node, boot, work } => self.on_worked(node, boot, work),
            Happening::Wake(node) => {
                if let Some(host) = self.hosts.get_mut(&node) {
                    host.wake = None;
                }
                self.settle(node);
            }
            Happening::Gossip(node) => self.on_gossip(node),
        }
    }

    fn give(&mut self, to: NodeId, input: Input) {
        let nanos = self.nanos;
        if let Some(host) = self.hosts.get_mut(&to) {
            host.tell(nanos, input);
            self.settle(to);
        }
    }

    fn on_worked(&mut self, node: NodeId, boot: logmesh_protocol::id::Boot, work: Work) {
        self.mark(&[2]);
        let Some(host) = self.hosts.get_mut(&node).filter(|host| host.replica.is_some() && host.boot == boot) else {
            return;
        };
        let is_append = matches!(work, Work::Group(_));
        let (inputs, parcels) = host.work(work);
        for input in &inputs {
            let stored = match input {
                Input::Stored(stored) | Input::Adopted { batches: Some(stored), .. } => stored,
                _ => continue,
            };
            let whole = stored.iter().filter(|batch| host.disk.has(batch.segment, batch.seq));
            self.oracle.durable(node, whole.map(|batch| (batch.segment, batch.seq)));
        }
        if is_append && host.trap == Some(Trap::Stored) {
            host.crash();
            self.note(format!("{node:?} crashed, stored"));
            return;
        }
        for (to, parcel) in parcels {
            self.post(node, to, parcel);
        }
        inputs.into_iter().for_each(|input| self.give(node, input));
    }

    fn on_gossip(&mut self, node: NodeId) {
        let nanos = self.nanos;
        let others: Vec<NodeId> = self.hosts.keys().copied().filter(|other| *other != node).collect();
        self.later(gossip::INTERVAL, Happening::Gossip(node));
        let Some(host) = self.hosts.get_mut(&node).filter(|host| host.replica.is_some()) else { return };
        let (boot, said) = (host.boot, host.announced.clone());
        if let Some(view) = host.heard.view(nanos) {
            self.give(node, Input::View(view));
        }
        for to in others {
            if self.network.reaches(node, to) && self.rng.random_range(0..1000) >= self.network.loss_per_mille {
                let wait = Duration::from_millis(self.rng.random_range(1..400));
                self.later(wait, Happening::Told { from: node, to, boot, said: said.clone() });
            }
        }
    }

    /// Performs what a host wants and asks when it wants to be called next.
    fn settle(&mut self, node: NodeId) {
        let nanos = self.nanos;
        let Some(host) = self.hosts.get_mut(&node) else { return };
        let deeds = host.drain(nanos);
        for event in std::mem::take(&mut host.events) {
            self.note(format!("{node:?} {event:?}"));
        }
        for deed in deeds {
            if !self.do_deed(node, deed) {
                return;
            }
        }
        let Some(host) = self.hosts.get_mut(&node) else { return };
        let Some(at) = host.replica.as_ref().and_then(|replica| replica.poll_timeout()) else { return };
        if host.wake.is_none_or(|wake| at < wake) {
            host.wake = Some(at);
            let wait = at.since(Instant::from_nanos(nanos));
            self.later(wait, Happening::Wake(node));
        }
    }

    /// Does a deed; tells whether the host is still up.
    fn do_deed(&mut self, node: NodeId, deed: Deed) -> bool {
        match deed {
            Deed::Send(to, parcel) => self.post(node, to, parcel),
            Deed::Work(work) => {
                let host = &self.hosts[&node];
                let (boot, latency) = (host.boot, host.disk_latency);
                let wait = latency + Duration::from_nanos(self.rng.random_range(0..=latency.as_nanos() as u64));
                self.later(wait, Happening::Worked { node, boot, work });
            }
            Deed::Placed(ticket, segment, seq, id) => self.oracle.placed(node, ticket, (segment, seq), id),
            Deed::Acknowledged(ticket, copies) => {
                self.mark(&[3, ticket.0, u64::from(copies)]);
                self.establish();
                self.oracle.acknowledged(ticket, copies, &self.hosts);
                self.answers.insert(ticket, Some(copies));
                let host = self.hosts.get_mut(&node).expect("it did the deed");
                if host.trap == Some(Trap::Acknowledged) {
                    host.crash();
                    self.note(format!("{node:?} crashed, acknowledged"));
                    return false;
                }
            }
            Deed::Refused(ticket) => {
                self.oracle.refused(ticket);
                self.answers.insert(ticket, None);
            }
            Deed::Dropped(segment) => {
                let host = &self.hosts[&node];
                let now = host.now(self.nanos).timestamp;
                if segment.window.end().saturating_add(self.config.retention) <= now {
                    self.oracle.expired(segment);
                } else {
                    self.oracle.dropped(node, segment, self.config.copies, &self.hosts);
                }
            }
            Deed::Stopped(clean) => {
                self.note(format!("{node:?} stopped, clean {clean}"));
                self.stopped.insert(node, clean);
                self.hosts.get_mut(&node).expect("it did the deed").crash();
                return false;
            }
        }
        true
    }

    /// Finds who has become established: whom a running established host knows to be running.
    fn establish(&mut self) {
        let established =
            self.hosts.values().filter(|host| host.is_established).filter_map(|host| host.replica.as_ref());
        let known = |table: &logmesh_protocol::member::MemberTable| {
            table.rows().filter(|row| row.clean.is_none()).map(|row| row.node).collect::<Vec<_>>()
        };
        let known: BTreeSet<NodeId> = established.flat_map(|replica| known(replica.members_table())).collect();
        let running = self.hosts.values_mut().filter(|host| host.replica.is_some());
        running.filter(|host| known.contains(&host.id)).for_each(|host| host.is_established = true);
    }

    fn post(&mut self, from: NodeId, to: NodeId, parcel: Parcel) {
        for wait in self.network.send((from, to), &parcel, &mut self.rng) {
            self.later(wait, Happening::Arrival { from, to, parcel: parcel.clone() });
        }
    }

    fn mark(&mut self, words: &[u64]) {
        for word in words.iter().chain(&[self.nanos]) {
            // FNV-1a over words: only to tell two traces apart.
            self.trace = (self.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Returns the id of the host number `index`.
pub fn node(index: u8) -> NodeId {
    NodeId::from_bytes([index + 1; 32])
}
