//! Recovery: what a store holds when it is opened.

use std::ops::Range;

use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;

use crate::db::{Db, ReadError};
use crate::extent::place_of;
use crate::keys::{Family, Place, extent_key};
use crate::ledger::Held;

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The segments, in order.
    pub segments: Vec<RecoveredSegment>,
    /// Whether something that was durable is gone without a trace: the end of the log did not read. The store cannot tell what it
    /// was, so the node must vouch for nothing that it wrote earlier.
    pub is_torn: bool,
}

/// What the store holds of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredSegment {
    /// The segment.
    pub segment: SegmentId,
    /// All batches that are held.
    pub held: SeqSet,
    /// The extents among them, in order.
    pub extents: Vec<Range<u32>>,
    /// The canonical bytes of the batches that are not sealed.
    pub tail_raw_bytes: u64,
}

/// Reads the ledger from end to end.
pub(crate) fn recover(db: &Db) -> Result<Vec<RecoveredSegment>, ReadError> {
    let view = db.view();
    let mut segments: Vec<RecoveredSegment> = Vec::new();
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for item in view.range(Family::Ledger, &[], &[0xff; SegmentId::BYTES + 21]) {
        let (segment, held) = Held::read(item)?;
        if segments.last().is_none_or(|last| last.segment != segment) {
            finish(&mut segments, &mut ranges);
            segments.push(RecoveredSegment { segment, held: SeqSet::new(), extents: Vec::new(), tail_raw_bytes: 0 });
        }
        let recovered = segments.last_mut().expect("a segment was just entered");
        match &held {
            Held::Batch(_, entry) => recovered.tail_raw_bytes += u64::from(entry.raw_bytes),
            Held::Extent(..) => recovered.extents.push(held.range()),
        }
        match ranges.last_mut() {
            Some(last) if last.end == held.range().start => last.end = held.range().end,
            _ => ranges.push(held.range()),
        }
    }
    finish(&mut segments, &mut ranges);
    Ok(segments)
}

/// Gives the last segment the ranges that were found for it.
fn finish(segments: &mut [RecoveredSegment], ranges: &mut Vec<Range<u32>>) {
    if let Some(last) = segments.last_mut() {
        last.held = ranges.drain(..).fold(SeqSet::new(), |held, range| held.union(&SeqSet::from_range(range)));
    }
}

/// Deletes files of extents whose header was never written, or whose removal was not finished before a crash.
pub(crate) fn sweep(db: &Db) -> Result<usize, rocksdb::Error> {
    let view = db.view();
    let files = db.rocks.live_files()?;
    let blocks = files.iter().filter(|file| file.column_family_name == Family::Blocks.name());
    let places = blocks.filter_map(|file| Place::parse(Family::Blocks, file.start_key.as_deref()?));
    let mut orphans = Vec::new();
    for place in places {
        let header = view.value(Family::Extents, &extent_key(&place.id))?;
        if header.and_then(|value| place_of(place.id, &value)) != Some(place) {
            orphans.push(place);
        }
    }
    drop(view);
    db.delete_files(&orphans);
    Ok(orphans.len())
}
