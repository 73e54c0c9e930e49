//! The side beside the data: answers surveys and runs scans over the own store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logmesh_logql::{Runner, StreamMatcher, parse_selector};
use logmesh_protocol::plan::OwnScan;
use logmesh_protocol::record::Labels;
use logmesh_protocol::replica::Input;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::TimeRange;
use logmesh_store::{ScanRequest, Store};
use tokio::sync::Semaphore;
use tracing::warn;

use super::wire::{Answer, Ask, Outcome, Scan, Scanned, Work};
use crate::shell::Mesh;

/// Answers what coordinators ask, this node's own one included.
#[derive(Clone)]
pub(crate) struct Local {
    mesh: Mesh,
    store: Store,
    scans: Arc<Semaphore>,
}

/// Tells a scan that nobody waits for it any more, when dropped.
pub(crate) struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Local {
    /// Returns one that runs at most `scans_max` scans at once; further ones wait.
    pub(crate) fn new(mesh: Mesh, store: Store, scans_max: usize) -> Self {
        Self { mesh, store, scans: Arc::new(Semaphore::new(scans_max)) }
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
        }
    }

    async fn scan(&self, scan: Scan) -> Answer {
        let Ok(permit) = self.scans.clone().acquire_owned().await else {
            return Answer::Failed("the node is stopping".to_owned());
        };
        let Some(own_segments) = self.own_segments(&scan).await else {
            return Answer::Failed("the node is stopping".to_owned());
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = CancelOnDrop(cancelled.clone());
        let store = self.store.clone();
        let run = tokio::task::spawn_blocking(move || run(&store, scan, own_segments, &cancelled));
        let answer = run.await;
        drop((cancel, permit));
        match answer {
            Ok(Ok((outcome, damaged, bytes, rows))) => {
                self.tell_damaged(&damaged).await;
                Answer::Scanned(Box::new(Scanned { outcome, damaged, bytes, rows }))
            }
            Ok(Err(sentence)) => Answer::Failed(sentence),
            Err(error) => {
                warn!(%error, "scan broke off");
                Answer::Failed("the scan broke off; the log of the node says why".to_owned())
            }
        }
    }

    /// Returns what this node wrote and is to scan.
    async fn own_segments(&self, scan: &Scan) -> Option<Chosen> {
        let Some(OwnScan { since, except }) = &scan.own else { return Some(Chosen::default()) };
        let range = scan.work.range();
        let mut chosen = Chosen::default();
        for (segment, held) in self.mesh.ask(move |replica, _| replica.own_segments(&range)).await? {
            if segment.journal.boot < *since {
                continue;
            }
            chosen.ids.push(segment);
            if let Some(seqs) = except.get(&segment) {
                chosen.only.insert(segment, held.difference(seqs));
            }
        }
        Some(chosen)
    }

    async fn tell_damaged(&self, damaged: &[(SegmentId, SeqSet)]) {
        for (segment, seqs) in damaged {
            let input = Input::Verified { segment: *segment, damaged: seqs.clone(), whole: false };
            self.mesh.tell(input).await;
        }
    }
}

/// What should have been read and could not be.
type Unread = Vec<(SegmentId, SeqSet)>;

/// Segments to scan, and of some of them only these batches.
#[derive(Default)]
struct Chosen {
    ids: Vec<SegmentId>,
    only: BTreeMap<SegmentId, SeqSet>,
}

type Ran = (Outcome, Unread, u64, u64);

fn run(store: &Store, scan: Scan, own: Chosen, cancelled: &AtomicBool) -> Result<Ran, String> {
    let Chosen { mut ids, mut only } = own;
    ids.extend(scan.assigned.iter().map(|(segment, _)| *segment));
    only.extend(scan.assigned);
    match scan.work {
        Work::Part(part) => {
            let mut runner = part.runner().map_err(|error| error.to_string())?;
            let request = ScanRequest {
                tenant: &scan.tenant,
                range: part.range(),
                segments: &ids,
                only: Some(&only),
                matches: &|labels| part.matches(labels),
                newest_first: part.newest_first(),
            };
            let (damaged, bytes, rows) = run_part(store, &request, &mut runner, cancelled)?;
            let partial = runner.finish().map_err(|error| error.to_string())?;
            Ok((Outcome::Partial(partial), damaged, bytes, rows))
        }
        Work::Streams { range, selectors } => {
            let (streams, damaged) = streams(store, &scan.tenant, &range, &ids, &selectors)?;
            Ok((Outcome::Streams(streams), damaged, 0, 0))
        }
    }
}

fn run_part(
    store: &Store,
    request: &ScanRequest<'_>,
    runner: &mut Runner,
    cancelled: &AtomicBool,
) -> Result<(Unread, u64, u64), String> {
    let mut failed = None;
    let newest_first = request.newest_first;
    let scanned = store.scan(request, &mut |scanned| {
        if cancelled.load(Ordering::Relaxed) {
            failed = Some("the query was cancelled".to_owned());
            return ControlFlow::Break(());
        }
        let flow = runner.add_rows(&scanned.rows).unwrap_or_else(|error| {
            failed = Some(error.to_string());
            ControlFlow::Break(())
        });
        let enough = runner.bound().is_some_and(|bound| match newest_first {
            true => scanned.rest <= bound,
            false => scanned.rest >= bound,
        });
        if enough { ControlFlow::Break(()) } else { flow }
    });
    let scanned = scanned.map_err(|error| format!("the store could not be read: {error}"))?;
    match failed {
        Some(sentence) => Err(sentence),
        None => Ok((scanned.damaged, scanned.bytes_scanned, scanned.rows_scanned)),
    }
}

fn streams(
    store: &Store,
    tenant: &str,
    range: &TimeRange,
    segments: &[SegmentId],
    selectors: &[String],
) -> Result<(Vec<Labels>, Unread), String> {
    let parsed: Result<Vec<StreamMatcher>, _> = selectors.iter().map(|text| parse_selector(text)).collect();
    let selectors = parsed.map_err(|error| error.to_string())?;
    let mut found = BTreeSet::new();
    let damaged = store.streams(tenant, *range, segments, &mut |labels| {
        let matches = selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels));
        if matches && found.len() < STREAMS_MAX && !found.contains(labels) {
            found.insert(labels.clone());
        }
    });
    let damaged = damaged.map_err(|error| format!("the store could not be read: {error}"))?;
    if found.len() == STREAMS_MAX {
        return Err(format!("more than {STREAMS_MAX} streams match; narrow the selector or the time range"));
    }
    Ok((found.into_iter().collect(), damaged))
}

/// The most streams that one node lists; the query fails beyond it, with a sentence.
const STREAMS_MAX: usize = 100_000;
