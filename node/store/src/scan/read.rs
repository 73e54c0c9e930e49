//! Reads what the plan names, and remembers which streams match.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use logmesh_protocol::batch::Batch;
use logmesh_protocol::id::BatchId;
use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::Rows;
use logmesh_protocol::segment::{ExtentId, SegmentId};
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::{TimeRange, Timestamp};

use crate::block::{BlockRows, Lazy};
use crate::columns::{ColumnError, Decoder};
use crate::db::{ReadError, View};
use crate::extent::{Filed, outline_of};
use crate::gather::{Gathered, TenantRows};
use crate::ledger::Held;
use crate::scan::ScanRequest;
use crate::scan::outcome::{Damage, ScanOutcome};
use crate::scan::plan::{Chosen, Source, Unit, bounds_of};
use crate::scan::select::{Stretch, select, within};

/// What reads for one scan.
pub(crate) struct Reader<'a> {
    view: &'a View<'a>,
    request: &'a ScanRequest<'a>,
    decoder: Decoder,
    streams: Streams<'a>,
    outcome: ScanOutcome,
    damage: Damage,
    /// Damaged extents that were looked through, so that each is once.
    examined: HashSet<ExtentId>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(view: &'a View<'a>, request: &'a ScanRequest<'a>) -> Result<Self, ReadError> {
        Ok(Self {
            view,
            request,
            decoder: Decoder::new().map_err(|_| ReadError::Damaged)?,
            streams: Streams { matches: request.matches, known: HashMap::new() },
            outcome: ScanOutcome::default(),
            damage: Damage::default(),
            examined: HashSet::new(),
        })
    }

    /// Adds what is to be read of `segment` to `units`.
    pub(crate) fn plan(&mut self, segment: &SegmentId, units: &mut Vec<Unit>) -> Result<(), ReadError> {
        let filed = self.view.filed(segment)?;
        let (first, last) = bounds_of(segment.window);
        let only = self.request.only.and_then(|only| only.get(segment));
        let (mut tail, mut found) = (Vec::new(), SeqSet::new());
        for held in self.view.held(segment)? {
            found = found.union(&SeqSet::from_range(held.range()));
            match held {
                Held::Batch(seq, entry) if only.is_none_or(|only| only.contains(seq)) => tail.push((seq, entry)),
                Held::Batch(..) => {}
                Held::Extent(id, _) if !filed.iter().any(|(other, _)| *other == id) => {
                    self.damage.add_range(segment, id.from..id.to);
                }
                Held::Extent(..) => {}
            }
        }
        for batches in cut(tail, self.view.db.settings.block_bytes as u64) {
            units.push(Unit { first, last, source: Source::Tail(*segment, batches) });
        }
        if let Some(only) = only {
            self.damage.add(segment, &only.difference(&found));
        }
        for (id, value) in filed {
            let range = SeqSet::from_range(id.from..id.to);
            let wanted = only.map_or_else(|| range.clone(), |only| only.intersection(&range));
            if wanted.is_empty() {
                continue;
            }
            if wanted != range {
                units.push(Unit { first, last, source: Source::Rebuilt(id, wanted) });
            } else if self.plan_extent(id, &value, units).is_err() {
                self.damage.add_range(segment, id.from..id.to);
            }
        }
        Ok(())
    }

    fn plan_extent(&mut self, id: ExtentId, value: &[u8], units: &mut Vec<Unit>) -> Result<(), ColumnError> {
        let range = self.request.range;
        let overlaps = |first, last| range.overlaps(Timestamp::from_nanos(first), Timestamp::from_nanos(last));
        let outline = outline_of(value)?;
        if !overlaps(outline.first, outline.last) {
            return Ok(());
        }
        let filed = Filed::decode(id, value, &mut self.decoder)?;
        let header = &filed.header;
        let Some(tenant) = header.tenants.iter().position(|tenant| tenant.tenant == self.request.tenant) else {
            return Ok(());
        };
        let streams = &header.tenants[tenant].streams;
        let matching: Vec<bool> = streams.iter().map(|labels| self.streams.resolve(labels).is_some()).collect();
        let mut blocks = Vec::new();
        for (at, block) in header.blocks.iter().enumerate().filter(|(_, block)| block.tenant as usize == tenant) {
            let first_stream = block.first_stream as usize;
            let any = matching[first_stream..first_stream + block.stream_rows.len()].contains(&true);
            if any && overlaps(block.first, block.last) {
                blocks.push((at, block.first, block.last));
            } else {
                self.outcome.blocks_skipped += 1;
            }
        }
        let chosen = Rc::new(Chosen { filed, matching });
        for (at, first, last) in blocks {
            units.push(Unit { first, last, source: Source::Block(Rc::clone(&chosen), at) });
        }
        Ok(())
    }

    /// Reads one unit. `None` if it has no row that is wanted, or is damaged.
    pub(crate) fn read(&mut self, unit: &Unit) -> Option<Rows> {
        let rows = match &unit.source {
            Source::Tail(segment, batches) => self.read_tail(segment, batches),
            Source::Rebuilt(id, seqs) => self.read_rebuilt(id, seqs),
            Source::Block(chosen, at) => match self.read_block(chosen, *at) {
                Ok(rows) => rows,
                Err(_) => {
                    self.examine(&chosen.filed.header.id);
                    None
                }
            },
        }?;
        self.outcome.rows_scanned += rows.len() as u64;
        Some(rows)
    }

    /// Returns what the scan came to.
    pub(crate) fn finish(mut self) -> ScanOutcome {
        self.outcome.damaged = self.damage.into_vec();
        self.outcome
    }

    fn read_block(&mut self, chosen: &Chosen, at: usize) -> Result<Option<Rows>, ColumnError> {
        let header = &chosen.filed.header;
        let entry = &header.blocks[at];
        let bytes = self.view.part(&chosen.filed, at + 1).ok_or(ColumnError::Hash)?;
        let lazy = Lazy::open(&bytes, entry.row_count())?;
        let timestamps = lazy.timestamps(&mut self.decoder)?;
        let streams = &header.tenants[entry.tenant as usize].streams;
        let (mut stretches, mut start) = (Vec::new(), 0);
        for (stream, count) in (entry.first_stream as usize..).zip(&entry.stream_rows) {
            let end = start + *count as usize;
            let rows = within(&timestamps[start..end], start, &self.request.range);
            start = end;
            if chosen.matching[stream] && !rows.is_empty() {
                let labels = self.streams.resolve(&streams[stream]).ok_or(ColumnError::Index)?;
                stretches.push(Stretch { labels, rows });
            }
        }
        if stretches.is_empty() {
            self.outcome.blocks_skipped += 1;
            return Ok(None);
        }
        let block = match self.request.lines {
            true => lazy.with_timestamps(timestamps, &mut self.decoder)?,
            false => lazy.without_lines(timestamps, &mut self.decoder)?,
        };
        self.outcome.blocks_read += 1;
        self.outcome.bytes_scanned += u64::from(entry.lines_bytes);
        Ok(Some(select(block, stretches)))
    }

    fn read_tail(&mut self, segment: &SegmentId, batches: &[(u32, LedgerEntry)]) -> Option<Rows> {
        let mut canonical = Vec::with_capacity(batches.len());
        for (seq, entry) in batches {
            match self.view.tail_canonical(segment, *seq, entry) {
                Some(bytes) => canonical.push((*seq, bytes)),
                None => self.damage.add_range(segment, *seq..*seq + 1),
            }
        }
        self.rows_of_batches(segment, &canonical)
    }

    fn read_rebuilt(&mut self, id: &ExtentId, seqs: &SeqSet) -> Option<Rows> {
        let (mut canonical, mut sound) = (Vec::new(), SeqSet::new());
        let opened = self.view.extent(id).and_then(|filed| self.view.open(filed)).ok();
        if let (Some(opened), Some(entries)) = (opened, self.entries(id)) {
            // What a rebuild gives before it fails is checked like all else, so it counts.
            let _ = opened.rebuild(&|seq| seqs.contains(seq), &mut |seq, batch| {
                let entry = &entries[(seq - id.from) as usize];
                if let Some(bytes) = batch.filter(|bytes| BatchId::of(bytes) == entry.id) {
                    canonical.push((seq, bytes));
                    sound.insert(seq);
                }
            });
        }
        self.damage.add(&id.segment, &seqs.difference(&sound));
        self.rows_of_batches(&id.segment, &canonical)
    }

    /// Returns the entries of an extent, if the ledger has it.
    fn entries(&self, id: &ExtentId) -> Option<Vec<LedgerEntry>> {
        match self.view.held_at(&id.segment, id.from) {
            Ok(Some(Held::Extent(found, entries))) if found == *id => Some(entries),
            _ => None,
        }
    }

    fn rows_of_batches(&mut self, segment: &SegmentId, canonical: &[(u32, Vec<u8>)]) -> Option<Rows> {
        let mut decoded = Vec::with_capacity(canonical.len());
        for (seq, bytes) in canonical {
            match Batch::decode(bytes) {
                Ok(batch) if batch.tenant == self.request.tenant => decoded.push(batch),
                Ok(_) => {}
                Err(_) => self.damage.add_range(segment, *seq..*seq + 1),
            }
        }
        let Ok(gathered) = Gathered::from_batches(&decoded) else {
            canonical.iter().for_each(|(seq, _)| self.damage.add_range(segment, *seq..*seq + 1));
            return None;
        };
        let tenant = gathered.tenants.first()?;
        let rows = self.streams.rows_of(tenant, &self.request.range);
        self.outcome.bytes_scanned += tenant.rows.iter().map(|row| row.line.len() as u64).sum::<u64>();
        rows
    }

    /// Finds out which batches of a damaged extent cannot be given back.
    fn examine(&mut self, id: &ExtentId) {
        if self.examined.insert(*id) {
            let damaged = match self.entries(id) {
                Some(entries) => self.view.verify_extent(id, &entries),
                None => SeqSet::from_range(id.from..id.to),
            };
            self.damage.add(&id.segment, &damaged);
        }
    }
}

