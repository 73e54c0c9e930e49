//! What tenants want deleted: predicates that every node knows and holds against all that it shows, whenever that arrives.
//!
//! Batches are immutable and named by their hashes, so deleting takes nothing out of them: a deletion is a row of a table
//! that all nodes share, and whatever it covers is left out where it would be read, until retention drops the data itself.
//! The table is a state-based CRDT: rows are added and, once and for all, cancelled; merging is commutative, associative
//! and idempotent. A row stays for as long as data that it covers may lie on any disk, so nothing comes back by repair.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{self, DecodeError};
use crate::id::NodeId;
use crate::segment::Window;
use crate::time::{TimeRange, Timestamp};

/// Names a deletion: the first 16 bytes of BLAKE3 over all of it that cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeletionId([u8; 16]);

impl fmt::Display for DeletionId {
    /// Prints 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DeletionId {
    type Err = NoDeletionId;

    fn from_str(text: &str) -> Result<Self, NoDeletionId> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoDeletionId);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoDeletionId)?;
        }
        Ok(Self(bytes))
    }
}

/// Text that names no deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a deletion is named by 32 hexadecimal digits")]
pub struct NoDeletionId;

/// One deletion. It covers the records of a tenant that its query matches and whose own time lies from `start` to `end`,
/// whenever they were or will be taken in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deletion {
    /// Whose records.
    pub tenant: String,
    /// A log query in LogQL. At most [`QUERY_BYTES_MAX`] bytes.
    pub query: String,
    /// The first timestamp that is covered.
    pub start: Timestamp,
    /// The last timestamp that is covered; never after `created`.
    pub end: Timestamp,
    /// When it was asked for, by the clock of the node that was asked.
    pub created: Timestamp,
    /// The node that was asked.
    pub node: NodeId,
    /// Whether it was taken back. It covers nothing then, and will never again.
    pub is_cancelled: bool,
}

impl Deletion {
    /// Returns the name of the deletion, which stays when it is cancelled.
    pub fn id(&self) -> DeletionId {
        let lasting = Self { is_cancelled: false, ..self.clone() };
        DeletionId(truncated(&codec::encode(VERSION, &lasting)))
    }

    /// Returns the record time that is covered.
    pub fn range(&self) -> TimeRange {
        TimeRange { start: self.start, end: self.end.saturating_add(Duration::from_nanos(1)) }
    }

    /// Returns when nothing that it covers is left on any disk, for segments that are kept for `retention` by clocks that lie
    /// at most `skew` apart.
    pub fn expires(&self, retention: Duration, skew: Duration) -> Timestamp {
        Window::of(self.end).end().saturating_add(retention).saturating_add(skew * 2)
    }

    fn is_sound(&self) -> bool {
        let is_short = self.query.len() <= QUERY_BYTES_MAX && self.tenant.len() <= TENANT_BYTES_MAX;
        is_short && self.start <= self.end && self.end <= self.created
    }
}

/// All deletions that a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionTable {
    rows: BTreeMap<DeletionId, Deletion>,
    digest: [u8; 16],
}

