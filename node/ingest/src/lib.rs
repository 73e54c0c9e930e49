//! Decoders of the ways in: one file a protocol.
