//! Sealing of datagrams: XChaCha20-Poly1305 with a random nonce each. A stranger can neither read nor make one.
//!
//! A sealed datagram is: version byte, 24 bytes of nonce, ciphertext, 16 bytes of tag. The version byte is authenticated.

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::secret::Secret;

/// Seals with the first secret and opens with any of them, so that a secret can be replaced without a stop.
pub(crate) struct Sealer {
    ciphers: Vec<XChaCha20Poly1305>,
    nonces: StdRng,
}

impl Sealer {
    /// Returns a sealer for `secrets`, or nothing if there are none.
    pub(crate) fn new(secrets: &[Secret]) -> Option<Self> {
        if secrets.is_empty() {
            return None;
        }
        let cipher = |secret: &Secret| XChaCha20Poly1305::new(Key::from_slice(&secret.datagram_key()));
        // 192 random bits from a generator seeded by the operating system never repeat in practice
        // (draft-irtf-cfrg-xchacha-03, section 2.1), so no counter has to survive a restart.
        Some(Self { ciphers: secrets.iter().map(cipher).collect(), nonces: StdRng::from_os_rng() })
    }

    /// Writes the sealed form of `plain` to `datagram`, replacing what was there.
    pub(crate) fn seal(&mut self, plain: &[u8], datagram: &mut Vec<u8>) {
        let mut nonce = [0; NONCE_BYTES];
        self.nonces.fill_bytes(&mut nonce);
        datagram.clear();
        datagram.push(VERSION);
        datagram.extend_from_slice(&nonce);
        datagram.extend_from_slice(plain);
        let tag = self.ciphers[0]
            .encrypt_in_place_detached(XNonce::from_slice(&nonce), &[VERSION], &mut datagram[HEAD_BYTES..])
            .expect("a datagram is far shorter than the cipher's limit");
        datagram.extend_from_slice(&tag);
    }

    /// Returns a random number that no other message of this node is likely to have.
    pub(crate) fn draw_message_id(&mut self) -> u64 {
        self.nonces.next_u64()
    }

    /// Opens `datagram` into `plain`; false if it was not sealed by a holder of one of the secrets.
    pub(crate) fn open(&self, datagram: &[u8], plain: &mut Vec<u8>) -> bool {
        if datagram.len() < SEAL_BYTES || datagram[0] != VERSION {
            return false;
        }
        let (nonce, sealed) = datagram[1..].split_at(NONCE_BYTES);
        let (body, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
        self.ciphers.iter().any(|cipher| {
            plain.clear();
            plain.extend_from_slice(body);
            cipher.decrypt_in_place_detached(XNonce::from_slice(nonce), &[VERSION], plain, Tag::from_slice(tag)).is_ok()
        })
    }
}

/// What a seal adds to a plain datagram, in bytes.
pub(crate) const SEAL_BYTES: usize = HEAD_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn sealer(secrets: &[Secret]) -> Sealer {
        Sealer::new(secrets).unwrap()
    }

    #[test]
    fn a_rotated_secret_is_accepted_and_a_foreign_one_is_not() {
        let (old, new, foreign) = (Secret::generate(), Secret::generate(), Secret::generate());
        let (mut datagram, mut plain) = (Vec::new(), Vec::new());
        sealer(std::slice::from_ref(&old)).seal(b"facts", &mut datagram);
        assert!(sealer(&[new.clone(), old]).open(&datagram, &mut plain));
        assert_eq!(plain, b"facts");
        assert!(!sealer(&[foreign, new]).open(&datagram, &mut plain));
        assert!(Sealer::new(&[]).is_none());
    }

    #[test]
    fn the_same_message_never_looks_the_same() {
        let mut sealer = sealer(&[Secret::development()]);
        let (mut one, mut two) = (Vec::new(), Vec::new());
        sealer.seal(b"facts", &mut one);
        sealer.seal(b"facts", &mut two);
        assert_ne!(one, two);
        assert_eq!(one.len(), 5 + SEAL_BYTES);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut sealer = sealer(&[Secret::development()]);
            let (mut datagram, mut opened) = (Vec::new(), Vec::new());
            sealer.seal(&plain, &mut datagram);
            prop_assert!(sealer.open(&datagram, &mut opened));
            prop_assert_eq!(opened, plain);
        }

        #[test]
        fn a_changed_or_shortened_datagram_is_refused(at in 0_usize..60, flip in 1_u8..) {
            let mut sealer = sealer(&[Secret::development()]);
            let (mut datagram, mut opened) = (Vec::new(), Vec::new());
            sealer.seal(&[7; 60 - SEAL_BYTES], &mut datagram);
            prop_assert!(!sealer.open(&datagram[..at], &mut opened));
            datagram[at] ^= flip;
            prop_assert!(!sealer.open(&datagram, &mut opened));
        }

        #[test]
        fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!sealer(&[Secret::development()]).open(&noise, &mut Vec::new()));
        }
    }
}
