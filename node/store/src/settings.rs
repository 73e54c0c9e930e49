//! What an operator may choose about the store of one node. Nothing here need be equal on two nodes.

use std::fmt;
use std::sync::Arc;

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most bytes that wait for the writer. A commit beyond it is refused as busy. A guess: half a second of a fast disk.
    pub commit_queue_bytes_max: usize,
    /// The most bytes that go into one fsync, so that the first of a group does not wait for a flood behind it. A guess.
    pub commit_group_bytes_max: usize,
    /// Below this much free space commits are refused, so that sealing, deletion and the system keep room. A guess.
    pub disk_reserve_bytes: u64,
    /// The lines that go into one block before it is cut: 1 to 2 MiB compress best for their cost (DESIGN §10).
    pub block_bytes: usize,
    /// How the text of blocks is compressed that are sealed from now on. What is sealed already stays as it is.
    pub compression: Compression,
    /// Extents whose stored bytes reach this get a file of their own, past the write-ahead log; smaller ones share files, so
    /// that quiet segments do not leave a file each. A guess.
    pub extent_file_bytes_min: usize,
    /// The cache for ledgers, headers and the tail. Blocks are read past it: the page cache holds them already.
    pub block_cache_bytes: usize,
    /// The write buffer of the tail: at least four times the window of sealing, under lz4 (DESIGN §10).
    pub tail_memtable_bytes: usize,
    /// The write-ahead log beyond which buffers are flushed; bounds what a restart replays. A guess: a second or two.
    pub wal_bytes_max: u64,
    /// The table files held open at a time, about 100 kB of memory each at the most.
    pub open_files_max: i32,
    /// The damaged bytes that are kept; the oldest are dropped beyond it. A guess: enough to look at.
    pub quarantine_bytes_max: u64,
    /// Where free space is read.
    pub free_space: FreeSpace,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            commit_queue_bytes_max: 64 << 20,
            commit_group_bytes_max: 16 << 20,
            disk_reserve_bytes: 1 << 30,
            block_bytes: 3 << 19,
            compression: Compression::Zstd,
            extent_file_bytes_min: 512 << 10,
            block_cache_bytes: 32 << 20,
            tail_memtable_bytes: 64 << 20,
            wal_bytes_max: 256 << 20,
            open_files_max: 512,
            quarantine_bytes_max: 64 << 20,
            free_space: FreeSpace::OfDisk,
        }
    }
}

/// How text is compressed. Each block says how its own is, so any node reads what any other sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zstd-1 (RFC 8878): the least disk.
    Zstd,
    /// The LZ4 block format: half as much disk again and more, searched twice as fast.
    Lz4,
}

impl Compression {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Zstd, Self::Lz4];
}

/// Where free space is read.
#[derive(Clone)]
pub enum FreeSpace {
    /// From the file system that holds the store.
    OfDisk,
    /// From elsewhere: a test that fills a disk without one, or a quota.
    From(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl fmt::Debug for FreeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfDisk => "OfDisk",
            Self::From(_) => "From",
        })
    }
}

/// The largest [`Settings::block_bytes`]; larger ones are taken as this.
pub(crate) const BLOCK_BYTES_MAX: usize = 8 << 20;
