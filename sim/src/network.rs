//! The network: who can reach whom, how long it takes, what is lost, doubled and overtaken, and how much fits through.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::NodeId;
use logmesh_protocol::message::Message;
use logmesh_protocol::segment::ExtentId;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::hosts::slot;
use crate::spec::{Latency, LinkQuality, Links};

/// What travels from node to node.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message, as its bytes: what is sent is what is decoded.
    Message(Bytes),
    /// Batches.
    Batches(Vec<BatchFrame>),
    /// A sealed extent.
    Extent(Box<Extent>),
}

/// A sealed extent on its way.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Which it is.
    pub id: ExtentId,
    /// What it holds.
    pub content: Bytes,
    /// How many bytes it would have.
    pub bytes: u64,
}

impl Parcel {
    /// Returns the parcel of a message.
    pub fn of(message: &Message) -> Self {
        Self::Message(logmesh_protocol::message::encode(message))
    }

    /// Returns how many bytes travel.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Message(bytes) => bytes.len() as u64,
            Self::Batches(frames) => frames.iter().map(|frame| frame.body.len() as u64).sum(),
            Self::Extent(extent) => extent.bytes,
        }
    }
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages of the machine.
    pub messages: u64,
    /// Their bytes.
    pub message_bytes: u64,
    /// Bytes of batches and extents.
    pub data_bytes: u64,
}

/// All links.
#[derive(Debug, Default)]
pub struct Network {
    links: Links,
    /// The zone of each host, and how many bytes it can send in a second.
    hosts: Vec<(u16, Option<u64>)>,
    /// Until when each host is still sending what it has sent.
    sending_until: Vec<u64>,
    /// Links that are not as they were at the beginning, one way each.
    marred: BTreeMap<(u16, u16), Marred>,
    /// When what was last sent over a link arrives, where order is kept or bytes are counted.
    last: BTreeMap<(u16, u16), Last>,
    /// How many of a thousand parcels are lost besides, on all links.
    pub loss_per_mille: u32,
    /// How many of a thousand parcels come twice besides, on all links.
    pub doubled_per_mille: u32,
    /// What was sent so far.
    pub traffic: Traffic,
}

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    arrives: u64,
    busy_until: u64,
}

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, Default)]
struct Marred {
    is_cut: bool,
    quality: Option<LinkQuality>,
    /// Since when it is cut and mended in turn, how often and for how long.
    flaps: Option<(u64, u64, u64)>,
}

impl Network {
    /// Returns a network of such links, without hosts.
    pub(crate) fn new(links: Links) -> Self {
        Self { links, ..Self::default() }
    }

    /// Adds the next host.
    pub(crate) fn add(&mut self, zone: u16, bytes_per_second: Option<u64>) {
        self.hosts.push((zone, bytes_per_second));
        self.sending_until.push(0);
    }

