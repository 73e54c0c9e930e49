//! What a world is made of, as data: nodes, links, disks, work, and the faults that come upon it and when. Whatever reads this
//! (random worlds, scenarios, benchmarks) needs to know nothing else of the world.

use std::time::Duration;

use logmesh_protocol::config::Config;

/// A whole world and its fate.
#[derive(Clone, Debug)]
pub struct Spec {
    /// From which all that is random comes.
    pub seed: u64,
    /// How much later than usual it begins: the usual world's clocks begin ten minutes into an hour.
    pub begins: Duration,
    /// The settings of all nodes; zone and weight are each node's own.
    pub config: Config,
    /// The nodes, in order of their numbers.
    pub nodes: Vec<NodeSpec>,
    /// The links between them.
    pub links: Links,
    /// The work of clients.
    pub loads: Vec<Load>,
    /// How often somebody asks for everything, at a node drawn anew each time; never if none.
    pub query_every: Option<Duration>,
    /// What comes upon the world, and when. Need not be sorted.
    pub timeline: Vec<(Duration, Fault)>,
    /// How often the world is looked at ([`Sample`](crate::sample::Sample)); never if none.
    pub sample_every: Option<Duration>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its failure domain, by its number in [`Links`].
    pub zone: u16,
    /// Its share of the data, relative to the others.
    pub weight: u8,
    /// Its disk.
    pub disk: DiskQuality,
    /// How many bytes it can send in a second, to all others together.
    pub bytes_per_second: Option<u64>,
    /// How long it takes over anything it receives, besides.
    pub slowness: Duration,
    /// Whether it is there from the beginning; else it comes with [`Fault::Join`].
    pub is_founder: bool,
}

impl Default for NodeSpec {
    fn default() -> Self {
        let (slowness, disk) = (Duration::ZERO, DiskQuality::default());
        Self { zone: 0, weight: 1, disk, bytes_per_second: None, slowness, is_founder: true }
    }
}

/// The qualities of all links: the same for all pairs of nodes of the same two zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The names of the zones, which the nodes have as theirs. With none, all nodes are in the zone without a name.
    pub zones: Vec<String>,
    /// Within a zone, and wherever nothing else is said.
    pub usual: LinkQuality,
    /// From one zone to another, one way.
    pub between: Vec<((u16, u16), LinkQuality)>,
}

/// What a link is like, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkQuality {
    /// How long a parcel takes.
    pub latency: Latency,
    /// How many of a thousand parcels are lost.
    pub lost_per_mille: u16,
    /// How many of a thousand parcels come twice.
    pub doubled_per_mille: u16,
    /// How many of a thousand parcels may be overtaken by later ones, and overtake earlier ones. The others keep their order.
    pub unordered_per_mille: u16,
    /// How many bytes get through in a second; as many as one likes if none.
    pub bytes_per_second: Option<u64>,
}

impl Default for LinkQuality {
    /// Returns a link within one data centre, on which parcels overtake each other: harsher than TCP.
    fn default() -> Self {
        let latency = Latency::between(Duration::from_micros(200), Duration::from_millis(3));
        Self { latency, lost_per_mille: 0, doubled_per_mille: 0, unordered_per_mille: 1_000, bytes_per_second: None }
    }
}

/// How long something takes: half of the times lie between `least` and `usual`, almost all others up to `slow`, and one in a hundred
/// beyond, up to three times that. In integers, so that every machine draws the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The shortest time.
    pub least: Duration,
    /// The median.
    pub usual: Duration,
    /// The 99th percentile.
    pub slow: Duration,
}

impl Latency {
    /// Returns a latency that lies evenly between two times, but for the slowest hundredth.
    pub fn between(least: Duration, slow: Duration) -> Self {
        Self { least, usual: (least + slow) / 2, slow }
    }
}

/// What a disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskQuality {
    /// How long a read takes before the first byte.
    pub read: Latency,
    /// How long an fsync takes. All that waits for one is written with it.
    pub fsync: Latency,
    /// How many bytes are read or written in a second.
    pub bytes_per_second: u64,
}

impl Default for DiskQuality {
    /// Returns a disk with the fsyncs that DESIGN §10 measured: median 0.23 ms, 14 ms at the 99th percentile.
    fn default() -> Self {
        let read = Latency::between(Duration::from_micros(100), Duration::from_millis(2));
        let fsync = Latency {
            least: Duration::from_micros(150),
            usual: Duration::from_micros(230),
            slow: Duration::from_millis(14),
        };
        Self { read, fsync, bytes_per_second: 500 << 20 }
    }
}

/// Work that clients give to some nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// At which nodes, by number; at all, if empty.
    pub nodes: Vec<u16>,
    /// From when on.
    pub from: Duration,
    /// Until when; for ever if none.
    pub until: Option<Duration>,
    /// How many requests each of the nodes gets in a thousand seconds.
    pub per_node_per_1000_s: u64,
    /// How the rate changes with time.
    pub shape: Shape,
    /// How many tenants send at once: so many batches come of each request.
    pub tenants: u16,
    /// The bytes of a batch as it travels, from and to. At most [`BATCH_BYTES_MAX`](crate::disk::BATCH_BYTES_MAX).
    pub batch_bytes: (u32, u32),
    /// How many of a thousand requests carry records of earlier hours, and how many hours at most.
    pub late: (u16, u16),
    /// How many of a thousand requests carry records of the hour to come.
    pub future_per_mille: u16,
    /// How many copies a client waits for.
    pub copies: u8,
    /// A client that was refused or not answered asks the next node so many times again.
    pub retries: u8,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            from: Duration::ZERO,
            until: None,
            per_node_per_1000_s: 1_000,
            shape: Shape::Steady,
            tenants: 1,
            batch_bytes: (100, 400),
            late: (0, 0),
            future_per_mille: 0,
            copies: 2,
            retries: 0,
        }
    }
}

