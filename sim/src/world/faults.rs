//! What comes upon the world.

use std::time::Duration;

use logmesh_protocol::replica::Input;

use super::{World, node};
use crate::network::nanos;
use crate::spec::Fault;

impl World {
    /// Lets something come upon the world, now.
    pub fn afflict(&mut self, fault: &Fault) {
        self.note(|| format!("{fault:?}"));
        match fault {
            Fault::Cut { from, to, both_ways } => {
                self.pairs(from, to, |world, from, to| {
                    world.network.cut(from, to);
                    if *both_ways {
                        world.network.cut(to, from);
                    }
                });
            }
            Fault::Heal { from, to } => self.pairs(from, to, |world, from, to| {
                world.network.mend(from, to);
                world.network.mend(to, from);
            }),
            Fault::HealAll => self.network.heal(),
            Fault::Flap { from, to, period, down } => {
                let now = self.nanos;
                self.pairs(from, to, |world, from, to| {
                    world.network.flap((from, to), now, *period, *down);
                    world.network.flap((to, from), now, *period, *down);
                });
            }
            Fault::SlowLink { from, to, quality } => self.pairs(from, to, |world, from, to| {
                world.network.change(from, to, *quality);
                world.network.change(to, from, *quality);
            }),
            Fault::Loss { lost_per_mille, doubled_per_mille } => {
                self.network.loss_per_mille = u32::from(*lost_per_mille);
                self.network.doubled_per_mille = u32::from(*doubled_per_mille);
            }
            other => self.afflict_node(other),
        }
    }

    fn pairs(
        &mut self,
        from: &[u16],
        to: &[u16],
        mut change: impl FnMut(&mut Self, logmesh_protocol::id::NodeId, logmesh_protocol::id::NodeId),
    ) {
        for (one, other) in from.iter().flat_map(|one| to.iter().map(move |other| (*one, *other))) {
            if one != other {
                change(self, node(one), node(other));
            }
        }
    }

    fn afflict_node(&mut self, fault: &Fault) {
        match *fault {
            Fault::Crash { node } if self.is_up(node) => self.crash(node),
            Fault::CrashAt { node, moment } => self.set_trap(node, moment),
            Fault::Start { node } | Fault::Join { node } if !self.is_up(node) => self.start(node),
            Fault::WipeDisk { node } => {
                if self.is_up(node) {
                    self.crash(node);
                }
                self.wipe(node);
            }
            Fault::FlipBits { node, batches } => (0..batches).for_each(|_| _ = self.rot(node)),
            Fault::Leave { node: index } => {
                self.may_be_gone.insert(node(index));
                self.tell(index, Input::Leave);
            }
            Fault::Stop { node } => self.tell(node, Input::Stop),
            Fault::Forget { node } => self.forget_at_any(node),
            Fault::Delete { node } => self.delete(node),
            Fault::TakeBack { node, number } => self.take_back(node, number),
            Fault::Crash { .. } | Fault::Start { .. } | Fault::Join { .. } => {}
            ref other => self.afflict_parts(other),
        }
    }

    /// What comes upon a node's clocks, disk and pace.
    fn afflict_parts(&mut self, fault: &Fault) {
        let now = self.nanos;
        match *fault {
            Fault::SlowNode { node, by } => {
                self.host(node).slowness = nanos(by);
                self.trouble(node, by * 8);
            }
            Fault::Pause { node, time } => {
                self.hosts.pause(node, now + nanos(time));
                self.trouble(node, time);
            }
            Fault::SlowDisk { node, quality } => {
                let before = self.host(node).quality;
                self.host(node).quality = quality;
                self.trouble(node, 10 * before.fsync.slow.max(quality.fsync.slow));
            }
            Fault::StallDisk { node, time } => {
                self.host(node).stalled_until = now + nanos(time);
                self.trouble(node, time);
            }
            Fault::FullDisk { node, is_full } => {
                self.host(node).disk.is_full = is_full;
                self.trouble(node, Duration::ZERO);
            }
            Fault::Skew { node, nanos } => self.host(node).clock.set_skew(now, nanos),
            Fault::Drift { node, per_million } => self.host(node).clock.set_drift(now, per_million),
            Fault::Speak { node, version } => self.host(node).next_version = version,
            ref other => unreachable!("{other:?} was dealt with before"),
        }
    }

    /// A node may be slow to answer for a while: nobody can hold it to its promises meanwhile.
    fn trouble(&mut self, index: u16, time: Duration) {
        let until = self.nanos + nanos(time);
        let host = self.host(index);
        host.troubled_until = host.troubled_until.max(until);
    }

    fn forget_at_any(&mut self, index: u16) {
        let up = self.indices().find(|other| *other != index && self.is_up(*other));
        // Who is given up is down: that is the operator's part.
        if let Some(other) = up.filter(|_| !self.is_up(index)) {
            self.may_be_gone.insert(node(index));
            self.tell(other, Input::Forget(node(index)));
        }
    }
}