/// Cuts batches of the tail into units of about `bytes` canonical bytes.
fn cut(batches: Vec<(u32, LedgerEntry)>, bytes: u64) -> Vec<Vec<(u32, LedgerEntry)>> {
    let (mut units, mut filled) = (Vec::<Vec<_>>::new(), u64::MAX);
    for (seq, entry) in batches {
        if filled >= bytes {
            (filled, _) = (0, units.push(Vec::new()));
        }
        filled += u64::from(entry.raw_bytes);
        units.last_mut().expect("a unit was just entered").push((seq, entry));
    }
    units
}

/// Which streams match, by their canonical label bytes.
struct Streams<'a> {
    matches: &'a dyn Fn(&Labels) -> bool,
    known: HashMap<Vec<u8>, Option<Arc<Labels>>>,
}

impl Streams<'_> {
    /// Returns the labels of a stream that matches.
    fn resolve(&mut self, labels: &[u8]) -> Option<Arc<Labels>> {
        if let Some(known) = self.known.get(labels) {
            return known.clone();
        }
        let parsed = Labels::from_bytes(labels).ok().filter(|labels| (self.matches)(labels)).map(Arc::new);
        if self.known.len() >= STREAMS_KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(labels.to_vec(), parsed.clone());
        parsed
    }

    /// Returns the rows of a tenant's streams that match, within `range`.
    fn rows_of(&mut self, tenant: &TenantRows<'_>, range: &TimeRange) -> Option<Rows> {
        let (mut stretches, mut wanted) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (labels, end) in tenant.streams.iter().zip(&tenant.stream_ends) {
            let order = &tenant.order[start..*end as usize];
            start = *end as usize;
            let Some(labels) = self.resolve(labels) else { continue };
            let times: Vec<i64> = order.iter().map(|at| tenant.rows[*at as usize].timestamp).collect();
            let rows = within(&times, 0, range);
            if !rows.is_empty() {
                let at = wanted.len();
                wanted.extend_from_slice(&order[rows]);
                stretches.push(Stretch { labels, rows: at..wanted.len() });
            }
        }
        if wanted.is_empty() { None } else { Some(select(copy(tenant, &wanted), stretches)) }
    }
}

