//! IP addresses in lines and in the values of labels: one address, a range, or a network, of either family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr;

use crate::error::PlanError;

/// The addresses from the first to the last, both included; of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// Reads `192.0.2.0`, `192.168.0.1-192.168.0.9`, `192.51.100.0/24`, or the same with IPv6 addresses.
    pub(crate) fn new(pattern: &str) -> Result<Self, PlanError> {
        let refused = || PlanError::Ip(pattern.to_owned());
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| refused());
        if let Some((first, last)) = pattern.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            let fits = first.is_ipv4() == last.is_ipv4() && first <= last;
            return if fits { Ok(Self { first, last }) } else { Err(refused()) };
        }
        let Some((network, bits)) = pattern.split_once('/') else {
            let only = address(pattern)?;
            return Ok(Self { first: only, last: only });
        };
        let network = address(network)?;
        let plain = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse::<u32>().ok().filter(|_| plain).ok_or_else(refused)?;
        Self::network(network, bits).ok_or_else(refused)
    }

    /// Returns the network of which `address` and its first `bits` bits are one.
    fn network(address: IpAddr, bits: u32) -> Option<Self> {
        match address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                let (first, last) = (address.to_bits() & !host, address.to_bits() | host);
                (bits <= 32).then(|| Self { first: Ipv4Addr::from(first).into(), last: Ipv4Addr::from(last).into() })
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                let (first, last) = (address.to_bits() & !host, address.to_bits() | host);
                (bits <= 128).then(|| Self { first: Ipv6Addr::from(first).into(), last: Ipv6Addr::from(last).into() })
            }
        }
    }

    /// Tells whether any address in the text lies within the range.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        let part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
        // No address is without this byte, and most lines have few.
        let mark = if self.first.is_ipv4() { b'.' } else { b':' };
        let mut from = 0;
        while let Some(found) = memchr(mark, &text[from..]) {
            let at = from + found;
            let start = text[from..at].iter().rposition(|byte| !part(byte)).map_or(from, |before| from + before + 1);
            let end = text[at..].iter().position(|byte| !part(byte)).map_or(text.len(), |len| at + len);
            if self.is_in_run(&text[start..end]) {
                return true;
            }
            from = end;
        }
        false
    }

    /// Looks into a run of characters of which addresses are made.
    fn is_in_run(&self, run: &[u8]) -> bool {
        let Ok(run) = std::str::from_utf8(run) else { return false };
        if self.first.is_ipv4() {
            // A port may follow, or a word before it may end in a colon.
            return run.split(':').any(|piece| self.holds(piece.trim_matches('.')));
        }
        let run = run.trim_end_matches('.');
        let bare = run.strip_suffix(':').filter(|bare| !bare.ends_with(':'));
        self.holds(run) || bare.is_some_and(|bare| self.holds(bare))
    }

    fn holds(&self, text: &str) -> bool {
        if text.len() > ADDRESS_BYTES_MAX {
            return false;
        }
        let found = if self.first.is_ipv4() {
            text.parse::<Ipv4Addr>().map(IpAddr::V4)
        } else {
            text.parse::<Ipv6Addr>().map(IpAddr::V6)
        };
        found.is_ok_and(|address| self.first <= address && address <= self.last)
    }
}

/// The longest address has eight groups, the last two as IPv4.
const ADDRESS_BYTES_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn addresses_are_found_in_texts() {
        let cases = [
            ("3.180.71.3", "3.180.71.3 - - [17/May", true),
            ("3.180.71.3", "93.180.71.3 - - [17/May", false),
            ("3.180.71.3", "3.180.71.30", false),
            ("3.180.71.3", "from 3.180.71.3.", true),
            ("3.180.71.3", "addr:3.180.71.3:8080", true),
            ("3.180.71.3", "x=3.180.71.3,y", true),
            ("3.180.71.3", "3.180.71.3.4", false),
            ("3.180.71.3", "v3.180.71.3", true),
            ("3.180.71.3", "", false),
            ("192.168.4.5/16", "192.168.255.1", true),
            ("192.168.4.5/16", "192.169.0.1", false),
            ("192.168.4.5-192.168.4.20", "192.168.4.20", true),
            ("192.168.4.5-192.168.4.20", "192.168.4.21", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("::1", "peer ::1 closed", true),
            ("::1", "[::1]:443", true),
            ("::1", "::12", false),
            ("2001:db8::/32", "2001:0DB8:1::5 x", true),
            ("2001:db8::/32", "2001:db9::5", false),
            ("2001:db8::1-2001:db8::8", "at 2001:db8::8.", true),
            ("2001:db8::1-2001:db8::8", "2001:db8::9", false),
            ("2001:db8::1", "2001:db8::1: connected", true),
            ("::/0", "no address here, 12:30", false),
        ];
        for (pattern, text, found) in cases {
            assert_eq!(IpRange::new(pattern).unwrap().is_in(text.as_bytes()), found, "{pattern} in {text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for pattern in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4/33",
            "::1/129",
            "1.2.3.4/",
            "1.2.3.4/+8",
            "a",
            "1.2.3.4-1.2.3.3",
            "1.2.3.4-::1",
            "256.1.1.1",
            "-",
        ] {
            assert_eq!(IpRange::new(pattern), Err(PlanError::Ip(pattern.to_owned())), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_in_its_networks(bits in any::<u32>(), other in any::<u32>(), len in 0u32..=32) {
            let (address, other) = (Ipv4Addr::from(bits), Ipv4Addr::from(other));
            let network = IpRange::new(&format!("{address}/{len}")).unwrap();
            let text = format!("a {address}:80");
            prop_assert!(network.is_in(text.as_bytes()));
            let same = len == 0 || (address.to_bits() ^ other.to_bits()) >> (32 - len) == 0;
            prop_assert_eq!(network.is_in(other.to_string().as_bytes()), same);
            let mapped = IpRange::new(&format!("{}/{}", address.to_ipv6_mapped(), 96 + len)).unwrap();
            prop_assert_eq!(mapped.is_in(other.to_ipv6_mapped().to_string().as_bytes()), same);
        }

        #[test]
        fn any_text_is_searched_without_harm(pattern in ".{0,12}", text: Vec<u8>) {
            if let Ok(range) = IpRange::new(&pattern) {
                range.is_in(&text);
            }
            IpRange::new("::/0").unwrap().is_in(&text);
        }
    }
}
