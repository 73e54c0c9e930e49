//! A set of sequence numbers as intervals: what a node holds of a segment, or lacks.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::varint;

/// A set of `u32`s as sorted, disjoint, non-adjacent, non-empty half-open intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqSet(Intervals);

/// Nearly all sets have one interval or two, and so no memory of their own.
type Intervals = SmallVec<[(u32, u32); 2]>;

impl SeqSet {
    /// Returns the empty set.
    pub fn new() -> Self {
        Self(Intervals::new())
    }

    /// Returns the set of all numbers from `from` up to, not including, `to`.
    pub fn from_range(range: Range<u32>) -> Self {
        if range.is_empty() { Self::new() } else { Self(Intervals::from_slice(&[(range.start, range.end)])) }
    }

    /// Adds one number. Tells whether it is new.
    pub fn insert(&mut self, seq: u32) -> bool {
        let next = self.0.partition_point(|(from, _)| *from <= seq);
        if next > 0 && seq < self.0[next - 1].1 {
            return false;
        }
        let after = seq.checked_add(1).expect(BOUNDED);
        let joins_left = next > 0 && self.0[next - 1].1 == seq;
        let joins_right = next < self.0.len() && self.0[next].0 == after;
        match (joins_left, joins_right) {
            (true, true) => {
                self.0[next - 1].1 = self.0[next].1;
                self.0.remove(next);
            }
            (true, false) => self.0[next - 1].1 = after,
            (false, true) => self.0[next].0 = seq,
            (false, false) => self.0.insert(next, (seq, after)),
        }
        true
    }

    /// Takes one number out. Tells whether it was there.
    pub fn remove(&mut self, seq: u32) -> bool {
        let next = self.0.partition_point(|(from, _)| *from <= seq);
        if next == 0 || seq >= self.0[next - 1].1 {
            return false;
        }
        let (from, to) = self.0[next - 1];
        match (from == seq, to == seq + 1) {
            (true, true) => _ = self.0.remove(next - 1),
            (true, false) => self.0[next - 1].0 = seq + 1,
            (false, true) => self.0[next - 1].1 = seq,
            (false, false) => {
                self.0[next - 1].1 = seq;
                self.0.insert(next, (seq + 1, to));
            }
        }
        true
    }

    /// Tells whether `seq` is in the set.
    pub fn contains(&self, seq: u32) -> bool {
        let next = self.0.partition_point(|(from, _)| *from <= seq);
        next > 0 && seq < self.0[next - 1].1
    }

    /// Returns how many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(from, to)| u64::from(to - from)).sum()
    }

    /// Tells whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first number after the last in the set, 0 for the empty set.
    pub fn end(&self) -> u32 {
        self.0.last().map_or(0, |(_, to)| *to)
    }

    /// Returns the intervals, in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<u32>> {
        self.0.iter().map(|(from, to)| *from..*to)
    }

    /// Returns the numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(from, to)| *from..*to)
    }

    /// Returns what is in either set.
    pub fn union(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        let mut joined = Intervals::with_capacity(ours.len().max(theirs.len()));
        loop {
            let first = match (ours.first(), theirs.first()) {
                (Some(a), Some(b)) if b < a => &mut theirs,
                (Some(_), _) => &mut ours,
                (None, Some(_)) => &mut theirs,
                (None, None) => return Self(joined),
            };
            let (from, to) = first[0];
            *first = &first[1..];
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
    }

    /// Returns what is in this set and not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Intervals::new();
        let mut holes = other.0.as_slice();
        for (from, to) in &self.0 {
            let mut from = *from;
            while let [(hole_from, hole_to), rest @ ..] = holes
                && hole_from < to
            {
                if from < *hole_from {
                    left.push((from, *hole_from));
                }
                from = from.max(*hole_to);
                if hole_to > to {
                    // It reaches into the next interval.
                    break;
                }
                holes = rest;
            }
            if from < *to {
                left.push((from, *to));
            }
        }
        if planted!(OffByOne)
            && let Some(last) = left.last_mut().filter(|(from, to)| to - from > 8)
        {
            last.1 -= 1;
        }
        Self(left)
    }

    /// Returns what is in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Intervals::new();
        let (mut ours, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        while let ([a, our_rest @ ..], [b, their_rest @ ..]) = (ours, theirs) {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1));
            if from < to {
                both.push((from, to));
            }
            if a.1 <= b.1 {
                ours = our_rest;
            } else {
                theirs = their_rest;
            }
        }
        Self(both)
    }

    /// Tells whether all of `other` is in this set.
    pub fn is_superset(&self, other: &Self) -> bool {
        let mut ours = self.0.as_slice();
        other.0.iter().all(|(from, to)| {
            while let [(_, end), rest @ ..] = ours
                && end <= from
            {
                ours = rest;
            }
            ours.first().is_some_and(|ours| ours.0 <= *from && *to <= ours.1)
        })
    }
}

