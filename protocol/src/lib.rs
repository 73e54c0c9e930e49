//! What two nodes must agree on.
//!
//! This crate decides; `node` performs and `sim` performs in a world of its own. It must never hold a clock, ambient
//! randomness, I/O, async, locks, threads or hash maps: everything it knows comes in as an argument.

#[macro_use]
mod hooks;

pub mod batch;
pub mod codec;
pub mod config;
pub mod deletion;
pub mod envelope;
pub mod id;
pub mod ledger;
pub mod member;
pub mod merkle;
pub mod message;
pub mod placement;
pub mod plan;
#[cfg(feature = "planted")]
pub mod planted;
pub mod record;
pub mod replica;
pub mod rows;
pub mod segment;
pub mod seq_set;
pub mod time;
pub mod varint;
