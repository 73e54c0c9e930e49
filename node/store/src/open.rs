//! Opens a store: whose directory it is, which format, and how RocksDB is set up.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rocksdb::statistics::StatsLevel;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind, Options,
};
use thiserror::Error;

use crate::db::{Db, ReadError, staging};
use crate::disk::DiskGauge;
use crate::keys::Family;
use crate::readers::Readers;
use crate::recover::{Recovered, recover, sweep};
use crate::settings::Settings;
use crate::stats::Counters;

/// Opens the store in the directory `path`, made if it is not there. The file keeps others out as long as it is open.
pub(crate) fn open(path: &Path, settings: Settings) -> Result<(Db, File, Recovered), OpenError> {
    let failed = |source| OpenError::Directory { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(failed)?;
    let lock = lock(path)?;
    check_format(path)?;
    let staging = staging(path);
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(failed)?;
    }
    std::fs::create_dir_all(&staging).map_err(failed)?;
    let cache = Cache::new_lru_cache(settings.block_cache_bytes);
    let mut options = database_options(&settings);
    let broken = |source| OpenError::Storage { path: path.to_owned(), source };
    let (rocks, is_torn) = open_database(path, &settings, &cache, &mut options).map_err(broken)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let db = Db {
        rocks,
        options,
        block_options: family_options(Family::Blocks, &settings, &cache),
        path: path.to_owned(),
        disk: DiskGauge::new(path, &settings),
        settings,
        readers: Readers::default(),
        counters: Counters::default(),
        changing: Mutex::new(()),
        generation: AtomicU64::new(started),
    };
    let swept = sweep(&db).map_err(broken)?;
    let segments = recover(&db).map_err(|source| OpenError::Ledger { path: path.to_owned(), source })?;
    let recovered = Recovered { segments, is_torn };
    tracing::info!(path = %path.display(), segments = recovered.segments.len(), swept, "store opened");
    Ok((db, lock, recovered))
}

/// Opens the database, and tells whether its log is torn: whether something that was durable did not read any more. What a
/// crash cuts off at the end of the log never was, and tears nothing.
fn open_database(
    path: &Path,
    settings: &Settings,
    cache: &Cache,
    options: &mut Options,
) -> Result<(DB, bool), rocksdb::Error> {
    let path = path.join("rocksdb");
    let families = || {
        // RocksDB insists on one more, which stays empty. After a full disk it goes on only when as much is free as the
        // largest write buffer, and that shall not be the one nobody uses.
        let mut unused = Options::default();
        unused.set_write_buffer_size(1 << 20);
        let ours = Family::ALL.map(|family| (family.name(), family_options(family, settings, cache)));
        let families = ours.into_iter().chain([("default", unused)]);
        families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options)).collect::<Vec<_>>()
    };
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    match DB::open_cf_descriptors(options, &path, families()) {
        Err(error) if error.kind() == ErrorKind::Corruption => {
            tracing::error!(%error, "the log of the database is damaged: what it holds before the damage is kept");
            options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
            Ok((DB::open_cf_descriptors(options, &path, families())?, true))
        }
        opened => Ok((opened?, false)),
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = path.join(LOCK);
    let failed = |source| OpenError::Directory { path: path.to_owned(), source };
    let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Checks that the directory is a store of a format known here, or empty, and then makes it one.
fn check_format(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: path.to_owned(), source };
    let file = path.join(FORMAT);
    if file.exists() {
        let text = std::fs::read_to_string(&file).map_err(failed)?;
        let found = text.strip_prefix(FORMAT_NAME).and_then(|version| version.trim().parse::<u32>().ok());
        return match found {
            Some(FORMAT_VERSION) => Ok(()),
            // All of it is read; only from now on it is not for those who know no more than that.
            Some(FORMAT_VERSION_FIRST) => write_format(path).map_err(failed),
            Some(found) => Err(OpenError::Format { path: path.to_owned(), found, known: FORMAT_VERSION }),
            None => Err(OpenError::NotAStore { path: path.to_owned() }),
        };
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != LOCK && name != FORMAT_NEW {
            return Err(OpenError::NotAStore { path: path.to_owned() });
        }
    }
    write_format(path).map_err(failed)
}

fn write_format(path: &Path) -> std::io::Result<()> {
    let new = path.join(FORMAT_NEW);
    let mut out = File::create(&new)?;
    writeln!(out, "{FORMAT_NAME}{FORMAT_VERSION}")?;
    out.sync_all()?;
    std::fs::rename(&new, path.join(FORMAT))?;
    File::open(path)?.sync_all()
}

fn database_options(settings: &Settings) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_total_wal_size(settings.wal_bytes_max);
    options.set_max_open_files(settings.open_files_max);
    // The tail's buffer, one being flushed, and no more: what a flood can take of memory.
    options.set_db_write_buffer_size(settings.tail_memtable_bytes.saturating_mul(2));
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_bytes_per_sync(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.enable_statistics();
    // Counters only: timers cost a clock reading each.
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

fn family_options(family: Family, settings: &Settings, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(16 << 10);
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_write_buffer_number(3);
    match family {
        Family::Tail => options.set_write_buffer_size(settings.tail_memtable_bytes),
        Family::Ledger => {
            // Ids are noise, keys are not: what is left of a key after the one before it is small.
            options.set_write_buffer_size(8 << 20);
            table.set_bloom_filter(10.0, false);
        }
        Family::Extents | Family::Crumbs => options.set_write_buffer_size(8 << 20),
        // Its write buffer takes nothing but tombstones: extents come as files.
        Family::Blocks | Family::Settings | Family::Quarantine => options.set_write_buffer_size(1 << 20),
    }
    options.set_block_based_table_factory(&table);
    options
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by another process; stop it, or choose another directory", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error("{path} is not empty and not a logmesh store; choose another directory", path = path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// The store was written in a format that is not known here.
    #[error("{path} has store format {found}, this logmesh reads {known}; run the version that wrote it", path = path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format known here.
        known: u32,
    },
    /// The directory cannot be used.
    #[error("{path} cannot be used", path = path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// RocksDB cannot open it.
    #[error(
        "the database in {path} cannot be opened; if it is damaged, move it away and start without it: the mesh fills it again",
        path = path.display()
    )]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: rocksdb::Error,
    },
    /// The ledger cannot be read.
    #[error(
        "the ledger in {path} cannot be read; move it away and start without it: the mesh fills it again",
        path = path.display()
    )]
    Ledger {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
}

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
const FORMAT_NEW: &str = "FORMAT.new";
const FORMAT_NAME: &str = "logmesh store ";
const FORMAT_VERSION: u32 = 2;
/// Its blocks do not say how they are compressed.
const FORMAT_VERSION_FIRST: u32 = 1;
