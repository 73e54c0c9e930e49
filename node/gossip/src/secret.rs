//! The mesh secret: who has it may join and read gossip. It must never be printed or logged.

use std::fmt;
use std::str::FromStr;

use rand::TryRngCore;
use rand::rngs::OsRng;
use thiserror::Error;

/// 32 bytes known to all nodes of a mesh and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Draws a new secret from the operating system's randomness.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give: nothing secret can be made then.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives randomness");
        Self(bytes)
    }

    /// Returns a secret that everybody knows, for meshes that never leave the loopback interface.
    pub fn development() -> Self {
        Self(*b"logmesh development: no secret! ")
    }

    /// Returns the text that [`Secret::from_str`] reads: 64 hexadecimal digits. For `logmesh keygen` only.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the key for sealing datagrams, which tells nothing of the secret nor of keys for other purposes.
    pub(crate) fn datagram_key(&self) -> [u8; 32] {
        blake3::derive_key("logmesh 2026-11 gossip datagram seal v1", &self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, ParseSecretError> {
        let digits = text.trim();
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ParseSecretError::Digits);
        }
        if digits.len() != 64 {
            return Err(ParseSecretError::Length(digits.len()));
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| ParseSecretError::Digits)?;
        }
        Ok(Self(bytes))
    }
}

/// Why a text is not a mesh secret. It never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseSecretError {
    /// The text has another length.
    #[error("a mesh secret has 64 hexadecimal digits, this has {0}; make one with `logmesh keygen`")]
    Length(usize),
    /// The text has other characters than hexadecimal digits.
    #[error("a mesh secret has hexadecimal digits only; make one with `logmesh keygen`")]
    Digits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_parses_what_it_reveals_and_nothing_else() {
        let secret = Secret::generate();
        let text = secret.reveal();
        assert_eq!(format!(" {text}\n").parse(), Ok(secret));
        assert_eq!(text[1..].parse::<Secret>(), Err(ParseSecretError::Length(63)));
        assert_eq!(format!("é{}", &text[2..]).parse::<Secret>(), Err(ParseSecretError::Digits));
        assert_eq!("".parse::<Secret>(), Err(ParseSecretError::Length(0)));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::generate();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(Secret::generate(), secret);
    }
}
