//! Membership: chitchat (scuttlebutt gossip, phi-accrual failure detection) over sealed UDP.
//!
//! This room tells the shell which nodes it hears, at which addresses, and what facts they state about themselves. It
//! decides nothing: who is a member is the member table's business (`protocol`), chitchat only supplies liveness,
//! addresses and facts. It must never send or accept a datagram that is not sealed with a mesh secret, and nothing that
//! arrives on the port may stop it: bad input moves a counter.
//!
//! A captured datagram can be sent again by a stranger. That does little: scuttlebutt is idempotent, versions and
//! heartbeats only grow, and a node collected as dead is remembered with its last heartbeat. What a replay can do is
//! cause one answer to the address it came from.

mod contacts;
mod counters;
mod facts;
mod fragment;
mod gossip;
mod keeper;
mod seal;
mod secret;
mod settings;
mod snapshot;
mod socket;

pub use counters::Counters;
pub use facts::FactError;
pub use facts::{FACT_BYTES_MAX, FACTS_BYTES_MAX, FACTS_MAX};
pub use gossip::{Gossip, StartError};
// For `tests/conformance.rs`, which holds the simulator's model to chitchat as a node sets it up.
#[doc(hidden)]
pub use keeper::chitchat_config;
pub use secret::{ParseSecretError, Secret};
pub use settings::Settings;
pub use snapshot::{Peer, Snapshot};