/// Copies the rows at `places` into columns.
fn copy(tenant: &TenantRows<'_>, places: &[u32]) -> BlockRows {
    let rows = || places.iter().map(|at| &tenant.rows[*at as usize]);
    let mut lines = Vec::with_capacity(rows().map(|row| row.line.len()).sum());
    let mut line_ends = Vec::with_capacity(places.len());
    for row in rows() {
        lines.extend_from_slice(row.line);
        line_ends.push(u32::try_from(lines.len()).expect("a unit of the tail is bounded"));
    }
    let mut block = BlockRows {
        timestamps: rows().map(|row| row.timestamp).collect(),
        line_ends,
        lines: Bytes::from(lines),
        metadata: Vec::new(),
        metadata_at: Vec::new(),
    };
    if rows().any(|row| !row.metadata.is_empty()) {
        let mut place_of: HashMap<&[u8], u32> = HashMap::new();
        for row in rows() {
            let place = *place_of.entry(row.metadata).or_insert_with(|| {
                block.metadata.push(Bytes::copy_from_slice(row.metadata));
                u32::try_from(block.metadata.len() - 1).expect("a unit of the tail is bounded")
            });
            block.metadata_at.push(place);
        }
    }
    block
}

/// The streams that a scan remembers; beyond it forgets them all and asks again.
const STREAMS_KNOWN_MAX: usize = 1 << 16;
