//! Looking at the world from outside, once in a while; and what must hold at every such moment.

use std::collections::BTreeSet;
use std::time::Duration;

use logmesh_protocol::id::NodeId;
use logmesh_protocol::member::MemberState;
use logmesh_protocol::segment::SegmentId;

use super::{Happening, World, small};
use crate::network::nanos;
use crate::sample::{NodeSample, Sample};

impl World {
    pub(super) fn on_look(&mut self) {
        let Some(every) = self.spec.sample_every else { return };
        self.later(every, Happening::Look);
        self.look();
    }

    /// Takes a sample of what happened since the last one.
    pub fn look(&mut self) {
        self.check_waiting();
        let mut nodes = Vec::with_capacity(self.hosts.len());
        for host in self.hosts.values_mut() {
            let tally = std::mem::take(&mut host.tally);
            nodes.push(NodeSample {
                is_up: host.replica.is_some(),
                sees_live: u16::try_from(self.gossip.sees_live(small(host.id))).unwrap_or(u16::MAX),
                accepted: tally.accepted,
                refused: tally.refused,
                push_bytes: tally.push_bytes,
                repair_bytes: tally.repair_bytes,
                message_bytes: tally.message_bytes,
                disk_bytes: host.disk.bytes(),
            });
        }
        let mut ack_micros = std::mem::take(&mut self.clients.ack_micros);
        ack_micros.sort_unstable();
        let sum = |of: fn(&NodeSample) -> u64| nodes.iter().map(of).sum();
        let sample = Sample {
            at: self.age(),
            accepted: sum(|node| u64::from(node.accepted)),
            refused: std::mem::take(&mut self.clients.turned_away),
            ack_micros,
            copies_told: std::mem::take(&mut self.clients.copies_told),
            copies: self.oracle.copies().to_vec(),
            message_bytes: sum(|node| node.message_bytes),
            is_converged: self.is_time_to_compare().then(|| self.divergence().is_none()),
            nodes,
            queries: std::mem::take(&mut self.asked),
        };
        self.samples.push(sample);
    }

    /// Looks whether what must hold at every moment holds.
    pub fn check_always(&mut self) {
        self.expire();
        self.check_waiting();
        self.check_bounds();
        self.check_placement();
        self.check_heads();
        self.check_deletions();
    }

    /// Bounded: nothing that others or time can let grow is beyond its limit.
    fn check_bounds(&mut self) {
        let running = self.hosts.values().filter_map(|host| host.replica.as_ref());
        let sizes = running.flat_map(|replica| replica.footprint().into_iter().map(|size| (replica.id(), size)));
        let beyond = sizes.filter(|(_, size)| size.now > size.most);
        let beyond: Vec<_> = beyond
            .map(|(id, size)| format!("bounded: {id:?} has {} {}, {} at most", size.now, size.name, size.most))
            .collect();
        self.oracle.broken.extend(beyond.into_iter().take(1));
    }

    /// Liveness never moves placement: it is what the member table says, and nobody leaves the table but by leaving or being given up.
    fn check_placement(&mut self) {
        let mut broken = None;
        for replica in self.hosts.values().filter_map(|host| host.replica.as_ref()) {
            let table = replica.members_table();
            let gone = table.rows().find(|row| !row.state.is_member() && !self.may_be_gone.contains(&row.node));
            if let Some(row) = gone {
                broken = Some(format!(
                    "placement is not moved by liveness: {:?} takes {:?} to be {:?}",
                    replica.id(),
                    row.node,
                    row.state
                ));
            }
            let places = table.placed();
            let copies = usize::from(self.spec.config.copies);
            let segments = replica.segments();
            for status in segments.iter().take(PLACEMENTS_LOOKED_AT) {
                let mut order = logmesh_protocol::placement::order(&status.segment, &places);
                order.truncate(copies);
                if order != status.holders {
                    broken = Some(format!(
                        "placement is not moved by liveness: {:?} places {:?} at {:?}",
                        replica.id(),
                        status.segment,
                        status.holders
                    ));
                }
            }
        }
        self.oracle.broken.extend(broken);
    }

    /// Heads are told: whoever hears of a node learns which of its batches may be nowhere else. Placement may have moved just now, so
    /// only what is untold twice is too much.
    fn check_heads(&mut self) {
        let before = self.nanos.saturating_sub(nanos(HEADS_SLACK));
        let mut untold = BTreeSet::new();
        for host in
            self.hosts.values().filter(|host| self.hosts.paused_until(small(host.id)) <= before && !host.is_stopping)
        {
            let Some(replica) = &host.replica else { continue };
            let own = |id: &SegmentId| id.origin() == host.id && id.journal.boot == host.boot;
            for status in replica.segments().into_iter().filter(|status| own(&status.segment)) {
                let id = status.segment;
                let head = host.announced.heads.get(&(id.window, id.part)).copied().unwrap_or(0);
                let seq = self.oracle.untold(&id, head, &status.holders, before);
                untold.extend(seq.map(|seq| (id, seq)));
            }
        }
        let mut twice = untold.intersection(&self.untold);
        let broken = twice.next().map(|(id, seq)| format!("heads are told: that of {id:?} does not reach {seq}"));
        self.oracle.broken.extend(broken);
        self.untold = untold;
    }

    /// Comparing all with all takes its time: it is done now and then.
    fn is_time_to_compare(&mut self) -> bool {
        let pause = if self.hosts.len() <= 100 { COMPARE_EVERY } else { COMPARE_MANY_EVERY };
        let due = self.nanos.saturating_sub(self.compared_at) >= nanos(pause);
        if due {
            self.compared_at = self.nanos;
        }
        due
    }

    /// Writable while up: nobody waits longer than the ack timeout and what the disk and the pace of the node add to it.
    pub fn check_waiting(&mut self) {
        let mut late = Vec::new();
        for (ticket, waiting) in self.clients.waiting() {
            let host = &self.hosts[&waiting.node];
            // A group waits for the one before it, that one for what was being written, and each write may be the slowest.
            let disk = 10 * nanos(host.quality.fsync.slow) + 4 * host.slowness;
            let patience = nanos(host.config.ack_timeout) + disk + nanos(ANSWER_SLACK);
            if self.nanos > waiting.since.max(host.troubled_until) + patience {
                late.push(format!(
                    "writable while up: {:?} has not answered {ticket:?} for {:?}",
                    host.id,
                    Duration::from_nanos(self.nanos - waiting.since)
                ));
            }
        }
        self.oracle.broken.extend(late.into_iter().take(1));
    }

    /// Writable while up: only a full disk and the end, or having left, are reasons to refuse.
    pub(super) fn check_refusal(&mut self, id: NodeId) {
        let host = &self.hosts[&id];
        let was_full = host.disk.is_full || self.nanos < host.troubled_until + nanos(ANSWER_SLACK);
        let state = host.replica.as_ref().and_then(|replica| Some(replica.members_table().row(id)?.state));
        let has_left = state == Some(MemberState::Left);
        if !host.is_stopping && !was_full && !has_left {
            self.oracle.broken.push(format!("writable while up: {id:?} has refused a client"));
        }
    }
}

/// Of each node's segments so many are looked at each time.
const PLACEMENTS_LOOKED_AT: usize = 4;
/// Within this time after an acknowledgement its head is told.
const HEADS_SLACK: Duration = Duration::from_secs(1);
const COMPARE_EVERY: Duration = Duration::from_secs(5);
const COMPARE_MANY_EVERY: Duration = Duration::from_secs(60);
/// What an answer may take besides, on a node that is well.
const ANSWER_SLACK: Duration = Duration::from_secs(1);
