//! Random worlds: nodes, settings, work and faults drawn from one seed, each for itself, as data; then everything is mended and must
//! come right. What is drawn is a [`Fate`], from which parts can be left out and which can be run again.

use std::time::Duration;

use logmesh_protocol::config::Config;
use logmesh_protocol::segment::Window;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::host::Trap;
use crate::spec::{DiskQuality, Fault, Latency, LinkQuality, Links, Load, NodeSpec, Shape, Spec};
use crate::world::World;

/// What is to happen in one random world.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Nodes, links, work and faults.
    pub spec: Spec,
    /// When everything is mended.
    pub mended_at: Duration,
    /// What works only from the mending on; all of it must come right without, if `None`.
    pub lacks_to_the_end: bool,
    /// Whether a disk was harmed, or a node given up, so that answers may rightly stay incomplete.
    pub harms_disks: bool,
}

/// Which kinds of faults a world knows: with all at once they hide each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feature {
    Crash,
    CrashAtWorst,
    Partition,
    OneWay,
    Flap,
    Loss,
    SlowLink,
    SlowNode,
    Pause,
    SlowDisk,
    StallDisk,
    FullDisk,
    Wipe,
    Rot,
    Stop,
    Leave,
    Forget,
    Join,
    Skew,
    Drift,
    Versions,
}

/// Draws what is to happen in the world of `seed`.
pub fn draw(seed: u64) -> Fate {
    let mut draw = Draw::new(seed);
    let lacking = draw.lacking();
    let nodes = draw.nodes();
    let count = nodes.len() as u16;
    let links = draw.links();
    let config = draw.config(lacking);
    let mended_at = Duration::from_secs(draw.shape.random_range(10..90));
    let hours_kept = u16::try_from(config.retention.as_secs() / 3_600).unwrap_or(u16::MAX);
    let loads = draw.loads(count, mended_at, hours_kept);
    let lacks_to_the_end = lacking == Lacking::Repair;
    let features = draw.features(lacks_to_the_end, usize::from(count) <= FEW);
    let mut fate = Fate {
        spec: Spec {
            seed,
            begins: Duration::ZERO,
            config,
            nodes,
            links,
            loads,
            query_every: Some(Duration::from_millis(draw.shape.random_range(400..6_000))),
            timeline: Vec::new(),
            sample_every: None,
        },
        mended_at,
        lacks_to_the_end,
        harms_disks: false,
    };
    draw.timeline(&mut fate, &features);
    draw.deletions(&mut fate);
    draw.turn_of_hour(&mut fate);
    fate
}

/// What a world does without until it is mended, or to the end: the mechanisms hide each other's bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacking {
    Nothing,
    /// To the end. Then only such faults come as the push alone can deal with.
    Repair,
    Push,
    StandIns,
    Handover,
}

