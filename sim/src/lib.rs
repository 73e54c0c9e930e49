//! A made-up world that drives the very machine of production in virtual time, bit for bit repeatable from one seed.
//!
//! Nothing here may decide anything about the mesh: hosts perform what the machine wants, the network and the disks do them
//! ill, and the oracle judges what came of it.

pub mod disk;
pub mod fuzz;
pub mod gossip;
pub mod host;
pub mod network;
pub mod oracle;
pub mod world;
