//! Splitting of messages into datagrams that no network has to fragment, and putting them together again.
//!
//! A message of chitchat reaches 64 KiB, which sealed would exceed UDP's limit; and datagrams that IP has to fragment
//! are dropped by many firewalls and cloud networks. Memory for half-arrived messages is bounded: beyond
//! [`PARTIALS_MAX`] the oldest is forgotten, and gossip repeats itself anyway.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::seal::SEAL_BYTES;

/// Returns the datagrams' plain contents for `message`, or nothing if it would take more than [`FRAGMENTS_MAX`].
pub(crate) fn split(message_id: u64, message: &[u8]) -> Option<impl Iterator<Item = Vec<u8>>> {
    let count = u8::try_from(message.len().div_ceil(FRAGMENT_BYTES)).ok().filter(|count| *count <= FRAGMENTS_MAX)?;
    let fragment = move |(index, part): (usize, &[u8])| {
        let mut plain = Vec::with_capacity(HEAD_BYTES + part.len());
        plain.extend_from_slice(&message_id.to_le_bytes());
        plain.push(u8::try_from(index).expect("fewer fragments than FRAGMENTS_MAX"));
        plain.push(count);
        plain.extend_from_slice(part);
        plain
    };
    Some(message.chunks(FRAGMENT_BYTES).enumerate().map(fragment))
}

/// Messages of which some fragments have arrived.
#[derive(Default)]
pub(crate) struct Reassembly {
    partials: BTreeMap<(SocketAddr, u64), Partial>,
    order: VecDeque<(SocketAddr, u64)>,
}

impl Reassembly {
    /// Takes in one datagram's plain content and returns the message that it completes, if it does.
    pub(crate) fn handle_fragment(&mut self, from: SocketAddr, plain: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let (head, part) = plain.split_at_checked(HEAD_BYTES).ok_or(Malformed)?;
        let (id, place) = head.split_first_chunk::<8>().ok_or(Malformed)?;
        let (index, count) = (place[0], place[1]);
        if index >= count || count > FRAGMENTS_MAX || part.is_empty() || part.len() > FRAGMENT_BYTES {
            return Err(Malformed);
        }
        if count == 1 {
            return Ok(Some(part.to_vec()));
        }
        let key = (from, u64::from_le_bytes(*id));
        let partial = self.partials.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Partial { parts: vec![None; usize::from(count)], missing: usize::from(count) }
        });
        let complete = partial.take(usize::from(index), usize::from(count), part)?;
        if complete.is_some() {
            self.partials.remove(&key);
            self.order.retain(|other| *other != key);
        }
        self.forget_oldest();
        Ok(complete)
    }

    fn forget_oldest(&mut self) {
        while self.order.len() > PARTIALS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.partials.remove(&oldest);
            }
        }
    }
}

/// A datagram with a good seal whose content is not a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

struct Partial {
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
}

impl Partial {
    fn take(&mut self, index: usize, count: usize, part: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        if self.parts.len() != count {
            return Err(Malformed);
        }
        if self.parts[index].is_none() {
            self.parts[index] = Some(part.to_vec());
            self.missing -= 1;
        }
        if self.missing > 0 {
            return Ok(None);
        }
        Ok(Some(self.parts.iter().flatten().flatten().copied().collect()))
    }
}

/// The longest sealed datagram, in bytes: IPv6's smallest link (1,280; RFC 8200, section 5) less IP's and UDP's heads.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 1_232;
/// The most fragments of one message: 75,584 bytes in all, above the 65,510 that chitchat 0.11 sends at most.
pub(crate) const FRAGMENTS_MAX: u8 = 64;
/// The most half-arrived messages kept, of all senders together: 4.8 MB.
const PARTIALS_MAX: usize = 64;
/// Message id, index, count.
const HEAD_BYTES: usize = 8 + 1 + 1;
const FRAGMENT_BYTES: usize = DATAGRAM_BYTES_MAX - SEAL_BYTES - HEAD_BYTES;

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7946);

    #[test]
    fn chitchats_longest_message_fits_and_a_longer_one_is_refused() {
        assert!(split(1, &[7; 65_510]).is_some());
        assert!(split(1, &[7; FRAGMENT_BYTES * 64]).is_some());
        assert!(split(1, &[7; FRAGMENT_BYTES * 64 + 1]).is_none());
        assert!(split(1, &[7; 1 << 20]).is_none());
    }

    #[test]
    fn half_arrived_messages_are_bounded() {
        let mut reassembly = Reassembly::default();
        for id in 0..10_000 {
            let first = split(id, &[7; 5_000]).unwrap().next().unwrap();
            assert_eq!(reassembly.handle_fragment(FROM, &first), Ok(None));
        }
        assert_eq!((reassembly.partials.len(), reassembly.order.len()), (PARTIALS_MAX, PARTIALS_MAX));
    }

    fn message() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
        let message = proptest::collection::vec(any::<u8>(), 1..20_000);
        message.prop_flat_map(|message| {
            let order: Vec<usize> = (0..message.len().div_ceil(FRAGMENT_BYTES)).collect();
            (Just(message), Just(order).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn a_message_survives_any_order_and_duplicates((message, order) in message()) {
            let fragments: Vec<_> = split(9, &message).unwrap().collect();
            prop_assert!(fragments.iter().all(|plain| plain.len() + SEAL_BYTES <= DATAGRAM_BYTES_MAX));
            let mut reassembly = Reassembly::default();
            let (last, others) = order.split_last().unwrap();
            for at in others.iter().chain(others) {
                prop_assert_eq!(reassembly.handle_fragment(FROM, &fragments[*at]), Ok(None));
            }
            prop_assert_eq!(reassembly.handle_fragment(FROM, &fragments[*last]), Ok(Some(message)));
            prop_assert!(reassembly.partials.is_empty() && reassembly.order.is_empty());
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..40), 0..40)) {
            let mut reassembly = Reassembly::default();
            for plain in noise {
                let _ = reassembly.handle_fragment(FROM, &plain);
            }
            prop_assert!(reassembly.partials.len() <= PARTIALS_MAX);
        }
    }
}
