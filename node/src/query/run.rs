//! What a scan makes of the rows of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use logmesh_logql::{EvalError, Expr, Interrupt, PatternRunner, Runner, StreamMatcher, parse, parse_selector};
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};
use logmesh_store::{ScanRequest, Store};

use super::mask::{Mask, Masks, visible};
use super::tenants::Tagger;
use super::volume::{VolumeAsk, VolumeMerge};
use super::wire::{Listing, Outcome, PatternsAsk, Scan, Scanned, Work};

/// Segments to scan, and of some of them only these batches.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) ids: Vec<SegmentId>,
    pub(super) only: BTreeMap<SegmentId, SeqSet>,
}

/// Does the work of `scan` over the segments of `own` and those assigned. Ends early when `cancelled` turns true.
/// What `masks` cover counts as not there.
pub(super) fn run(
    store: &Store,
    scan: Scan,
    own: Chosen,
    (masks, cancelled): (&Masks, &Interrupt),
) -> Result<Scanned, String> {
    cancelled.within(|| work(store, scan, own, (masks, cancelled)))
}

fn work(store: &Store, scan: Scan, own: Chosen, (masks, cancelled): (&Masks, &Interrupt)) -> Result<Scanned, String> {
    let Chosen { mut ids, mut only } = own;
    ids.extend(scan.assigned.iter().map(|(segment, _)| *segment));
    only.extend(scan.assigned);
    let run = Run { store, tenants: &scan.tenants, ids: &ids, only: &only, masks, cancelled };
    match scan.work {
        Work::Part(part) => {
            let mut runner = part.runner().map_err(|error| error.to_string())?.until(cancelled);
            let rows = Wanted {
                range: part.range(),
                matches: &|labels| part.matches(labels),
                newest_first: part.newest_first(),
                lines: part.needs_lines(),
            };
            let mut read = run.rows(&rows, &mut |rows, rest| take(&mut runner, rows, rest, part.newest_first()))?;
            read.rows_kept = runner.stats().rows_kept;
            let partial = runner.finish().map_err(|error| error.to_string())?;
            Ok(read.with(Outcome::Partial(partial)))
        }
        Work::Streams { range, selectors, list } => run.streams(range, &selectors, &list),
        Work::Volume(ask) => run.volume(&ask),
        Work::Patterns(ask) => run.patterns(&ask),
    }
}

/// Gives rows to a runner. Breaks off when it has enough.
fn take(runner: &mut Runner, rows: &Rows, rest: Timestamp, newest_first: bool) -> Result<ControlFlow<()>, String> {
    let flow = runner.add_rows(rows).map_err(|error| error.to_string())?;
    let enough = runner.bound().is_some_and(|bound| match newest_first {
        true => rest <= bound,
        false => rest >= bound,
    });
    Ok(if enough { ControlFlow::Break(()) } else { flow })
}

/// What is to be read and by whom it may be ended.
struct Run<'a> {
    store: &'a Store,
    tenants: &'a [String],
    ids: &'a [SegmentId],
    only: &'a BTreeMap<SegmentId, SeqSet>,
    masks: &'a Masks,
    cancelled: &'a Interrupt,
}

/// Which rows are wanted.
struct Wanted<'a> {
    range: TimeRange,
    matches: &'a dyn Fn(&Labels) -> bool,
    newest_first: bool,
    lines: bool,
}

/// Takes rows, and how far the scan is.
type Sink<'a> = dyn FnMut(&Rows, Timestamp) -> Result<ControlFlow<()>, String> + 'a;

/// What was read.
#[derive(Default)]
struct Read {
    damaged: Vec<(SegmentId, SeqSet)>,
    bytes: u64,
    rows: u64,
    rows_kept: u64,
    blocks: u64,
}

impl Read {
    fn with(self, outcome: Outcome) -> Scanned {
        let Self { damaged, bytes, rows, rows_kept, blocks } = self;
        Scanned { outcome, damaged, bytes, rows, rows_kept, blocks }
    }
}

