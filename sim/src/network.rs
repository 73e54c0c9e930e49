//! The network: who can reach whom, how long it takes, what is lost, doubled and overtaken.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use logmesh_protocol::batch::BatchFrame;
use logmesh_protocol::id::NodeId;
use logmesh_protocol::message::Message;
use logmesh_protocol::segment::ExtentId;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What travels from node to node.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message, as its bytes: what is sent is what is decoded.
    Message(Bytes),
    /// Batches.
    Batches(Vec<BatchFrame>),
    /// A sealed extent.
    Extent(ExtentId, Bytes),
}

impl Parcel {
    /// Returns the parcel of a message.
    pub fn of(message: &Message) -> Self {
        Self::Message(logmesh_protocol::message::encode(message))
    }

    /// Returns how many bytes travel.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Message(bytes) | Self::Extent(_, bytes) => bytes.len() as u64,
            Self::Batches(frames) => frames.iter().map(|frame| frame.body.len() as u64).sum(),
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
#[derive(Clone, Debug)]
pub struct Network {
    /// The shortest and the longest time that a parcel takes; a longer one may be overtaken.
    pub latency: (Duration, Duration),
    /// How many of a thousand parcels are lost.
    pub loss_per_mille: u32,
    /// How many of a thousand parcels come twice.
    pub doubled_per_mille: u32,
    /// Cut links, one way each.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// What was sent so far.
    pub traffic: Traffic,
}

impl Default for Network {
    fn default() -> Self {
        let latency = (Duration::from_micros(200), Duration::from_millis(3));
        Self { latency, loss_per_mille: 0, doubled_per_mille: 0, cut: BTreeSet::new(), traffic: Traffic::default() }
    }
}

impl Network {
    /// Lets nothing through any more from `from` to `to`.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
    }

    /// Mends all links.
    pub fn heal(&mut self) {
        self.cut.clear();
        (self.loss_per_mille, self.doubled_per_mille) = (0, 0);
    }

    /// Tells whether anything gets from `from` to `to`.
    pub fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// Returns after what times a parcel arrives: none if it is lost, two if it comes twice.
    pub fn send(&mut self, link: (NodeId, NodeId), parcel: &Parcel, rng: &mut ChaCha8Rng) -> Vec<Duration> {
        match parcel {
            Parcel::Message(_) => {
                self.traffic.messages += 1;
                self.traffic.message_bytes += parcel.bytes();
            }
            Parcel::Batches(_) | Parcel::Extent(..) => self.traffic.data_bytes += parcel.bytes(),
        }
        if !self.reaches(link.0, link.1) || rng.random_range(0..1000) < self.loss_per_mille {
            return Vec::new();
        }
        let times = if rng.random_range(0..1000) < self.doubled_per_mille { 2 } else { 1 };
        (0..times).map(|_| rng.random_range(self.latency.0..=self.latency.1)).collect()
    }
}