impl FromIterator<u32> for SeqSet {
    fn from_iter<I: IntoIterator<Item = u32>>(seqs: I) -> Self {
        let mut sorted: Vec<u32> = seqs.into_iter().collect();
        sorted.sort_unstable();
        let mut set = Self::new();
        for seq in sorted {
            match set.0.last_mut() {
                Some(last) if seq < last.1 => {}
                Some(last) if seq == last.1 => last.1 = seq.checked_add(1).expect(BOUNDED),
                _ => set.0.push((seq, seq.checked_add(1).expect(BOUNDED))),
            }
        }
        set
    }
}

impl Serialize for SeqSet {
    /// Written as bytes: for each interval the gap before it, doubled, plus one if it holds a single number; else its length follows. So
    /// a scattered number costs two bytes, and a scattered hole three.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::with_capacity(2 * self.0.len());
        let mut end = 0;
        for (from, to) in &self.0 {
            let (gap, length) = (u64::from(from - end), u64::from(to - from));
            varint::put_u64(&mut out, gap << 1 | u64::from(length == 1));
            if length > 1 {
                varint::put_u64(&mut out, length);
            }
            end = *to;
        }
        serializer.serialize_bytes(&out)
    }
}

impl<'de> Deserialize<'de> for SeqSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Self::read(&bytes).ok_or_else(|| serde::de::Error::custom("no rising intervals"))
    }
}

impl SeqSet {
    fn read(mut input: &[u8]) -> Option<Self> {
        let mut ranges = Intervals::new();
        while !input.is_empty() {
            let word = varint::take_u64(&mut input).ok()?;
            let length =
                if word & 1 == 1 { 1 } else { varint::take_u64(&mut input).ok().filter(|length| *length > 1)? };
            let end = ranges.last().map(|(_, end)| *end);
            let from = end.unwrap_or(0).checked_add(u32::try_from(word >> 1).ok()?)?;
            let to = from.checked_add(u32::try_from(length).ok()?)?;
            if Some(from) == end || ranges.len() == INTERVALS_MAX {
                return None;
            }
            ranges.push((from, to));
        }
        Some(Self(ranges))
    }
}

/// The most intervals of a set that is read: every second batch of the largest segment. In memory each takes eight bytes, on the wire
/// perhaps one.
const INTERVALS_MAX: usize = 32_768;

const BOUNDED: &str = "seqs are bounded by the segment";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::btree_set;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::codec;

    fn seqs() -> impl Strategy<Value = BTreeSet<u32>> {
        btree_set(0u32..40, 0..30)
    }

    fn set(seqs: &BTreeSet<u32>) -> SeqSet {
        seqs.iter().copied().collect()
    }

    /// Numbers of sets as large and as scattered as a segment allows.
    #[test]
    fn scattered_sets_are_handled_too() {
        let (even, odd): (SeqSet, SeqSet) = ((0..65_536).step_by(2).collect(), (1..65_536).step_by(2).collect());
        let all = SeqSet::from_range(0..65_536);
        assert_eq!(
            (even.union(&odd), all.difference(&even), even.intersection(&odd)),
            (all.clone(), odd, SeqSet::new())
        );
        assert!(all.is_superset(&even) && !even.is_superset(&all));
        let mut left = all;
        assert!((0..65_536).step_by(2).all(|seq| left.remove(seq)));
        assert_eq!(left.ranges().len(), 32_768);
    }

    proptest! {
        #[test]
        fn it_does_what_a_set_of_numbers_does(a in seqs(), b in seqs(), x in 0u32..40) {
            prop_assert_eq!(set(&a).union(&set(&b)), set(&a.union(&b).copied().collect()));
            prop_assert_eq!(set(&a).difference(&set(&b)), set(&a.difference(&b).copied().collect()));
            prop_assert_eq!(set(&a).intersection(&set(&b)), set(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(set(&a).is_superset(&set(&b)), a.is_superset(&b));
            prop_assert_eq!(set(&a).len(), a.len() as u64);
            prop_assert_eq!(set(&a).contains(x), a.contains(&x));
            prop_assert_eq!(set(&a).iter().collect::<BTreeSet<_>>(), a.clone());
            let (mut removed, mut without) = (set(&a), a.clone());
            prop_assert_eq!(removed.remove(x), without.remove(&x));
            prop_assert_eq!(removed, set(&without));
        }

        #[test]
        fn decode_is_the_inverse_of_encode(a in seqs()) {
            prop_assert_eq!(codec::decode::<SeqSet>(1, &codec::encode(1, &set(&a))), Ok(set(&a)));
        }

        #[test]
        fn whatever_decodes_is_sound_and_has_one_spelling(bytes in proptest::collection::vec(0u8..6, 0..12)) {
            let encoded = codec::encode(1, &serde_bytes::Bytes::new(&bytes));
            if let Ok(set) = codec::decode::<SeqSet>(1, &encoded) {
                prop_assert!(set.0.iter().all(|(from, to)| from < to));
                prop_assert!(set.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
                prop_assert_eq!(codec::encode(1, &set), encoded);
            }
        }
    }

    #[test]
    fn a_scattered_hole_costs_three_bytes() {
        let mut held = SeqSet::from_range(0..60_000);
        (1..100).for_each(|at| _ = held.remove(at * 600));
        // Of the first interval the gap and the length; the number of bytes takes three, the version one.
        assert_eq!(codec::encode(1, &held).len(), 4 + 3 + 99 * 3);
    }
}
