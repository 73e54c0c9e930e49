//! The local store of a node: RocksDB, sealed blocks, recovery.
//!
//! It makes batches durable before it says so, folds them into columnar blocks, gives any of them back byte for byte, and
//! hands out rows. It must never give out a byte that does not hash to what was stored, never decide anything that two
//! nodes must agree on, and never wait for the network.

mod adopt;
mod batch;
mod block;
mod columns;
mod commit;
#[cfg(any(test, feature = "damage"))]
pub mod damage;
mod db;
mod disk;
mod extent;
mod frames;
mod gather;
mod header;
mod keys;
mod ledger;
mod open;
mod quarantine;
mod readers;
mod recover;
mod scan;
mod seal;
mod settings;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod weave;
mod writer;

pub use adopt::AdoptError;
pub use batch::Unsound;
pub use commit::{Append, Commit, CommitError, Committed, Done, Refused, RefusedBecause, Stored};
pub use db::{ReadError, WriteError};
pub use disk::{Disk, DiskState};
pub use extent::Extent;
pub use frames::Frames;
pub use logmesh_protocol::ledger::LedgerEntry;
pub use open::OpenError;
pub use recover::{Recovered, RecoveredSegment};
pub use scan::{ScanOutcome, ScanRequest, Scanned};
pub use seal::SealError;
pub use settings::{Compression, FreeSpace, Settings};
pub use stats::Stats;
pub use store::Store;
