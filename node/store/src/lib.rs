//! The local store of a node: RocksDB, sealed blocks, recovery.
