//! RocksDB as the store uses it: families, views that see one moment, writes that are on the disk when they return.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rocksdb::{
    ColumnFamily, DB, DBPinnableSlice, Direction, IngestExternalFileOptions, IteratorMode, Options, ReadOptions,
    Snapshot, SstFileWriter, WriteBatch, WriteOptions,
};
use thiserror::Error;

use crate::disk::DiskGauge;
use crate::keys::{Family, Place};
use crate::readers::Readers;
use crate::settings::Settings;
use crate::stats::Counters;

/// The open database.
pub(crate) struct Db {
    pub(crate) rocks: DB,
    /// Kept for its statistics.
    pub(crate) options: Options,
    pub(crate) block_options: Options,
    pub(crate) path: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) readers: Readers,
    pub(crate) disk: DiskGauge,
    pub(crate) counters: Counters,
    /// Held from looking at what is there to having written what follows from it, so that no two changes cross.
    pub(crate) changing: Mutex<()>,
    /// Grows from the wall clock at the start, so that it grows over restarts too.
    pub(crate) generation: AtomicU64,
}

impl Db {
    /// Returns the handle of `family`.
    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        self.rocks.cf_handle(family.name()).expect("the store is opened with all families")
    }

    /// Returns a view of this moment.
    pub(crate) fn view(&self) -> View<'_> {
        // Entered first: what is retired from here on stays until the view is gone.
        let era = self.readers.enter();
        View { db: self, snapshot: self.rocks.snapshot(), era }
    }

    /// Writes all of `batch` or nothing, and returns when it is on the disk.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), WriteError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.rocks.write_opt(batch, &options).map_err(|error| self.write_failed(error))?;
        Counters::add(&self.counters.fsyncs, 1);
        Ok(())
    }

    /// Puts the parts of an extent into a file of their own, past the write-ahead log, and returns when it is on the disk.
    /// Nobody reads it before the extent's header is written.
    pub(crate) fn ingest(&self, parts: &[(Vec<u8>, &[u8])]) -> Result<(), WriteError> {
        let path = staging(&self.path).join(format!("{}.sst", self.next_generation()));
        let result = self.ingest_from(&path, parts).map_err(|error| self.write_failed(error));
        if result.is_err() {
            // A file that RocksDB took over is no longer here; what remains is swept at the next start too.
            let _ = std::fs::remove_file(&path);
        }
        result
    }

    fn ingest_from(&self, path: &Path, parts: &[(Vec<u8>, &[u8])]) -> Result<(), rocksdb::Error> {
        let mut writer = SstFileWriter::create(&self.block_options);
        writer.open(path)?;
        for (key, value) in parts {
            writer.put(key, value)?;
        }
        writer.finish()?;
        Counters::add(&self.counters.file_bytes, writer.file_size());
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.rocks.ingest_external_file_cf_opts(self.family(Family::Blocks), &options, vec![path])
    }

    /// Adds to `batch` what removes the parts at `places`. Returns those in files of their own: no snapshot keeps these, so
    /// they are to be retired when the batch is written.
    pub(crate) fn remove_parts(&self, places: impl Iterator<Item = Place>, batch: &mut WriteBatch) -> Vec<Place> {
        let (files, shared): (Vec<_>, Vec<_>) = places.partition(|place| place.family == Family::Blocks);
        for place in shared {
            let (start, end) = place.bounds();
            batch.delete_range_cf(self.family(place.family), start, end);
        }
        files
    }

    /// Lets the files of `extents`, which no new reader can see, go as soon as nobody reads them.
    pub(crate) fn retire(&self, extents: impl IntoIterator<Item = Place>) {
        let unseen = self.readers.retire(extents);
        self.delete_files(&unseen);
    }

    /// Deletes the files at `places`.
    pub(crate) fn delete_files(&self, places: &[Place]) {
        for place in places {
            let (start, end) = place.bounds();
            if let Err(error) = self.rocks.delete_file_in_range_cf(self.family(Family::Blocks), &start, &end) {
                tracing::warn!(segment = %place.id.segment, %error, "the file of a dropped extent stays until the next start");
            }
        }
    }

    /// Returns a number that no extent was ever written with.
    pub(crate) fn next_generation(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed)
    }

    /// Says what a failed write means.
    pub(crate) fn write_failed(&self, error: rocksdb::Error) -> WriteError {
        if error.as_ref().contains(NO_SPACE) {
            self.disk.note_no_space();
            return WriteError::DiskFull;
        }
        WriteError::Storage(error)
    }
}

/// Returns where files lie before RocksDB takes them over.
pub(crate) fn staging(store: &Path) -> PathBuf {
    store.join("staging")
}

/// What the store held at one moment. While it lives, nothing that it can see goes away.
pub(crate) struct View<'a> {
    pub(crate) db: &'a Db,
    snapshot: Snapshot<'a>,
    era: u64,
}

impl<'a> View<'a> {
    /// Reads one value.
    pub(crate) fn value(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        let mut options = ReadOptions::default();
        let in_extents = matches!(family, Family::Blocks | Family::Crumbs);
        options.fill_cache(!in_extents);
        // What lies in extents is held against its BLAKE3 whenever it is read: RocksDB's own sum over it would find nothing more.
        options.set_verify_checksums(!in_extents);
        self.snapshot.get_pinned_cf_opt(self.db.family(family), key, options)
    }

    /// Iterates over the keys from `start` up to, not including, `end`.
    pub(crate) fn range(&self, family: Family, start: &[u8], end: &[u8]) -> impl Iterator<Item = KeyValue> + use<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        self.snapshot.iterator_cf_opt(self.db.family(family), options, IteratorMode::Start)
    }

    /// Returns the last key at or before `key` that is not before `start`.
    pub(crate) fn last_before(&self, family: Family, start: &[u8], key: &[u8]) -> Option<KeyValue> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        let mode = IteratorMode::From(key, Direction::Reverse);
        self.snapshot.iterator_cf_opt(self.db.family(family), options, mode).next()
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        let unseen = self.db.readers.leave(self.era);
        self.db.delete_files(&unseen);
    }
}

/// A key and its value, or why there is none.
pub(crate) type KeyValue = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>;

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// RocksDB could not.
    #[error("the database could not be read")]
    Storage(#[from] rocksdb::Error),
    /// The ledger itself does not read: nothing can be said about what is held of the segment.
    #[error("the ledger does not read")]
    LedgerDamaged,
    /// The extent is not here.
    #[error("the extent is not here")]
    Unknown,
    /// The bytes do not hash to what they should.
    #[error("the bytes do not hash to what they should")]
    Damaged,
}

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// There is no room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// RocksDB could not.
    #[error("the database could not be written")]
    Storage(#[source] rocksdb::Error),
    /// What has to be read first could not be.
    #[error("what is there could not be read")]
    Read(#[from] ReadError),
    /// The value of a setting is larger than 16 MiB.
    #[error("the value is larger than {SETTING_BYTES_MAX} bytes")]
    TooLarge,
}

/// The most bytes of one persisted setting.
pub(crate) const SETTING_BYTES_MAX: usize = 16 << 20;

/// What the system says when the disk is full (`strerror(ENOSPC)`), and what RocksDB makes of it.
const NO_SPACE: &str = "No space left";