/// One source of randomness for each purpose.
struct Draw {
    shape: ChaCha8Rng,
    work: ChaCha8Rng,
    faults: ChaCha8Rng,
    deletions: ChaCha8Rng,
    hours: ChaCha8Rng,
    wiped_at: Duration,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
            rng.set_stream(number);
            rng
        };
        let [shape, work, faults, deletions, hours] = [0, 1, 2, 3, 4].map(stream);
        Self { shape, work, faults, deletions, hours, wiped_at: Duration::ZERO }
    }

    fn lacking(&mut self) -> Lacking {
        match self.shape.random_range(0..10) {
            0 => Lacking::Push,
            1 => Lacking::Repair,
            2 => Lacking::StandIns,
            3 => Lacking::Handover,
            _ => Lacking::Nothing,
        }
    }

    fn nodes(&mut self) -> Vec<NodeSpec> {
        // Mostly small: more happens to each node, and most bugs need but three.
        let count = match self.shape.random_range(0..100) {
            0..70 => self.shape.random_range(3..=6),
            70..95 => self.shape.random_range(7..=12),
            _ => self.shape.random_range(13..=50),
        };
        let zones = self.shape.random_range(1..=3u16);
        let late = if self.shape.random_bool(0.3) { self.shape.random_range(0..=2) } else { 0 };
        let mut nodes: Vec<NodeSpec> = (0..count + late)
            .map(|index| NodeSpec { zone: index % zones, is_founder: index < count, ..NodeSpec::default() })
            .collect();
        if self.shape.random_bool(0.2) {
            nodes.iter_mut().for_each(|node| node.weight = self.shape.random_range(1..=4));
        }
        nodes
    }

    fn links(&mut self) -> Links {
        let mut links = Links { zones: ["a", "b", "c"].map(str::to_owned).into(), ..Links::default() };
        if self.shape.random_bool(0.3) {
            // As TCP has it.
            links.usual.unordered_per_mille = 0;
        }
        if self.shape.random_bool(0.2) {
            let milliseconds = self.shape.random_range(5..120);
            let latency =
                Latency::between(Duration::from_millis(milliseconds), Duration::from_millis(milliseconds * 2));
            let far = LinkQuality { latency, ..links.usual };
            links.between = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)].map(|zones| (zones, far)).into();
        }
        links
    }

    fn config(&mut self, lacking: Lacking) -> Config {
        let mut config = Config { copies: self.shape.random_range(1..=4).max(2), ..World::quick() };
        if self.shape.random_bool(0.1) {
            config.segment_batches_max = self.shape.random_range(2..20);
        }
        if self.shape.random_bool(0.1) {
            config.push_window_bytes = self.shape.random_range(200..2_000);
        }
        if self.shape.random_bool(0.1) {
            config.repair_bytes_per_second = self.shape.random_range(20_000..200_000);
        }
        if self.shape.random_bool(0.2) {
            config.retention = Duration::from_secs(3_600 * self.shape.random_range(4..9));
            config.clock_skew_max = Duration::from_secs(60);
        }
        match lacking {
            Lacking::Nothing => {}
            Lacking::Repair => config.mechanisms.repair = false,
            Lacking::Push => config.mechanisms.push = false,
            Lacking::StandIns => config.mechanisms.standins = false,
            Lacking::Handover => config.mechanisms.handover = false,
        }
        config
    }

    fn loads(&mut self, count: u16, until: Duration, hours_kept: u16) -> Vec<Load> {
        let rng = &mut self.work;
        let mut loads = Vec::new();
        for _ in 0..rng.random_range(1..=3) {
            let nodes = match rng.random_range(0..3) {
                0 => Vec::new(),
                1 => vec![rng.random_range(0..count)],
                _ => (0..rng.random_range(1..=3)).map(|_| rng.random_range(0..count)).collect(),
            };
            // About as much in a large mesh as in a small one.
            let per_node = 8_000 / if nodes.is_empty() { u64::from(count) } else { nodes.len() as u64 };
            let shape = match rng.random_range(0..6) {
                0 => Shape::Diurnal(Duration::from_secs(rng.random_range(5..60))),
                1 => Shape::Burst {
                    times: 10,
                    at: Duration::from_secs(rng.random_range(2..40)),
                    lasts: Duration::from_secs(rng.random_range(1..6)),
                },
                _ => Shape::Steady,
            };
            let mut load = Load {
                nodes,
                from: Duration::from_millis(rng.random_range(1_500..4_000)),
                until: Some(until + Duration::from_secs(rng.random_range(0..10))),
                per_node_per_1000_s: rng.random_range(per_node / 10..=per_node).max(20),
                shape,
                tenants: if rng.random_bool(0.2) { rng.random_range(2..12) } else { 1 },
                batch_bytes: (100, rng.random_range(200..2_000)),
                late: if rng.random_bool(0.3) { (100, rng.random_range(1..12).min(hours_kept)) } else { (0, 0) },
                future_per_mille: if rng.random_bool(0.2) { 50 } else { 0 },
                copies: rng.random_range(1..=3),
                retries: rng.random_range(0..3),
            };
            // And with many tenants as with one.
            load.per_node_per_1000_s = (load.per_node_per_1000_s / u64::from(load.tenants)).max(20);
            loads.push(load);
        }
        loads
    }

    fn features(&mut self, push_alone: bool, few: bool) -> Vec<Feature> {
        let all = [
            Feature::Partition,
            Feature::OneWay,
            Feature::Flap,
            Feature::Loss,
            Feature::SlowLink,
            Feature::SlowNode,
            Feature::Pause,
            Feature::SlowDisk,
            Feature::StallDisk,
            Feature::FullDisk,
            Feature::Drift,
            Feature::Crash,
            Feature::CrashAtWorst,
            Feature::Wipe,
            Feature::Rot,
            Feature::Stop,
            Feature::Leave,
            Feature::Forget,
            Feature::Join,
            Feature::Skew,
            Feature::Versions,
        ];
        let most = if push_alone { DEALT_WITH_BY_PUSH } else { all.len() };
        let likely = [0.15, 0.3, 0.5][self.faults.random_range(0..3)];
        let mut chosen: Vec<_> = all[..most].iter().filter(|_| self.faults.random_bool(likely)).copied().collect();
        // A leaver goes by what the others' ledgers say. Where the last of them has a copy that rots unseen, the leaver's was the last whole
        // one (seed 424450 once): that no promise covers, so members stay where disks rot and few have each batch.
        if few && chosen.contains(&Feature::Rot) {
            chosen.retain(|feature| *feature != Feature::Leave);
        }
        chosen
    }

    fn timeline(&mut self, fate: &mut Fate, features: &[Feature]) {
        let count = fate.spec.nodes.len() as u16;
        let pause = self.faults.random_range(500..6_000);
        let mut at = Duration::from_millis(2_000);
        for index in 0..count {
            if !fate.spec.nodes[usize::from(index)].is_founder {
                let joins = Duration::from_millis(self.faults.random_range(2_000..20_000));
                fate.spec.timeline.push((joins, Fault::Join { node: index }));
            }
        }
        while at < fate.mended_at {
            // Up again what is down, and mended what is cut, about as often as the other way round.
            let node = self.faults.random_range(0..count);
            match self.faults.random_range(0..4) {
                0 => fate.spec.timeline.push((at, Fault::Start { node })),
                1 => fate.spec.timeline.push((at, Fault::HealAll)),
                _ => {
                    if let Some(feature) = features.choose(&mut self.faults) {
                        let drawn = self.fault(*feature, at, count);
                        fate.harms_disks |= matches!(feature, Feature::Wipe | Feature::Rot | Feature::Forget);
                        fate.spec.timeline.extend(drawn);
                    }
                }
            }
            at += Duration::from_millis(self.faults.random_range(1..=2 * pause));
        }
    }

    /// In some worlds an operator deletes something now and then, and takes some of it back.
    fn deletions(&mut self, fate: &mut Fate) {
        let rng = &mut self.deletions;
        if !rng.random_bool(0.25) {
            return;
        }
        let (count, until) = (fate.spec.nodes.len() as u16, fate.mended_at.as_millis() as u64);
        for _ in 0..rng.random_range(1..=6) {
            let at = Duration::from_millis(rng.random_range(1_500..until));
            fate.spec.timeline.push((at, Fault::Delete { node: rng.random_range(0..count) }));
            if rng.random_bool(0.5) {
                let later = at + Duration::from_millis(rng.random_range(1..10_000));
                let (node, number) = (rng.random_range(0..count), rng.random_range(0..6));
                fate.spec.timeline.push((later.min(fate.mended_at), Fault::TakeBack { node, number }));
            }
        }
    }

    /// In some worlds an hour of record time ends, and in most of these some of what was written expires.
    fn turn_of_hour(&mut self, fate: &mut Fate) {
        let rng = &mut self.hours;
        if !rng.random_bool(0.25) {
            return;
        }
        let (latest, config) = (fate.mended_at.as_millis() as u64, &mut fate.spec.config);
        fate.spec.begins = FIRST_TURN - Duration::from_millis(rng.random_range(3_000..latest));
        config.clock_skew_max = Duration::from_secs(rng.random_range(3..12));
        let hours = match rng.random_range(0..4) {
            // The hour that has just ended expires.
            0 | 1 => {
                config.retention = 2 * config.clock_skew_max + Duration::from_secs(rng.random_range(0..20));
                0
            }
            // What came so late that its hour was about to expire.
            2 => {
                let hours = rng.random_range(1..4);
                config.retention = Window::LENGTH * u32::from(hours);
                fate.spec.loads.iter_mut().for_each(|load| load.late = (load.late.0.max(100), hours));
                hours
            }
            _ => u16::MAX,
        };
        fate.spec.loads.iter_mut().for_each(|load| load.late.1 = load.late.1.min(hours));
        // No clocks lie further apart than the settings say.
        fate.spec.timeline.retain(|(_, fault)| !matches!(fault, Fault::Skew { .. }));
    }

    fn fault(&mut self, feature: Feature, at: Duration, count: u16) -> Vec<(Duration, Fault)> {
        let node = self.faults.random_range(0..count);
        let fault = match feature {
            Feature::Crash => Fault::Crash { node },
            Feature::CrashAtWorst => self.worst(node),
            Feature::Wipe if at < self.wiped_at + WIPE_PAUSE => return Vec::new(),
            Feature::Wipe => {
                self.wiped_at = at;
                Fault::WipeDisk { node }
            }
            Feature::Rot => Fault::FlipBits { node, batches: self.faults.random_range(1..4) },
            Feature::Stop => return self.stops(at, count),
            Feature::Leave => Fault::Leave { node },
            Feature::Forget => return vec![(at, Fault::Crash { node }), (at + FORGET_AFTER, Fault::Forget { node })],
            Feature::Join => Fault::Start { node },
            Feature::Skew => Fault::Skew { node, nanos: self.faults.random_range(-20..20) * 1_000_000_000 },
            Feature::Drift => Fault::Drift { node, per_million: self.faults.random_range(-500..500) },
            Feature::Versions => return self.versions(at, count),
            Feature::Partition | Feature::OneWay | Feature::Flap | Feature::Loss | Feature::SlowLink => {
                self.link_fault(feature, count)
            }
            Feature::SlowNode | Feature::Pause | Feature::SlowDisk | Feature::StallDisk | Feature::FullDisk => {
                self.pace_fault(feature, node)
            }
        };
        vec![(at, fault)]
    }

    fn worst(&mut self, node: u16) -> Fault {
        let moment = [Trap::Stored, Trap::Acknowledged, Trap::Writing][self.faults.random_range(0..3)];
        Fault::CrashAt { node, moment }
    }

    /// Stops a node in order, and now and then a second one at the same time.
    fn stops(&mut self, at: Duration, count: u16) -> Vec<(Duration, Fault)> {
        let nodes = self.faults.random_range(1..=2);
        (0..nodes).map(|_| (at, Fault::Stop { node: self.faults.random_range(0..count) })).collect()
    }

    /// Some nodes start again as another version, and later as the usual one.
    fn versions(&mut self, at: Duration, count: u16) -> Vec<(Duration, Fault)> {
        let node = self.faults.random_range(0..count);
        let version = self.faults.random_range(0..=2);
        let again = at + Duration::from_millis(self.faults.random_range(500..5_000));
        vec![(at, Fault::Speak { node, version }), (at, Fault::Stop { node }), (again, Fault::Start { node })]
    }

    fn halves(&mut self, count: u16) -> (Vec<u16>, Vec<u16>) {
        let likely = [0.5, 1.0 / f64::from(count)][self.faults.random_range(0..2)];
        (0..count).partition(|_| self.faults.random_bool(likely))
    }

    fn link_fault(&mut self, feature: Feature, count: u16) -> Fault {
        let (from, to) = self.halves(count);
        match feature {
            Feature::Partition => Fault::Cut { from, to, both_ways: true },
            Feature::OneWay => Fault::Cut { from, to, both_ways: false },
            Feature::Flap => {
                let period = Duration::from_millis(self.faults.random_range(300..8_000));
                Fault::Flap { from, to, period, down: period.mul_f64(0.5) }
            }
            Feature::Loss => Fault::Loss {
                lost_per_mille: self.faults.random_range(0..200),
                doubled_per_mille: self.faults.random_range(0..100),
            },
            _ => {
                let slow = Duration::from_millis(self.faults.random_range(5..1_500));
                let latency = Latency::between(slow / 4, slow);
                Fault::SlowLink { from, to, quality: LinkQuality { latency, ..LinkQuality::default() } }
            }
        }
    }

    fn pace_fault(&mut self, feature: Feature, node: u16) -> Fault {
        let time = Duration::from_millis(self.faults.random_range(10..6_000));
        match feature {
            Feature::SlowNode => Fault::SlowNode { node, by: time / 20 },
            Feature::Pause => Fault::Pause { node, time },
            Feature::StallDisk => Fault::StallDisk { node, time },
            Feature::FullDisk => Fault::FullDisk { node, is_full: self.faults.random_bool(0.6) },
            _ => {
                let fsync = Latency::between(time / 40, time / 4);
                Fault::SlowDisk { node, quality: DiskQuality { fsync, ..DiskQuality::default() } }
            }
        }
    }
}

/// After so long the usual world's first hour ends.
const FIRST_TURN: Duration = Duration::from_secs(50 * 60);
/// With so few nodes all that hold a batch may leave one after the other.
const FEW: usize = 6;
/// Of all features the first so many need no repair.
const DEALT_WITH_BY_PUSH: usize = 11;
/// Disks are lost one at a time: between two of them the others may notice.
const WIPE_PAUSE: Duration = Duration::from_secs(10);
/// Who is given up is down, and the others know.
const FORGET_AFTER: Duration = Duration::from_secs(4);
