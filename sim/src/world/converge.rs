//! Whether the world has come to rest: all holders of every segment hold the same, and all agree on who is a member.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use logmesh_protocol::id::NodeId;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::time::Timestamp;

use super::World;

impl World {
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
        let mut members = running.iter().filter(|(node, _)| first.members_table().is_member(*node));
        let deleted = members.next().map(|(_, replica)| replica.deletions().digest());
        if members.any(|(_, replica)| Some(replica.deletions().digest()) != deleted) {
            return Some("tables of deletions differ".into());
        }
        // What is about to expire is compared no more.
        let lives = |segment: &SegmentId| !self.is_expiring(segment);
        let mut found: BTreeMap<SegmentId, BTreeMap<NodeId, _>> = BTreeMap::new();
        let mut holders: BTreeMap<SegmentId, BTreeSet<NodeId>> = BTreeMap::new();
        for (node, replica) in &running {
            for (segment, seqs) in replica.quarantined().into_iter().filter(|(segment, _)| lives(segment)) {
                // What rotted or was lost everywhere stays named for ever, and rightly so.
                if seqs.iter().any(|seq| self.hosts.values().any(|host| host.disk.has(segment, seq))) {
                    return Some(format!("{node:?} has not mended {seqs:?} of {segment:?}"));
                }
            }
            let held = replica.segments().into_iter().filter(|status| !status.held.is_empty());
            for status in held.filter(|status| lives(&status.segment)) {
                holders.entry(status.segment).or_default().extend(status.holders);
                found.entry(status.segment).or_default().insert(*node, (status.held, status.root));
            }
        }
        // Where all are leaving nobody is a holder, and all stay.
        for (segment, found) in found.into_iter().filter(|(segment, _)| !holders[segment].is_empty()) {
            let mut kept: BTreeSet<_> = holders[&segment].iter().map(|holder| found.get(holder)).collect();
            if kept.len() > 1 || kept.pop_first().flatten().is_none_or(|(_, root)| root.is_none()) {
                return Some(format!("{segment:?}: holders {:?}, held {found:?}", holders[&segment]));
            }
        }
        None
    }

    /// Returns a batch that lies rotten on some disk and is whole on another, if there is one.
    pub fn rotten(&self) -> Option<String> {
        let running = self.hosts.values().filter(|host| host.replica.is_some());
        let rotten = running.flat_map(|host| host.disk.rotten().map(|place| (host.id, place)));
        let is_elsewhere = |(segment, seq)| self.hosts.values().any(|host| host.disk.has(segment, seq));
        let mut rotten = rotten.filter(|(_, place)| is_elsewhere(*place));
        rotten.next().map(|(id, place)| format!("{place:?} still lies rotten on the disk of {id:?}"))
    }

    /// Returns how many segments the fullest disk has.
    pub fn segments_most(&self) -> usize {
        let running = self.hosts.values().filter_map(|host| host.replica.as_ref());
        running.map(|replica| replica.segments().len()).max().unwrap_or(0)
    }

    /// Lets the oracle look at all disks.
    pub fn check(&mut self) {
        self.expire();
        self.oracle.check_disks(&self.hosts);
    }

    /// Tells the oracle what is past its retention by anybody's clock: nobody owes it any more.
    pub(super) fn expire(&mut self) {
        if let Some(latest) = self.latest() {
            self.oracle.expire(latest, self.spec.config.retention);
        }
    }

    /// Tells whether a segment is so near its expiry that some host may have deleted it.
    pub fn is_expiring(&self, segment: &SegmentId) -> bool {
        let config = &self.spec.config;
        let soon = self.latest().map(|latest| latest.saturating_add(config.clock_skew_max));
        soon.is_some_and(|soon| segment.is_expired(soon, config.retention))
    }

    fn latest(&self) -> Option<Timestamp> {
        self.hosts.values().map(|host| host.now(self.nanos).timestamp).max()
    }
}
