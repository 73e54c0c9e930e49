//! Streams between members: libp2p over TCP, Noise and Yamux.
//!
//! This room carries frames and requests between this node and the members it is told of. It decides nothing and
//! promises little: frames to one peer arrive in order or not at all. When a connection breaks, those under way are
//! lost, and a peer may read a frame whose sender thinks it lost and sends it again; the machine above repeats and
//! ignores as it needs. It must never block its caller, speak to anyone who is not a member, let one slow peer slow
//! another, or hold more than its settings say.

mod answer;
mod ask;
mod counters;
mod frame;
mod identity;
mod line;
mod members;
mod net;
mod peer_id;
mod queue;
mod reader;
mod receive;
mod send;
mod settings;
mod switchboard;

pub use answer::{IncomingRequest, ReplyError, ReplySender};
pub use ask::{RequestError, Response};
pub use counters::{Counters, PeerCounters};
pub use frame::{Frame, MalformedFrame};
pub use identity::{Identity, IdentityError};
pub use net::{Incoming, Net, StartError};
pub use peer_id::node_of;
pub use queue::SendError;
pub use receive::Frames;
pub use settings::Settings;
