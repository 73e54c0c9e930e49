//! Variable-length integers (LEB128, as in protobuf) and length-prefixed bytes: the bricks of all canonical forms.
//!
//! Reading never trusts a length: it is compared with what is left before anything is taken.

use thiserror::Error;

/// Appends `value` in 1 to 10 bytes.
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` zigzag-encoded, so that small negative numbers stay short.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends the length of `bytes`, then `bytes`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes an integer from the front of `input`.
pub fn take_u64(input: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for (at, byte) in input.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return Err(VarintError::TooLong);
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            // A final zero byte would give one number two spellings, and one batch two ids.
            if at > 0 && *byte == 0 {
                return Err(VarintError::NotShortest);
            }
            *input = &input[at + 1..];
            return Ok(value);
        }
    }
    Err(if input.len() < 10 { VarintError::Truncated } else { VarintError::TooLong })
}

/// Takes a zigzag-encoded integer from the front of `input`.
pub fn take_i64(input: &mut &[u8]) -> Result<i64, VarintError> {
    let value = take_u64(input)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// Takes a length and as many bytes from the front of `input`.
pub fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], VarintError> {
    let length = take_u64(input)?;
    let length = usize::try_from(length).map_err(|_| VarintError::Truncated)?;
    let (bytes, rest) = input.split_at_checked(length).ok_or(VarintError::Truncated)?;
    *input = rest;
    Ok(bytes)
}

/// Takes a length and as many bytes of UTF-8 from the front of `input`.
pub fn take_str<'a>(input: &mut &'a [u8]) -> Result<&'a str, VarintError> {
    std::str::from_utf8(take_bytes(input)?).map_err(|_| VarintError::NotUtf8)
}

/// Bytes that are not the canonical form of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VarintError {
    /// The input ends within a value.
    #[error("the input ends within a value")]
    Truncated,
    /// The integer is longer than 64 bits.
    #[error("the integer is longer than 64 bits")]
    TooLong,
    /// The integer could be said in fewer bytes.
    #[error("the integer is not in its shortest form")]
    NotShortest,
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(number: u64, signed: i64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_u64(&mut out, number);
            put_i64(&mut out, signed);
            put_bytes(&mut out, &bytes);
            let input = &mut out.as_slice();
            prop_assert_eq!(take_u64(input), Ok(number));
            prop_assert_eq!(take_i64(input), Ok(signed));
            prop_assert_eq!(take_bytes(input), Ok(bytes.as_slice()));
            prop_assert_eq!(input.len(), 0);
        }

        #[test]
        fn whatever_is_taken_is_the_only_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let input = &mut bytes.as_slice();
            if let Ok(value) = take_u64(input) {
                let mut out = Vec::new();
                put_u64(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - input.len()]);
            }
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_refused() {
        assert_eq!(take_bytes(&mut &[0xff, 0xff, 0xff, 0xff, 0x7f, 1][..]), Err(VarintError::Truncated));
    }
}
