//! From a scenario to the world it takes place in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sentence::Act;
use super::{DiskPlan, Quality, Scenario, Step};
use crate::spec::{DiskQuality, Fault, Latency, LinkQuality, Links, Load, NodeSpec, Shape, Spec};

impl Scenario {
    /// Returns the world of this scenario, looked at every `step`.
    pub fn spec(&self, step: Duration) -> Spec {
        let zones = self.zones();
        let zone_of = |name: &str| number(zones.iter().position(|zone| zone == name).unwrap_or(0));
        let disk = disk_of(&self.disk, 1.0);
        let node = |node: &super::PlannedNode| NodeSpec {
            zone: zone_of(&node.zone),
            weight: node.weight,
            disk,
            is_founder: node.is_founder,
            ..NodeSpec::default()
        };
        let both = |link: &super::Link| {
            let [one, other] = [zone_of(&link.between[0]), zone_of(&link.between[1])];
            [((one, other), link_of(&link.quality)), ((other, one), link_of(&link.quality))]
        };
        let nodes: Vec<NodeSpec> = self.nodes.iter().map(node).collect();
        let links = Links { usual: link_of(&self.network), between: self.links.iter().flat_map(both).collect(), zones };
        let mut timeline: Vec<(Duration, Fault)> = Vec::new();
        for step in &self.timeline {
            timeline.extend(self.faults(step, &nodes, &links));
        }
        Spec {
            begins: Duration::ZERO,
            seed: self.seed,
            config: self.config.clone(),
            loads: self.loads(),
            query_every: (self.work.queries > 0.0).then(|| Duration::from_secs_f64(1.0 / self.work.queries)),
            timeline,
            sample_every: Some(step),
            nodes,
            links,
        }
    }

    /// Returns what makes everything well again that has not ended: links, disks, pace. Nodes are started elsewhere.
    pub(crate) fn mending(&self) -> Vec<Fault> {
        let mut faults = vec![Fault::HealAll];
        for node in 0..number(self.nodes.len()) {
            faults.push(Fault::FullDisk { node, is_full: false });
            faults.push(Fault::SlowNode { node, by: Duration::ZERO });
            faults.push(Fault::SlowDisk { node, quality: disk_of(&self.disk, 1.0) });
        }
        faults
    }

    /// Returns the names of the zones in the order of the plan, each once.
    fn zones(&self) -> Vec<String> {
        let mut zones: Vec<String> = Vec::new();
        for node in &self.nodes {
            if !zones.contains(&node.zone) {
                zones.push(node.zone.clone());
            }
        }
        zones
    }

    /// Returns the steady work, and what comes on top of it in each burst.
    fn loads(&self) -> Vec<Load> {
        let bytes = u32::try_from(self.work.batch_bytes).unwrap_or(u32::MAX);
        let usual = Load {
            nodes: self.work.to.iter().map(|node| number(*node)).collect(),
            until: Some(self.lasts),
            per_node_per_1000_s: (self.work.rate * 1_000.0).round() as u64,
            shape: self.work.swings.map_or(Shape::Steady, Shape::Diurnal),
            tenants: self.work.tenants,
            batch_bytes: (bytes, bytes),
            // As in production: nobody waits for more copies than there are to be.
            copies: self.work.copies.min(self.config.copies),
            retries: self.work.retries,
            ..Load::default()
        };
        let burst = |step: &Step| {
            let Act::Load(who, times) = &step.act else { return None };
            let nodes: Vec<u16> =
                who.iter().filter(|node| self.work.to.contains(node)).map(|node| number(*node)).collect();
            let rate = (self.work.rate * (times - 1.0) * 1_000.0).round() as u64;
            let more = Load { from: step.at, until: step.until, per_node_per_1000_s: rate, nodes, ..usual.clone() };
            // No nodes would mean all nodes.
            (rate > 0 && !more.nodes.is_empty()).then_some(more)
        };
        let bursts: Vec<Load> = self.timeline.iter().filter_map(burst).collect();
        let is_idle = usual.per_node_per_1000_s == 0 || usual.nodes.is_empty();
        Some(usual.clone()).filter(|_| !is_idle).into_iter().chain(bursts).collect()
    }

    /// Returns what a step does to the world when it begins, and when it ends.
    fn faults(&self, step: &Step, nodes: &[NodeSpec], links: &Links) -> Vec<(Duration, Fault)> {
        let begins = |fault: Fault| (step.at, fault);
        let ends = |fault: Fault| step.until.map(|until| (until, fault));
        let Some((one, other)) = step.act.ends() else { return self.node_faults(step) };
        let (from, to) = (numbers(one), numbers(other));
        let mut faults = match &step.act {
            Act::Cut(..) => vec![Fault::Cut { from: from.clone(), to: to.clone(), both_ways: true }],
            Act::Block(..) => vec![Fault::Cut { from: from.clone(), to: to.clone(), both_ways: false }],
            Act::Flap(_, _, every) => {
                vec![Fault::Flap { from: from.clone(), to: to.clone(), period: *every, down: *every / 2 }]
            }
            Act::Lose(_, _, share) => worsened(nodes, links, (&from, &to), |quality| LinkQuality {
                lost_per_mille: u16::try_from(*share).unwrap_or(1_000),
                ..quality
            }),
            Act::Delay(_, _, more) => worsened(nodes, links, (&from, &to), |quality| LinkQuality {
                latency: Latency {
                    least: quality.latency.least + more.0,
                    usual: quality.latency.usual + (more.0 + more.1) / 2,
                    slow: quality.latency.slow + more.1,
                },
                ..quality
            }),
            Act::Throttle(_, _, bytes) => worsened(nodes, links, (&from, &to), |quality| LinkQuality {
                bytes_per_second: Some(*bytes),
                ..quality
            }),
            _ => Vec::new(),
        };
        let mut all: Vec<_> = faults.drain(..).map(begins).collect();
        all.extend(ends(Fault::Heal { from, to }));
        all
    }

