//! What the store did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::statistics::Ticker;

use crate::db::Db;
use crate::keys::Family;

/// What the store did since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches made durable, not counting those that were there.
    pub batches: u64,
    /// Their canonical bytes.
    pub raw_bytes: u64,
    /// Their bytes under lz4.
    pub tail_bytes: u64,
    /// Groups of commits written; each is one fsync.
    pub commit_groups: u64,
    /// Waits for the disk.
    pub fsyncs: u64,
    /// Extents sealed here or adopted.
    pub extents: u64,
    /// The canonical bytes in them.
    pub sealed_raw_bytes: u64,
    /// What they take on the disk.
    pub sealed_stored_bytes: u64,
    /// Bytes written to the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes written to table files: flushed, compacted, and files of extents.
    pub table_bytes: u64,
    /// Batches found damaged and taken out.
    pub quarantined: u64,
    /// Bytes that wait for the writer.
    pub queue_bytes: u64,
    /// Memory of the write buffers.
    pub memtable_bytes: u64,
}

/// The counters behind [`Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) raw_bytes: AtomicU64,
    pub(crate) tail_bytes: AtomicU64,
    pub(crate) commit_groups: AtomicU64,
    pub(crate) fsyncs: AtomicU64,
    pub(crate) extents: AtomicU64,
    pub(crate) sealed_raw_bytes: AtomicU64,
    pub(crate) sealed_stored_bytes: AtomicU64,
    pub(crate) file_bytes: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) queue_bytes: AtomicU64,
}

impl Counters {
    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

impl Db {
    /// Returns what was done so far.
    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ticker = |ticker| self.options.get_ticker_count(ticker);
        let memtable =
            |family| self.rocks.property_int_value_cf(self.family(family), "rocksdb.cur-size-all-mem-tables");
        let counters = &self.counters;
        Stats {
            batches: read(&counters.batches),
            raw_bytes: read(&counters.raw_bytes),
            tail_bytes: read(&counters.tail_bytes),
            commit_groups: read(&counters.commit_groups),
            fsyncs: read(&counters.fsyncs),
            extents: read(&counters.extents),
            sealed_raw_bytes: read(&counters.sealed_raw_bytes),
            sealed_stored_bytes: read(&counters.sealed_stored_bytes),
            wal_bytes: ticker(Ticker::WalFileBytes),
            table_bytes: ticker(Ticker::FlushWriteBytes)
                + ticker(Ticker::CompactWriteBytes)
                + read(&counters.file_bytes),
            quarantined: read(&counters.quarantined),
            queue_bytes: read(&counters.queue_bytes),
            memtable_bytes: Family::ALL.iter().filter_map(|family| memtable(*family).ok().flatten()).sum(),
        }
    }
}
