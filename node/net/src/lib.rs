//! Streams between members: libp2p over TCP, Noise and Yamux.
