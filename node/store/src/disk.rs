//! Room on the disk: read before each commit, so that the store stops taking writes while it can still seal and delete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::settings::{FreeSpace, Settings};

/// Room on the disk, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The bytes that are free.
    pub free_bytes: u64,
    /// Whether commits are taken.
    pub state: DiskState,
}

/// Whether commits are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// There is room.
    Writable,
    /// Less is free than the reserve, or the disk refused a write. Reads go on.
    Full,
}

/// What reads the room.
pub(crate) struct DiskGauge {
    path: PathBuf,
    source: FreeSpace,
    reserve_bytes: u64,
    /// The disk refused a write since the reserve was last there.
    refused: AtomicBool,
}

impl DiskGauge {
    /// Returns a gauge for the disk that holds `path`.
    pub(crate) fn new(path: &Path, settings: &Settings) -> Self {
        Self {
            path: path.to_owned(),
            source: settings.free_space.clone(),
            reserve_bytes: settings.disk_reserve_bytes,
            refused: AtomicBool::new(false),
        }
    }

    /// Reads the room: one system call, about a microsecond.
    pub(crate) fn read(&self) -> Disk {
        let free_bytes = match &self.source {
            FreeSpace::From(read) => read(),
            FreeSpace::OfDisk => free_bytes(&self.path),
        };
        if free_bytes < self.reserve_bytes {
            return Disk { free_bytes, state: DiskState::Full };
        }
        // With the reserve there again a write is worth trying; should the disk refuse it (a quota), it is noted again.
        self.refused.store(false, Ordering::Relaxed);
        Disk { free_bytes, state: DiskState::Writable }
    }

    /// Tells whether a change that makes room in the end (a seal) may use `bytes` of the reserve.
    pub(crate) fn lends(&self, bytes: u64) -> bool {
        self.read().free_bytes > bytes.saturating_mul(2)
    }

    /// Notes that the disk refused a write.
    pub(crate) fn note_no_space(&self) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::error!(path = %self.path.display(), "the disk is full");
        }
    }
}

fn free_bytes(path: &Path) -> u64 {
    match rustix::fs::statvfs(path) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        // If the disk cannot say, writing is the better test.
        Err(_) => u64::MAX,
    }
}
