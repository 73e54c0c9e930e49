//! A tail beside the data: what this node takes in goes through the pipeline here, and only what passes travels.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use logmesh_logql::{Interrupt, Part, Partial};
use logmesh_protocol::batch::Batch;
use logmesh_protocol::record::{Labels, RecordRef};
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::{TimeRange, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::feed::{Follower, Taken};
use super::{Dropped, Live};
use crate::query::mask::{Deleted, Masks};

/// Evaluates what a follower takes, for as long as somebody listens to `lives`. What the listener has no room for is
/// dropped and told with what follows.
pub(super) async fn evaluate(
    mut follower: Follower,
    (tenant, part): (String, Part),
    deleted: watch::Receiver<Deleted>,
    lives: mpsc::Sender<Live>,
) {
    let mut evaluator = Evaluator { tenant, part, known: HashMap::new() };
    let mut dropped = Dropped::default();
    // The first word: from here on nothing is missed.
    if lives.send(Live::default()).await.is_err() {
        return;
    }
    loop {
        let taken = tokio::select! {
            taken = follower.take() => taken,
            () = lives.closed() => return,
            () = sleep(TELL_AGAIN), if !dropped.is_empty() => Taken::default(),
        };
        // What comes in the same moment is looked at together.
        let _ = timeout(GATHER, lives.closed()).await;
        if lives.is_closed() {
            return;
        }
        let masks = deleted.borrow().masks.clone();
        let interrupt = Interrupt::default();
        let watched = interrupt.clone();
        let mut evaluated = tokio::task::spawn_blocking(move || {
            let live = watched.within(|| evaluator.run(&taken, (&masks, &watched)));
            (evaluator, live)
        });
        let evaluated = tokio::select! {
            evaluated = &mut evaluated => evaluated,
            _ = timeout(EVALUATION_MAX, lives.closed()) => {
                interrupt.raise();
                evaluated.await
            }
        };
        let Ok((returned, found)) = evaluated else { return };
        evaluator = returned;
        for mut live in found {
            live.dropped.add(std::mem::take(&mut dropped));
            if let Err(mpsc::error::TrySendError::Full(live) | mpsc::error::TrySendError::Closed(live)) =
                lives.try_send(live)
            {
                dropped = live.into_dropped();
            }
        }
    }
}

/// Runs the pipeline of one tail.
struct Evaluator {
    tenant: String,
    part: Part,
    /// The streams seen lately, and their labels if they match.
    known: HashMap<Vec<u8>, Option<Arc<Labels>>>,
}

impl Evaluator {
    fn run(&mut self, taken: &Taken, (masks, interrupt): (&Masks, &Interrupt)) -> Vec<Live> {
        let mut lives = Vec::new();
        let mut missed = Dropped { count: taken.missed, ..Dropped::default() };
        for body in &taken.bodies {
            let Some(rows) = self.rows_of(body, masks) else { continue };
            match self.partial(&rows, interrupt) {
                Some(partial) => {
                    lives.extend(partial.split(LIVE_BYTES).into_iter().map(Live::of).filter(Live::is_of_use))
                }
                // Too much at once to be kept, or too dear to be looked at: all of it counts as dropped.
                None => missed.add(Dropped::of_rows(&rows)),
            }
        }
        if lives.is_empty() {
            lives.push(Live::default());
        }
        lives[0].dropped.add(missed);
        lives
    }

    fn partial(&self, rows: &Rows, interrupt: &Interrupt) -> Option<Partial> {
        let mut runner = self.part.runner().ok()?.until(interrupt);
        let _ = runner.add_rows(rows).ok()?;
        runner.finish().ok()
    }

    /// Returns the rows of a batch whose streams match and that no deletion covers; nothing if there are none.
    fn rows_of(&mut self, body: &Bytes, masks: &Masks) -> Option<Rows> {
        // This node packed it a moment ago: it reads.
        let canonical = lz4_flex::block::decompress_size_prepended(body).ok()?;
        let batch = Batch::decode(&canonical).ok()?;
        let mut streams: BTreeMap<&[u8], (Arc<Labels>, Vec<RecordRef<'_>>)> = BTreeMap::new();
        for chunk in &batch.chunks {
            let labels: Vec<_> = chunk.streams.iter().map(|bytes| self.resolve(bytes)).collect();
            for record in chunk.records() {
                let record = record.ok()?;
                let at = record.stream as usize;
                if let Some(labels) = labels.get(at)?.clone() {
                    streams.entry(chunk.streams[at]).or_insert((labels, Vec::new())).1.push(record);
                }
            }
        }
        let mut rows = columns(streams.into_values());
        if let Some(mut mask) = masks.over(&self.tenant, bounds(&rows)?) {
            mask.apply(&mut rows);
        }
        (!rows.is_empty()).then_some(rows)
    }

    fn resolve(&mut self, bytes: &[u8]) -> Option<Arc<Labels>> {
        if let Some(known) = self.known.get(bytes) {
            return known.clone();
        }
        let labels = Labels::from_bytes(bytes).ok().filter(|labels| self.part.matches(labels)).map(Arc::new);
        if self.known.len() >= STREAMS_KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(bytes.to_vec(), labels.clone());
        labels
    }
}

/// Returns records as columns, stream by stream, each in order of time.
fn columns<'a>(streams: impl Iterator<Item = (Arc<Labels>, Vec<RecordRef<'a>>)>) -> Rows {
    let mut rows = Rows::default();
    let mut lines = Vec::new();
    for (labels, mut records) in streams {
        // Stable: records of one instant stay in the order in which they came.
        records.sort_by_key(|record| record.timestamp);
        let first = rows.timestamps.len();
        for record in records {
            rows.timestamps.push(record.timestamp);
            lines.extend_from_slice(record.line);
            rows.line_ends.push(u32::try_from(lines.len()).expect("a batch is bounded"));
            rows.metadata_at.push(u32::try_from(rows.metadata.len()).expect("a batch is bounded"));
            rows.metadata.push(Bytes::copy_from_slice(record.metadata));
        }
        rows.streams.push(StreamRows { labels, rows: first..rows.timestamps.len() });
    }
    rows.lines = lines.into();
    rows
}

fn bounds(rows: &Rows) -> Option<TimeRange> {
    let (first, last) = (rows.timestamps.iter().min()?, rows.timestamps.iter().max()?);
    Some(TimeRange { start: *first, end: Timestamp::from_nanos(last.as_nanos().saturating_add(1)) })
}

/// How long what comes in is gathered before it is looked at.
const GATHER: Duration = Duration::from_millis(20);
/// How long what was dropped may go untold while nothing else is to be said.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// How long what was taken at once may be looked at; what is not done by then counts as dropped. A guess: a tail that needs
/// longer than this for a moment's records never catches up.
const EVALUATION_MAX: Duration = Duration::from_secs(5);
/// About how many bytes of entries travel together.
const LIVE_BYTES: usize = 256 << 10;
/// The streams that one tail remembers; beyond it forgets them all and looks again.
const STREAMS_KNOWN_MAX: usize = 1 << 14;