impl Run<'_> {
    /// Gives all rows that are wanted to `sink`, tenant by tenant.
    fn rows(&self, wanted: &Wanted<'_>, sink: &mut Sink<'_>) -> Result<Read, String> {
        let mut read = Read::default();
        for tenant in self.tenants {
            let tagger = Tagger::new(tenant, self.tenants);
            let matches = |labels: &Labels| tagger.with(labels, |labels| (wanted.matches)(labels));
            let mut mask = self.masks.over(tenant, wanted.range);
            let request = ScanRequest {
                tenant,
                range: wanted.range,
                segments: self.ids,
                only: Some(self.only),
                matches: &matches,
                newest_first: wanted.newest_first,
                lines: wanted.lines || mask.as_ref().is_some_and(Mask::looks_at_lines),
            };
            let mut failed = None;
            let scanned = self.store.scan(&request, &mut |mut scanned| {
                if self.cancelled.is_raised() {
                    failed = Some(given_up());
                    return ControlFlow::Break(());
                }
                if let Some(mask) = &mut mask {
                    mask.apply(&mut scanned.rows);
                }
                tagger.tag(&mut scanned.rows);
                sink(&scanned.rows, scanned.rest).unwrap_or_else(|sentence| {
                    failed = Some(sentence);
                    ControlFlow::Break(())
                })
            });
            let scanned = scanned.map_err(unreadable)?;
            if let Some(sentence) = failed {
                return Err(sentence);
            }
            read.damaged.extend(scanned.damaged);
            read.bytes += scanned.bytes_scanned;
            read.rows += scanned.rows_scanned;
            read.blocks += scanned.blocks_read;
        }
        Ok(read)
    }

    fn volume(&self, ask: &VolumeAsk) -> Result<Scanned, String> {
        let selector = ask.selector.as_deref().map(parse_selector).transpose().map_err(|error| error.to_string())?;
        let mut merge = VolumeMerge::new(ask);
        let wanted = Wanted {
            range: ask.range,
            matches: &|labels| selector.as_ref().is_none_or(|selector| selector.matches(labels)),
            newest_first: false,
            lines: false,
        };
        let read = self.rows(&wanted, &mut |rows, _| merge.add_rows(rows).map(|()| ControlFlow::Continue(())))?;
        Ok(read.with(Outcome::Volume(merge.finish())))
    }

    fn patterns(&self, ask: &PatternsAsk) -> Result<Scanned, String> {
        let Expr::Log(log) = parse(&ask.query).map_err(|error| error.to_string())? else {
            return Err("patterns are those of lines; a query for lines is needed".to_owned());
        };
        let selector = StreamMatcher::new(&log.selector).map_err(|error| error.to_string())?;
        let runner = PatternRunner::new(&log, ask.range, ask.step).map_err(|error| error.to_string())?;
        let mut runner = runner.until(self.cancelled);
        let matches = |labels: &Labels| selector.matches(labels);
        let wanted = Wanted { range: ask.range, matches: &matches, newest_first: false, lines: true };
        let mut read = self.rows(&wanted, &mut |rows, _| {
            runner.add_rows(rows).map(|()| ControlFlow::Continue(())).map_err(|error| error.to_string())
        })?;
        read.rows_kept = runner.stats().rows_kept;
        Ok(read.with(Outcome::Patterns(runner.finish())))
    }

    fn streams(&self, range: TimeRange, selectors: &[String], list: &Listing) -> Result<Scanned, String> {
        let parsed: Result<Vec<StreamMatcher>, _> = selectors.iter().map(|text| parse_selector(text)).collect();
        let selectors = parsed.map_err(|error| error.to_string())?;
        let mut found = Found::default();
        let mut read = Read::default();
        for tenant in self.tenants {
            let tagger = Tagger::new(tenant, self.tenants);
            let mask = self.masks.over(tenant, range);
            let mut doubtful = BTreeSet::new();
            let mut sink = |labels: &Labels| {
                tagger.with(labels, |tagged| {
                    if selectors.is_empty() || selectors.iter().any(|selector| selector.matches(tagged)) {
                        match &mask {
                            Some(mask) if mask.touches(labels) => _ = doubtful.insert(labels.clone()),
                            Some(_) | None => found.add(tagged, list),
                        }
                    }
                });
            };
            for ids in self.ids.chunks(SEGMENTS_AT_ONCE) {
                if self.cancelled.is_raised() {
                    return Err(given_up());
                }
                let damaged = self.store.streams(tenant, range, ids, &mut sink);
                read.damaged.extend(damaged.map_err(unreadable)?);
            }
            // Of these all may be deleted: only their lines tell.
            if let Some(mut mask) = mask.filter(|_| !doubtful.is_empty()) {
                let wanted = (&doubtful, self.cancelled);
                let visible = visible(self.store, (tenant, range), self.ids, &mut mask, wanted);
                for labels in visible.map_err(unreadable)? {
                    tagger.with(&labels, |tagged| found.add(tagged, list));
                }
            }
        }
        Ok(read.with(found.finish(list)?))
    }
}

fn given_up() -> String {
    EvalError::Interrupted.to_string()
}

fn unreadable(error: logmesh_store::ReadError) -> String {
    format!("the store could not be read: {error}")
}

/// What was found of streams.
#[derive(Default)]
struct Found {
    streams: BTreeSet<Labels>,
    texts: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, labels: &Labels, list: &Listing) {
        match list {
            Listing::Streams => {
                if self.streams.len() < STREAMS_MAX && !self.streams.contains(labels) {
                    self.streams.insert(labels.clone());
                }
            }
            Listing::Names => labels.iter().for_each(|(name, _)| self.add_text(name)),
            Listing::Values(name) => labels.value(name).into_iter().for_each(|value| self.add_text(value)),
        }
    }

    fn add_text(&mut self, text: &str) {
        if self.texts.len() < STREAMS_MAX && !self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        }
    }

    fn finish(self, list: &Listing) -> Result<Outcome, String> {
        if self.streams.len() == STREAMS_MAX || self.texts.len() == STREAMS_MAX {
            let what = if *list == Listing::Streams { "streams match" } else { "names or values are found" };
            return Err(format!("more than {STREAMS_MAX} {what}; narrow the selector or the time range"));
        }
        Ok(match list {
            Listing::Streams => Outcome::Streams(self.streams.into_iter().collect()),
            Listing::Names | Listing::Values(_) => Outcome::Texts(self.texts.into_iter().collect()),
        })
    }
}

/// How many segments are listed before it is asked whether anybody still waits.
const SEGMENTS_AT_ONCE: usize = 64;
/// The most streams, names or values that one node lists; the query fails beyond it, with a sentence.
const STREAMS_MAX: usize = 100_000;