impl DeletionTable {
    /// Returns the table without deletions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`DeletionTable::encode`] wrote; nothing at all is the table without deletions.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Self::new();
        if !bytes.is_empty() {
            table.merge(codec::decode_large::<Vec<Deletion>>(VERSION, bytes)?);
        }
        Ok(table)
    }

    /// Returns the table as bytes, to be persisted.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(VERSION, &self.rows().collect::<Vec<_>>())
    }

    /// Takes over rows and cancellations that are not known yet, and tells whether there were any. Refused are rows beyond
    /// their limits, and new ones while there are [`ROWS_MAX`].
    pub fn merge(&mut self, rows: impl IntoIterator<Item = Deletion>) -> bool {
        let mut is_changed = false;
        for row in rows.into_iter().filter(Deletion::is_sound) {
            let (id, room) = (row.id(), self.rows.len() < ROWS_MAX);
            match self.rows.get_mut(&id) {
                Some(known) => {
                    is_changed |= row.is_cancelled && !known.is_cancelled;
                    known.is_cancelled = row.is_cancelled || known.is_cancelled && !planted!(CancellationUndone);
                }
                None if room => {
                    is_changed = true;
                    self.rows.insert(id, row);
                }
                None => {}
            }
        }
        if is_changed {
            self.digest = self.compute_digest();
        }
        is_changed
    }

    /// Forgets the rows that `is_over` tells of. Tells whether there were any.
    pub fn forget(&mut self, is_over: impl Fn(&Deletion) -> bool) -> bool {
        let before = self.rows.len();
        self.rows.retain(|_, row| !is_over(row));
        if self.rows.len() != before {
            self.digest = self.compute_digest();
        }
        self.rows.len() != before
    }

    /// Tells whether a tenant may ask for one more.
    pub fn admit(&self, tenant: &str) -> Result<(), TooMany> {
        if self.of(tenant).count() >= REQUESTS_PER_TENANT_MAX {
            return Err(TooMany::OfTenant);
        }
        // Room is left for what others admit in a partition.
        if self.rows.len() >= REQUESTS_MAX { Err(TooMany::OfAll) } else { Ok(()) }
    }

    /// Returns a deletion.
    pub fn row(&self, id: DeletionId) -> Option<&Deletion> {
        self.rows.get(&id)
    }

    /// Returns all rows, cancelled ones too, in order of their names.
    pub fn rows(&self) -> impl Iterator<Item = &Deletion> {
        self.rows.values()
    }

    /// Returns the deletions of a tenant that hold, in order of their names.
    pub fn of<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a Deletion> {
        self.rows().filter(move |row| row.tenant == tenant && !row.is_cancelled)
    }

    /// Returns the digest of all rows: equal if the tables are; zeros if there are none.
    pub fn digest(&self) -> [u8; 16] {
        self.digest
    }

    fn compute_digest(&self) -> [u8; 16] {
        if self.rows.is_empty() { [0; 16] } else { truncated(&self.encode()) }
    }
}

/// Why one more deletion is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TooMany {
    /// The tenant has as many as it may.
    #[error(
        "this tenant has {REQUESTS_PER_TENANT_MAX} delete requests already; they leave with the data that they cover"
    )]
    OfTenant,
    /// All together have as many as they may.
    #[error("there are {REQUESTS_MAX} delete requests already; they leave with the data that they cover")]
    OfAll,
}

fn truncated(bytes: &[u8]) -> [u8; 16] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash has more than 16 bytes")
}

/// The longest query of a deletion.
pub const QUERY_BYTES_MAX: usize = 2 << 10;

/// The most deletions of one tenant that hold at a time; each costs every scan of what it covers. One more is refused.
pub const REQUESTS_PER_TENANT_MAX: usize = 1_000;

/// The most rows that a node admits one more to. Beyond, requests are refused.
pub const REQUESTS_MAX: usize = 2_048;

/// The most rows that a table takes over from others: three sides of a partition may each have admitted all they could. Rows
/// beyond are refused until others expire.
pub const ROWS_MAX: usize = 3 * REQUESTS_MAX;

