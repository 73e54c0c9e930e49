//! What hosts do to the world and the world to hosts: parcels, fsyncs and all that the machines want done.

use std::time::Duration;

use logmesh_protocol::id::{Boot, NodeId};
use logmesh_protocol::message;
use logmesh_protocol::replica::{Event, Input};
use logmesh_protocol::time::Instant;

use super::{Happening, World, small};
use crate::host::{Deed, Trap, Work, Worked};
use crate::network::{Parcel, draw};

impl World {
    pub(super) fn on_arrival(&mut self, from: NodeId, to: NodeId, parcel: Parcel) {
        self.mark(&[1, parcel.bytes()]);
        let (theirs, ours) = (self.hosts[&from].version, self.hosts[&to].version);
        let input = match parcel {
            Parcel::Message(bytes) => match message::decode(&bytes) {
                // Both speak the same older version: it says the same in other words.
                Ok(message) if theirs == ours => Input::Message { from, message },
                Err(error) if theirs == ours => {
                    self.oracle.broken.push(format!("what is sent is decoded: {error}"));
                    return;
                }
                Ok(_) | Err(_) => return self.refuse_version(&bytes, theirs),
            },
            Parcel::Batches(_) | Parcel::Extent(..) if theirs != ours => return,
            Parcel::Batches(frames) => Input::Batches { from, frames },
            Parcel::Extent(extent) => Input::Extent { from, extent: extent.id, bytes: extent.content },
        };
        self.give(to, input);
    }

    /// Who speaks another version is refused by its first byte, whatever follows.
    fn refuse_version(&mut self, bytes: &[u8], version: u8) {
        let mut other = bytes.to_vec();
        other[0] = other[0].wrapping_add(version.max(1));
        if !matches!(message::decode(&other), Err(logmesh_protocol::codec::DecodeError::Version { .. })) {
            self.oracle.broken.push(format!("another version is refused: {other:?} was not"));
        }
    }