    fn node_faults(&self, step: &Step) -> Vec<(Duration, Fault)> {
        if step.act == Act::Heal {
            return vec![(step.at, Fault::HealAll)];
        }
        let lasts = step.until.map_or(Duration::ZERO, |until| until - step.at);
        let each = step.act.nodes().into_iter().flat_map(|node| {
            let (begin, end) = self.node_fault(&step.act, number(node), lasts);
            let ends = step
                .until
                .into_iter()
                .flat_map(move |until| end.clone().into_iter().map(move |(wait, fault)| (until + wait, fault)));
            begin.into_iter().map(|fault| (step.at, fault)).chain(ends)
        });
        each.collect()
    }

    /// Returns what befalls one node, and what ends it, each how long after the end.
    fn node_fault(&self, act: &Act, node: u16, lasts: Duration) -> (Option<Fault>, Vec<(Duration, Fault)>) {
        let start = (Duration::ZERO, Fault::Start { node });
        let ends = |fault| vec![(Duration::ZERO, fault)];
        match act {
            Act::Crash(_) => (Some(Fault::Crash { node }), vec![start]),
            // Who still hands over when it is to be back starts as soon as it must be done with that.
            Act::Stop(_) => {
                let late = (self.config.stop_timeout + Duration::from_secs(1), Fault::Start { node });
                (Some(Fault::Stop { node }), vec![start, late])
            }
            Act::Wipe(_) => (Some(Fault::WipeDisk { node }), vec![start]),
            Act::Start(_) => (Some(Fault::Start { node }), Vec::new()),
            Act::Join(_) => (Some(Fault::Join { node }), Vec::new()),
            Act::Leave(_) => (Some(Fault::Leave { node }), Vec::new()),
            Act::Forget(_) => (Some(Fault::Forget { node }), Vec::new()),
            Act::Rot(_, batches) => {
                (Some(Fault::FlipBits { node, batches: u16::try_from(*batches).unwrap_or(u16::MAX) }), Vec::new())
            }
            Act::Fill(_) => {
                (Some(Fault::FullDisk { node, is_full: true }), ends(Fault::FullDisk { node, is_full: false }))
            }
            Act::Slow(_, times) => {
                let slow = Fault::SlowDisk { node, quality: disk_of(&self.disk, *times) };
                (Some(slow), ends(Fault::SlowDisk { node, quality: disk_of(&self.disk, 1.0) }))
            }
            Act::Lag(_, by) => {
                (Some(Fault::SlowNode { node, by: *by }), ends(Fault::SlowNode { node, by: Duration::ZERO }))
            }
            Act::Freeze(_) => (Some(Fault::Pause { node, time: lasts }), Vec::new()),
            Act::Skew(_, by) => {
                let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX / 4);
                (Some(Fault::Skew { node, nanos }), ends(Fault::Skew { node, nanos: 0 }))
            }
            // Work is given as loads; what befalls links is no node's.
            Act::Load(..)
            | Act::Heal
            | Act::Cut(..)
            | Act::Block(..)
            | Act::Flap(..)
            | Act::Lose(..)
            | Act::Delay(..)
            | Act::Throttle(..) => (None, Vec::new()),
        }
    }
}

/// Returns the links between some nodes and others, each made worse than it was at the beginning.
fn worsened(
    nodes: &[NodeSpec],
    links: &Links,
    (one, other): (&[u16], &[u16]),
    change: impl Fn(LinkQuality) -> LinkQuality,
) -> Vec<Fault> {
    let by_zone = |who: &[u16]| {
        let mut zones: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
        who.iter().for_each(|node| zones.entry(nodes[usize::from(*node)].zone).or_default().push(*node));
        zones
    };
    let (one, other) = (by_zone(one), by_zone(other));
    let mut faults = Vec::new();
    for (zone, from) in &one {
        for (far, to) in &other {
            let quality = change(links.quality(*zone, *far));
            faults.push(Fault::SlowLink { from: from.clone(), to: to.clone(), quality });
        }
    }
    faults
}

fn link_of(quality: &Quality) -> LinkQuality {
    LinkQuality {
        latency: Latency::between(quality.latency.0, quality.latency.1),
        lost_per_mille: u16::try_from(quality.loss_per_mille).unwrap_or(1_000),
        doubled_per_mille: u16::try_from(quality.doubled_per_mille).unwrap_or(1_000),
        // Nodes speak over TCP.
        unordered_per_mille: 0,
        bytes_per_second: quality.bytes_per_second,
    }
}

/// Returns a disk that takes so many times as long over everything.
fn disk_of(plan: &DiskPlan, times: f64) -> DiskQuality {
    let slower = |time: Duration| Duration::from_nanos((time.as_nanos() as f64 * times) as u64);
    let latency = |[least, usual, slow]: [Duration; 3]| Latency {
        least: slower(least),
        usual: slower(usual),
        slow: slower(slow),
    };
    let usual = DiskQuality::default();
    DiskQuality {
        read: latency([usual.read.least, usual.read.usual, usual.read.slow]),
        fsync: latency(plan.fsync),
        bytes_per_second: ((plan.bytes_per_second as f64 / times.max(1e-9)) as u64).max(1),
    }
}

fn number(node: usize) -> u16 {
    u16::try_from(node).expect("a scenario has at most NODES_MAX nodes")
}

fn numbers(nodes: &[usize]) -> Vec<u16> {
    nodes.iter().map(|node| number(*node)).collect()
}
