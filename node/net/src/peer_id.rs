//! A node is its `PeerId`: both carry the same Ed25519 public key.

use libp2p::PeerId;
use logmesh_protocol::id::NodeId;

/// Returns libp2p's name for `node`.
pub(crate) fn peer_of(node: NodeId) -> PeerId {
    PeerId::from_bytes(&node.to_peer_id_bytes()).expect("an identity multihash of 36 bytes is a peer id")
}

/// Returns the node that `peer` names, or nothing if its key is not an Ed25519 one.
pub fn node_of(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let node = NodeId::from_bytes(*bytes.last_chunk::<32>()?);
    (node.to_peer_id_bytes() == bytes).then_some(node)
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn a_node_and_its_peer_id_print_alike_and_lead_to_each_other() {
        for _ in 0..20 {
            let peer = Keypair::generate_ed25519().public().to_peer_id();
            let node = node_of(&peer).unwrap();
            assert_eq!((peer_of(node), node.to_string()), (peer, peer.to_string()));
        }
        assert_eq!(node_of(&PeerId::random()), None, "a hashed key is no node");
        // Bytes that are no point of the curve still name a peer: nobody can hold its key.
        assert_eq!(node_of(&peer_of(NodeId::from_bytes([2; 32]))), Some(NodeId::from_bytes([2; 32])));
    }
}
