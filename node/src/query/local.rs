//! The side beside the data: answers surveys and runs scans over the own store.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use logmesh_logql::Interrupt;
use logmesh_protocol::plan::OwnScan;
use logmesh_protocol::replica::{Input, OwnSegment};
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::TimeRange;
use logmesh_store::Store;
use tokio::sync::{Semaphore, watch};
use tracing::warn;

use super::mask::Deleted;
use super::run::{Chosen, run};
use super::tail::Feed;
use super::wire::{Answer, Ask, Scan};
use crate::shell::Mesh;

/// Answers what coordinators ask, this node's own one included.
#[derive(Clone)]
pub(crate) struct Local {
    mesh: Mesh,
    store: Store,
    scans: Arc<Semaphore>,
    counts: Arc<Counts>,
    /// What this node takes in.
    pub(super) feed: Arc<Feed>,
    /// What is deleted.
    pub(super) deleted: watch::Receiver<Deleted>,
}

/// What became of scans.
#[derive(Default)]
struct Counts {
    running: AtomicU64,
    cancelled: AtomicU64,
}

/// Tells a scan that nobody waits for it any more, when dropped.
pub(crate) struct CancelOnDrop(Interrupt);

impl CancelOnDrop {
    /// Returns one that raises `interrupt`.
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self(interrupt)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl Local {
    /// Returns one that runs at most `scans_max` scans at once; further ones wait.
    pub(crate) fn new(
        mesh: Mesh,
        store: Store,
        scans_max: usize,
        feed: Arc<Feed>,
        deleted: watch::Receiver<Deleted>,
    ) -> Self {
        let scans = Arc::new(Semaphore::new(scans_max));
        Self { mesh, store, scans, counts: Arc::default(), feed, deleted }
    }

    /// Returns how many scans run at this moment, those included that were told to stop and have not noticed yet.
    pub(crate) fn running(&self) -> u64 {
        self.counts.running.load(Ordering::Relaxed)
    }

    /// Returns how many scans ended early because nobody waited for them any more.
    pub(crate) fn cancelled(&self) -> u64 {
        self.counts.cancelled.load(Ordering::Relaxed)
    }

    /// Answers. Dropping the future cancels the scan.
    pub(crate) async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Survey { range, except } => {
                let survey = self.mesh.ask(move |replica, _| {
                    let answer = replica.survey(&range, &except);
                    Answer::Survey { members: replica.members_table().rows().cloned().collect(), answer }
                });
                survey.await.unwrap_or_else(|| Answer::Failed("the node is stopping".to_owned()))
            }
            Ask::Scan(scan) => self.scan(*scan).await,
            Ask::Follow(_) => Answer::Failed("a tail is told piece by piece".to_owned()),
        }
    }

    async fn scan(&self, scan: Scan) -> Answer {
        let Ok(permit) = self.scans.clone().acquire_owned().await else {
            return Answer::Unvouched;
        };
        let (range, own) = (scan.work.range(), scan.own.clone());
        let Some(before) = self.own_segments(range, own.clone()).await else { return Answer::Unvouched };
        let chosen = chosen(&before, own.as_ref());
        let cancelled = Interrupt::default();
        let cancel = CancelOnDrop::new(cancelled.clone());
        let (store, counts) = (self.store.clone(), self.counts.clone());
        let masks = self.deleted.borrow().masks.clone();
        counts.running.fetch_add(1, Ordering::Relaxed);
        let run = tokio::task::spawn_blocking(move || {
            let run = || run(&store, scan, chosen, (&masks, &cancelled));
            let answer = std::panic::catch_unwind(AssertUnwindSafe(run));
            counts.running.fetch_sub(1, Ordering::Relaxed);
            counts.cancelled.fetch_add(u64::from(cancelled.is_raised()), Ordering::Relaxed);
            // Held until the thread is free, also where nobody waits for the answer.
            drop(permit);
            answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let answer = run.await;
        drop(cancel);
        match answer {
            Ok(Ok(mut scanned)) => {
                self.tell_damaged(&scanned.damaged).await;
                // Reading takes its time: what was let go of or set aside meanwhile it may have passed over.
                let Some(after) = self.own_segments(range, own).await else { return Answer::Unvouched };
                let named = before.into_iter().chain(after).map(|own| (own.segment, own.damaged));
                scanned.damaged = united(std::mem::take(&mut scanned.damaged).into_iter().chain(named));
                Answer::Scanned(Box::new(scanned))
            }
            Ok(Err(sentence)) => Answer::Failed(sentence),
            Err(error) => {
                warn!(%error, "scan broke off");
                Answer::Failed("the scan broke off; the log of the node says why".to_owned())
            }
        }
    }

    /// Returns what this node wrote and is to scan; none if it cannot vouch for it, or is about to end.
    async fn own_segments(&self, range: TimeRange, own: Option<OwnScan>) -> Option<Vec<OwnSegment>> {
        let Some(own) = own else { return Some(Vec::new()) };
        self.mesh.ask(move |replica, _| replica.own_segments(&range, &own)).await.flatten()
    }

    async fn tell_damaged(&self, damaged: &[(SegmentId, SeqSet)]) {
        for (segment, seqs) in damaged {
            let input = Input::Verified { segment: *segment, damaged: seqs.clone(), whole: false };
            self.mesh.tell(input).await;
        }
    }
}

/// Returns what is to be read: of segments of which others scan something only the rest, of all others all that is held by then.
fn chosen(segments: &[OwnSegment], own: Option<&OwnScan>) -> Chosen {
    let is_shared = |segment: &SegmentId| own.is_some_and(|own| own.except.contains_key(segment));
    let shared = segments.iter().filter(|own| is_shared(&own.segment));
    Chosen {
        ids: segments.iter().map(|own| own.segment).collect(),
        only: shared.map(|own| (own.segment, own.readable.clone())).collect(),
    }
}

/// Returns all that is damaged, each segment once.
fn united(damaged: impl Iterator<Item = (SegmentId, SeqSet)>) -> Vec<(SegmentId, SeqSet)> {
    let mut all: BTreeMap<SegmentId, SeqSet> = BTreeMap::new();
    for (segment, seqs) in damaged.filter(|(_, seqs)| !seqs.is_empty()) {
        let known = all.entry(segment).or_default();
        *known = known.union(&seqs);
    }
    all.into_iter().collect()
}