    pub(super) fn on_written(&mut self, id: NodeId, boot: Boot) {
        self.mark(&[2]);
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.replica.is_some() && host.boot == boot) else {
            return;
        };
        if host.stalled_until > self.nanos {
            let until = host.stalled_until;
            self.queue.push(until, Happening::Written { slot: small(id), boot });
            return;
        }
        let (inputs, has_appends) = host.written();
        self.note_durable(id, &inputs);
        if has_appends && self.hosts[&id].trap == Some(Trap::Stored) {
            self.note(|| format!("{id:?} crashed, stored"));
            self.power_off(id);
            return;
        }
        self.tell_all(id, inputs);
    }

    pub(super) fn on_worked(&mut self, id: NodeId, boot: Boot, work: Work) {
        self.mark(&[3]);
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.replica.is_some() && host.boot == boot) else {
            return;
        };
        let (inputs, parcels): Worked = host.work(work);
        self.note_durable(id, &inputs);
        for (to, parcel) in parcels {
            self.post(id, to, parcel);
        }
        self.tell_all(id, inputs);
    }

    /// Gives a host all inputs before it is asked what it wants: what came together is answered together.
    fn tell_all(&mut self, id: NodeId, inputs: Vec<Input>) {
        let nanos = self.nanos;
        let host = &mut self.hosts[&id];
        inputs.into_iter().for_each(|input| host.tell(nanos, input));
        self.settle(id);
    }

    fn note_durable(&mut self, id: NodeId, inputs: &[Input]) {
        for input in inputs {
            let (Input::Stored(stored) | Input::Adopted { batches: Some(stored), .. }) = input else { continue };
            let disk = &self.hosts[&id].disk;
            let whole = stored.iter().filter(|batch| disk.has(batch.segment, batch.seq));
            self.oracle.durable(self.nanos, id, whole.map(|batch| (batch.segment, batch.seq)));
        }
    }

    /// Performs what a host wants and asks when it wants to be called next.
    pub(super) fn settle(&mut self, id: NodeId) {
        let nanos = self.nanos;
        let mut deeds = std::mem::take(&mut self.deeds);
        let host = &mut self.hosts[&id];
        host.drain(nanos, &mut deeds);
        for event in std::mem::take(&mut host.events) {
            self.note(|| format!("{id:?} {event:?}"));
            match event {
                Event::Left => {
                    self.expire();
                    self.oracle.left(id, self.spec.config.copies, &self.hosts);
                }
                // Nobody expects it any more. If it runs, whoever hears of that says so.
                Event::Departed(other) => {
                    self.hosts.get_mut(&other).into_iter().for_each(|other| other.is_established = false);
                    self.has_strangers = true;
                }
                _ => {}
            }
        }
        let mut is_up = true;
        for deed in deeds.drain(..) {
            // After a crash the rest is done by nobody. What was just being written got its place all the same.
            if is_up || matches!(deed, Deed::Placed(..)) {
                is_up &= self.do_deed(id, deed);
            }
        }
        self.deeds = deeds;
        let host = &mut self.hosts[&id];
        let Some(at) = host.replica.as_ref().and_then(|replica| replica.poll_timeout()) else { return };
        if host.wake.is_none_or(|wake: Instant| at < wake) {
            host.wake = Some(at);
            let wait = Duration::from_nanos(host.clock.until(nanos, at));
            self.later(wait, Happening::Wake { slot: small(id), at });
        }
    }

    /// Does a deed; tells whether the host is still up.
    fn do_deed(&mut self, id: NodeId, deed: Deed) -> bool {
        match deed {
            Deed::Send(to, parcel) => {
                self.hosts[&id].tally.message_bytes += parcel.bytes();
                self.post(id, to, parcel);
            }
            Deed::Work(work) => {
                let host = &self.hosts[&id];
                let wait = draw(host.quality.read, &mut self.random.disk) + Duration::from_nanos(host.slowness);
                let boot = host.boot;
                self.later(wait, Happening::Worked { slot: small(id), boot, work: Box::new(work) });
            }
            Deed::Write(bytes) => return self.begin_write(id, bytes),
            Deed::Placed(ticket, segment, seq, batch) => self.oracle.placed(id, ticket, (segment, seq), batch),
            Deed::Acknowledged(ticket, copies) => return self.on_acknowledged(id, ticket, copies),
            Deed::Refused(ticket) => self.on_refused(id, ticket),
            Deed::Announced(said) => {
                let boot = self.hosts[&id].boot;
                self.hosts[&id].announced = said.clone();
                self.gossip.tell(small(id), boot, said, self.nanos);
            }
            Deed::Dropped(segment) => {
                let now = self.hosts[&id].now(self.nanos).timestamp;
                let config = &self.spec.config;
                if segment.is_expired(now, config.retention) {
                    self.expired_count += 1;
                    self.oracle.expired(segment);
                } else {
                    self.oracle.dropped(id, segment, config.copies, &self.hosts);
                }
            }
            Deed::Stopped(clean) => {
                self.note(|| format!("{id:?} stopped, clean {clean}"));
                self.stopped.insert(id, clean);
                self.power_off(id);
                return false;
            }
        }
        true
    }

    fn begin_write(&mut self, id: NodeId, bytes: u64) -> bool {
        let host = &self.hosts[&id];
        let boot = host.boot;
        let transfer = bytes * 1_000_000_000 / host.quality.bytes_per_second.max(1);
        let wait = draw(host.quality.fsync, &mut self.random.disk) + Duration::from_nanos(transfer + host.slowness);
        let is_trapped = host.trap == Some(Trap::Writing);
        self.later(wait, Happening::Written { slot: small(id), boot });
        if is_trapped {
            self.note(|| format!("{id:?} crashed, writing"));
            self.power_off(id);
            return false;
        }
        true
    }

    fn post(&mut self, from: NodeId, to: NodeId, parcel: Parcel) {
        let slowness =
            Duration::from_nanos(self.hosts[&from].slowness + self.hosts.get(&to).map_or(0, |host| host.slowness));
        let [first, second] = self.network.send(self.nanos, (from, to), &parcel, &mut self.random.network);
        let (from, to) = (small(from), small(to));
        if let Some(wait) = second {
            self.later(wait + slowness, Happening::Arrival { from, to, parcel: parcel.clone() });
        }
        if let Some(wait) = first {
            self.later(wait + slowness, Happening::Arrival { from, to, parcel });
        }
    }
}