/// A tenant's name is shorter.
const TENANT_BYTES_MAX: usize = 256;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn row(number: i64, is_cancelled: bool) -> Deletion {
        let at = Timestamp::from_nanos;
        Deletion {
            tenant: format!("t{}", number % 2),
            query: format!("{{n=\"{number}\"}}"),
            start: at(number),
            end: at(number + 5),
            created: at(number + 9),
            node: NodeId::from_bytes([7; 32]),
            is_cancelled,
        }
    }

    fn table(rows: impl IntoIterator<Item = Deletion>) -> DeletionTable {
        let mut table = DeletionTable::new();
        table.merge(rows);
        table
    }

    fn rows() -> impl Strategy<Value = Vec<Deletion>> {
        vec((0_i64..6, any::<bool>()).prop_map(|(number, is_cancelled)| row(number, is_cancelled)), 0..12)
    }

    proptest! {
        #[test]
        fn merge_is_commutative_associative_and_idempotent(a in rows(), b in rows(), c in rows()) {
            let merged = |parts: &[&[Deletion]]| table(parts.iter().flat_map(|rows| rows.to_vec()));
            prop_assert_eq!(merged(&[&a, &b, &c]), merged(&[&c, &b, &a]));
            let mut nested = table(a.clone());
            nested.merge(merged(&[&b, &c]).rows().cloned());
            prop_assert_eq!(&nested, &merged(&[&a, &b, &c]));
            prop_assert!(!nested.merge(a));
        }

        #[test]
        fn a_merge_tells_whether_it_changed_anything_and_digests_show_it(a in rows(), b in rows()) {
            let before = table(a);
            let mut after = before.clone();
            let is_changed = after.merge(b);
            prop_assert_eq!(is_changed, before != after);
            prop_assert_eq!(is_changed, before.digest() != after.digest());
        }

        #[test]
        fn what_was_cancelled_never_holds_again(a in rows(), b in rows()) {
            let mut merged = table(a.clone());
            merged.merge(b.clone());
            for number in 0..6 {
                let (live, gone) = (row(number, false), row(number, true));
                let is_known = a.iter().chain(&b).any(|row| row.id() == live.id());
                let was_cancelled = a.iter().chain(&b).any(|row| *row == gone);
                let holds = merged.of(&live.tenant).any(|row| *row == live);
                prop_assert_eq!(holds, is_known && !was_cancelled);
            }
        }

        #[test]
        fn a_table_is_read_as_it_was_written(a in rows()) {
            let written = table(a);
            prop_assert_eq!(DeletionTable::decode(&written.encode()), Ok(written));
        }

        #[test]
        fn noise_never_panics(bytes in vec(any::<u8>(), 0..200)) {
            let _ = DeletionTable::decode(&bytes);
            let _ = DeletionTable::decode(&[&[VERSION], &bytes[..]].concat());
        }
    }

    #[test]
    fn the_bytes_of_version_one_stay_as_they_are() {
        let bytes = table([row(1, false), row(2, true)]).encode();
        let hash = crate::id::BatchId::of(&bytes).to_string();
        assert_eq!((bytes.len(), &hash[..16]), (96, "eac716fd4b69fd54"));
        assert_eq!(row(1, true).id().to_string(), "14e24f57c23112c2c148148253edb8d6");
    }

    #[test]
    fn a_name_is_read_as_it_is_printed() {
        let id = row(3, false).id();
        assert_eq!(id, row(3, true).id());
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "x", &"g".repeat(32), &"é".repeat(16), &id.to_string()[1..]] {
            assert_eq!(wrong.parse::<DeletionId>(), Err(NoDeletionId), "{wrong:?}");
        }
    }

    #[test]
    fn unsound_rows_are_refused() {
        let future = Deletion { end: Timestamp::from_nanos(100), ..row(1, false) };
        let backward = Deletion { start: Timestamp::from_nanos(8), ..row(1, false) };
        let long = Deletion { query: "x".repeat(QUERY_BYTES_MAX + 1), ..row(1, false) };
        assert_eq!(table([future, backward, long]), DeletionTable::new());
    }

    #[test]
    fn requests_are_bounded_and_cancelled_ones_make_room_for_their_tenant() {
        let of = |number: usize| row(2 * number as i64, false);
        let mut full = table((0..REQUESTS_PER_TENANT_MAX).map(of));
        assert_eq!((full.admit("t0"), full.admit("t1")), (Err(TooMany::OfTenant), Ok(())));
        full.merge([row(0, true)]);
        assert_eq!(full.admit("t0"), Ok(()));
        full.merge((0..ROWS_MAX + 9).map(of));
        assert_eq!((full.rows().count(), full.admit("t1")), (ROWS_MAX, Err(TooMany::OfAll)));
    }

    #[test]
    fn a_row_outlives_all_that_it_covers() {
        let (retention, skew) = (Duration::from_secs(86_400), Duration::from_secs(600));
        let deletion = row(1, false);
        let dropped = Window::of(deletion.end).end().saturating_add(retention).saturating_add(skew);
        assert!(deletion.expires(retention, skew) > dropped);
        let mut known = table([deletion.clone()]);
        assert!(!known.forget(|row| row.expires(retention, skew) <= dropped));
        assert!(known.forget(|row| row.expires(retention, skew) <= Timestamp::MAX));
        assert_eq!((known.rows().count(), known.digest()), (0, [0; 16]));
    }
}
