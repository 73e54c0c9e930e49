//! A made-up world that drives the very machine of production in virtual time, bit for bit repeatable from one seed.
//!
//! Nothing here may decide anything about the mesh: hosts perform what the machine wants, the network and the disks do them
//! ill, and the oracle judges what came of it.

#[cfg(feature = "planted")]
pub mod catch;
pub mod clock;
pub mod compare;
pub mod disk;
pub mod gossip;
pub mod host;
pub mod hosts;
pub mod network;
pub mod oracle;
pub mod progress;
mod queue;
pub mod report;
pub mod sample;
pub mod scenario;
pub mod shrink;
pub mod spec;
pub mod swarm;
pub mod trial;
pub mod world;
