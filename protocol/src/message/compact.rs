//! Lists of segments on the wire: each journal is said once where several segments of it follow each other, and windows as their distance
//! from the one before, for a segment's id alone has 56 bytes.

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use crate::id::JournalId;
use crate::segment::{SegmentId, Window};

/// Returns the key to sort lists of segments by, so that each journal is said once.
pub fn by_journal(segment: &SegmentId) -> (JournalId, Window, u32) {
    (segment.journal, segment.window, segment.part)
}

/// A value that belongs to a segment.
pub(super) trait OfSegment: Sized {
    /// What is said beside the segment.
    type Rest: Serialize + DeserializeOwned;

    fn split(&self) -> (SegmentId, Self::Rest);
    fn join(segment: SegmentId, rest: Self::Rest) -> Self;
}

impl<T: Clone + Serialize + DeserializeOwned> OfSegment for (SegmentId, T) {
    type Rest = T;

    fn split(&self) -> (SegmentId, T) {
        (self.0, self.1.clone())
    }

    fn join(segment: SegmentId, rest: T) -> Self {
        (segment, rest)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire<R> {
    /// None if it is that of the segment before.
    journal: Option<JournalId>,
    window_step: u32,
    part: u32,
    rest: R,
}

pub(super) fn serialize<T: OfSegment, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut before: Option<SegmentId> = None;
    serializer.collect_seq(list.iter().map(|item| {
        let (segment, rest) = item.split();
        let journal = Some(segment.journal).filter(|journal| before.map(|before| before.journal) != Some(*journal));
        let window_step = segment.window.0.wrapping_sub(before.map_or(0, |before| before.window.0));
        before = Some(segment);
        Wire { journal, window_step, part: segment.part, rest }
    }))
}

pub(super) fn deserialize<'de, T: OfSegment, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut before: Option<SegmentId> = None;
    let mut list = Vec::new();
    for wire in Vec::<Wire<T::Rest>>::deserialize(deserializer)? {
        let journal =
            wire.journal.or(before.map(|before| before.journal)).ok_or_else(|| D::Error::custom("no journal"))?;
        let window = Window(wire.window_step.wrapping_add(before.map_or(0, |before| before.window.0)));
        let segment = SegmentId { window, journal, part: wire.part };
        before = Some(segment);
        list.push(T::join(segment, wire.rest));
    }
    Ok(list)
}