    /// Lets nothing through any more from `from` to `to`.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.mar(from, to, |link| link.is_cut = true);
    }

    /// Lets the link from `from` to `to` be like this.
    pub fn change(&mut self, from: NodeId, to: NodeId, quality: LinkQuality) {
        self.mar(from, to, |link| link.quality = Some(quality));
    }

    /// Cuts the link from `from` to `to` for `down` in every `period`, from `now` on.
    pub fn flap(&mut self, (from, to): (NodeId, NodeId), now: u64, period: Duration, down: Duration) {
        let times = (now, nanos(period).max(1), nanos(down));
        self.mar(from, to, |link| link.flaps = Some(times));
    }

    /// Makes the link from `from` to `to` what it was at the beginning.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        if let Some(link) = link(&from, &to) {
            self.marred.remove(&link);
        }
    }

    /// Makes all links what they were at the beginning.
    pub fn heal(&mut self) {
        self.marred.clear();
        (self.loss_per_mille, self.doubled_per_mille) = (0, 0);
    }

    fn mar(&mut self, from: NodeId, to: NodeId, change: impl FnOnce(&mut Marred)) {
        if let Some(link) = link(&from, &to) {
            change(self.marred.entry(link).or_default());
        }
    }

    /// Tells whether anything gets from `from` to `to` at `now`.
    pub fn reaches(&self, now: u64, from: NodeId, to: NodeId) -> bool {
        link(&from, &to).is_some_and(|link| !self.is_cut(now, link))
    }

    fn is_cut(&self, now: u64, link: (u16, u16)) -> bool {
        let Some(marred) = self.marred.get(&link) else { return false };
        let is_down = |(since, period, down): (u64, u64, u64)| now.saturating_sub(since) % period < down;
        marred.is_cut || marred.flaps.is_some_and(is_down)
    }

    fn quality(&self, link: (u16, u16)) -> LinkQuality {
        let zone = |host: u16| self.hosts.get(usize::from(host)).map_or(0, |(zone, _)| *zone);
        let marred = self.marred.get(&link).and_then(|marred| marred.quality);
        marred.unwrap_or_else(|| self.links.quality(zone(link.0), zone(link.1)))
    }

    /// Returns after how long a small datagram arrives, if it does.
    pub fn datagram(&self, now: u64, from: NodeId, to: NodeId, rng: &mut ChaCha8Rng) -> Option<Duration> {
        let link = link(&from, &to)?;
        if self.is_cut(now, link) {
            return None;
        }
        let quality = self.quality(link);
        let lost = u32::from(quality.lost_per_mille) + self.loss_per_mille;
        let arrives = lost == 0 || rng.random_range(0..1000) >= lost;
        arrives.then(|| draw(quality.latency, rng))
    }

    /// Returns after what times a parcel arrives: none if it is lost, two if it comes twice.
    pub fn send(&mut self, now: u64, (from, to): (NodeId, NodeId), parcel: &Parcel, rng: &mut ChaCha8Rng) -> Arrivals {
        let bytes = parcel.bytes();
        match parcel {
            Parcel::Message(_) => {
                self.traffic.messages += 1;
                self.traffic.message_bytes += bytes;
            }
            Parcel::Batches(_) | Parcel::Extent(..) => self.traffic.data_bytes += bytes,
        }
        let Some(link) = link(&from, &to).filter(|link| !self.is_cut(now, *link)) else { return [None, None] };
        let quality = self.quality(link);
        let lost = u32::from(quality.lost_per_mille) + self.loss_per_mille;
        if lost > 0 && rng.random_range(0..1000) < lost {
            return [None, None];
        }
        let Some(left) = self.leaves(now, link, &quality, bytes) else { return [None, None] };
        let wait = left + nanos(draw(quality.latency, rng));
        let unordered = u32::from(quality.unordered_per_mille);
        let may_overtake = unordered >= 1000 || (unordered > 0 && rng.random_range(0..1000) < unordered);
        let first = if may_overtake { wait } else { self.in_order(now, link, wait) };
        let doubled = u32::from(quality.doubled_per_mille) + self.doubled_per_mille;
        let second =
            (doubled > 0 && rng.random_range(0..1000) < doubled).then(|| left + nanos(draw(quality.latency, rng)));
        [Some(first), second].map(|wait| wait.map(Duration::from_nanos))
    }

    /// Returns after how long the last byte has left, given all that was sent before; none if too much waits already.
    fn leaves(&mut self, now: u64, link: (u16, u16), quality: &LinkQuality, bytes: u64) -> Option<u64> {
        let mut left = 0;
        if let Some((_, Some(rate))) = self.hosts.get(usize::from(link.0)) {
            left = through(now, &mut self.sending_until[usize::from(link.0)], *rate, bytes)?;
        }
        if let Some(rate) = quality.bytes_per_second {
            left = left.max(through(now, &mut self.last.entry(link).or_default().busy_until, rate, bytes)?);
        }
        Some(left)
    }

    /// Returns after how long a parcel arrives that must not overtake those before it.
    fn in_order(&mut self, now: u64, link: (u16, u16), wait: u64) -> u64 {
        let last = self.last.entry(link).or_default();
        last.arrives = last.arrives.max(now + wait);
        last.arrives - now
    }
}

/// After what times a parcel arrives.
pub type Arrivals = [Option<Duration>; 2];

fn through(now: u64, until: &mut u64, rate: u64, bytes: u64) -> Option<u64> {
    let begin = (*until).max(now);
    if begin - now > BACKLOG_MAX {
        return None;
    }
    *until = begin + u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1))).unwrap_or(u64::MAX / 4);
    Some(*until - now)
}

/// Draws a time.
pub(crate) fn draw(latency: Latency, rng: &mut ChaCha8Rng) -> Duration {
    let word: u64 = rng.random();
    // The lower half chooses the part of the distribution, the upper the place within.
    let (part, place) = (((word & 0xffff_ffff) * 100) >> 32, word >> 32);
    let (from, to) = match part {
        0..50 => (latency.least, latency.usual),
        50..99 => (latency.usual, latency.slow),
        _ => (latency.slow, latency.slow * 3),
    };
    let width = nanos(to.saturating_sub(from));
    let within = u64::try_from((u128::from(width) * u128::from(place)) >> 32).unwrap_or(width);
    from + Duration::from_nanos(within)
}

fn link(from: &NodeId, to: &NodeId) -> Option<(u16, u16)> {
    let small = |id: &NodeId| slot(id).and_then(|slot| u16::try_from(slot).ok());
    Some((small(from)?, small(to)?))
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// Where so much waits to be sent, what comes is dropped: queues are bounded in production too.
const BACKLOG_MAX: u64 = 5_000_000_000;
