//! Sends what members say to each other, and counts it by kind.

use std::sync::Arc;

use logmesh_net::{Frame, Net};
use logmesh_protocol::envelope::Envelope;
use logmesh_protocol::id::NodeId;

use crate::metrics::{FrameKind, Metrics};

/// A way to the members. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    net: Arc<Net>,
    metrics: Arc<Metrics>,
}

impl Sender {
    /// Returns a way over `net`.
    pub(crate) fn new(net: Arc<Net>, metrics: Arc<Metrics>) -> Self {
        Self { net, metrics }
    }

    /// Queues an envelope for a member. Tells whether there was room and a way; if not, the machine sends again.
    pub(crate) fn send(&self, to: NodeId, envelope: Envelope) -> bool {
        let kind = match &envelope {
            Envelope::Message(_) => FrameKind::Message,
            Envelope::Batches(_) => FrameKind::Batches,
            Envelope::Extent(..) => FrameKind::Extent,
        };
        let (head, bodies) = envelope.encode();
        let frame = Frame { head, bodies };
        let bytes = frame.wire_bytes();
        let sent = self.net.try_send(to, frame).is_ok();
        if sent {
            self.metrics.on_frame(kind, bytes);
        }
        sent
    }
}