/// How a rate changes with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Not at all.
    Steady,
    /// It swings between a fifth of the rate and nine fifths, once in this time.
    Diurnal(Duration),
    /// So many times the rate, from a time on for so long.
    Burst {
        /// How many times.
        times: u32,
        /// From when on, after the beginning of the world.
        at: Duration,
        /// For how long.
        lasts: Duration,
    },
}

/// Something that comes upon the world. Nodes are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets from some nodes to others any more.
    Cut {
        /// From these.
        from: Vec<u16>,
        /// To these.
        to: Vec<u16>,
        /// Nor back.
        both_ways: bool,
    },
    /// The links between some nodes and others are as they were at the beginning, both ways.
    Heal {
        /// Between these.
        from: Vec<u16>,
        /// And these.
        to: Vec<u16>,
    },
    /// All links are as they were at the beginning.
    HealAll,
    /// The links between some nodes and others are cut and mended in turn.
    Flap {
        /// Between these.
        from: Vec<u16>,
        /// And these.
        to: Vec<u16>,
        /// How long it takes until they are cut again.
        period: Duration,
        /// For how long they are cut each time.
        down: Duration,
    },
    /// The links between some nodes and others are like this now, both ways.
    SlowLink {
        /// Between these.
        from: Vec<u16>,
        /// And these.
        to: Vec<u16>,
        /// What they are like.
        quality: LinkQuality,
    },
    /// All links lose and double parcels now.
    Loss {
        /// How many of a thousand are lost.
        lost_per_mille: u16,
        /// How many of a thousand come twice.
        doubled_per_mille: u16,
    },
    /// A node takes so much longer over all it receives. Zero ends it.
    SlowNode {
        /// The node.
        node: u16,
        /// How much longer.
        by: Duration,
    },
    /// A node stands still for a while; what comes for it waits.
    Pause {
        /// The node.
        node: u16,
        /// For how long.
        time: Duration,
    },
    /// A node's disk is like this now.
    SlowDisk {
        /// The node.
        node: u16,
        /// What it is like.
        quality: DiskQuality,
    },
    /// No fsync of a node ends before this time has passed.
    StallDisk {
        /// The node.
        node: u16,
        /// For how long.
        time: Duration,
    },
    /// A node's disk takes no more, or again.
    FullDisk {
        /// The node.
        node: u16,
        /// Whether it is full.
        is_full: bool,
    },
    /// A node crashes, if it is up, and its disk is lost. It stays down.
    WipeDisk {
        /// The node.
        node: u16,
    },
    /// Bits flip on a node's disk, in so many batches of which another disk has a whole copy.
    FlipBits {
        /// The node.
        node: u16,
        /// In how many batches.
        batches: u16,
    },
    /// The power is taken from a node.
    Crash {
        /// The node.
        node: u16,
    },
    /// A node crashes as soon as the worst moment comes.
    CrashAt {
        /// The node.
        node: u16,
        /// Which moment.
        moment: crate::host::Trap,
    },
    /// A node that is down starts.
    Start {
        /// The node.
        node: u16,
    },
    /// A node that was not there from the beginning joins.
    Join {
        /// The node.
        node: u16,
    },
    /// An operator takes a node out of the mesh. It stays up as a source until all it holds is at full copies elsewhere.
    Leave {
        /// The node.
        node: u16,
    },
    /// An operator gives a node up, at whichever other one is up.
    Forget {
        /// The node.
        node: u16,
    },
    /// A node is stopped in order.
    Stop {
        /// The node.
        node: u16,
    },
    /// A node's wall clock is off by so much from now on.
    Skew {
        /// The node.
        node: u16,
        /// In nanoseconds.
        nanos: i64,
    },
    /// A node's clocks go faster or slower from now on.
    Drift {
        /// The node.
        node: u16,
        /// By how many millionths.
        per_million: i32,
    },
    /// An operator deletes something, at a node that is up.
    Delete {
        /// The node.
        node: u16,
    },
    /// An operator takes one of all deletions back, at a node that knows it.
    TakeBack {
        /// The node.
        node: u16,
        /// Which deletion, counted round and round.
        number: u16,
    },
    /// A node speaks another version of the messages from its next start on, as before or after an upgrade.
    Speak {
        /// The node.
        node: u16,
        /// The version; zero is the one that all speak.
        version: u8,
    },
}

impl Spec {
    /// Returns a world of so many nodes in one zone, without work and without faults.
    pub fn new(seed: u64, count: u16, config: &Config) -> Self {
        Self {
            seed,
            begins: Duration::ZERO,
            config: config.clone(),
            nodes: vec![NodeSpec::default(); usize::from(count)],
            links: Links::default(),
            loads: Vec::new(),
            query_every: None,
            timeline: Vec::new(),
            sample_every: None,
        }
    }
}

impl Links {
    /// Returns what the links from one zone to another are like.
    pub fn quality(&self, from: u16, to: u16) -> LinkQuality {
        let named = self.between.iter().find(|(zones, _)| *zones == (from, to));
        named.map_or(self.usual, |(_, quality)| *quality)
    }

    /// Returns the name of a zone; none is the empty one.
    pub fn zone(&self, zone: u16) -> String {
        self.zones.get(usize::from(zone)).cloned().unwrap_or_default()
    }
}
