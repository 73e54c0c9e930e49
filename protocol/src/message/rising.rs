//! Lists of rising numbers on the wire, each as its distance from the one before: windows are numbers of five bytes, the steps
//! between them of one.

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::Fingerprint;

/// A number, alone or with what belongs to it.
pub(super) trait Numbered: Sized {
    /// What is said beside the number.
    type Rest: Serialize + DeserializeOwned;

    fn split(&self) -> (u32, Self::Rest);
    fn join(number: u32, rest: Self::Rest) -> Self;
}

impl Numbered for u32 {
    type Rest = ();

    fn split(&self) -> (u32, ()) {
        (*self, ())
    }

    fn join(number: u32, (): ()) -> Self {
        number
    }
}

impl Numbered for (u32, Fingerprint) {
    type Rest = Fingerprint;

    fn split(&self) -> (u32, Fingerprint) {
        *self
    }

    fn join(number: u32, rest: Fingerprint) -> Self {
        (number, rest)
    }
}

pub(super) fn serialize<T: Numbered, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut before = 0u32;
    serializer.collect_seq(list.iter().map(|item| {
        let (number, rest) = item.split();
        let step = number.wrapping_sub(before);
        before = number;
        (step, rest)
    }))
}

pub(super) fn deserialize<'de, T: Numbered, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut before = 0u32;
    let list = Vec::<(u32, T::Rest)>::deserialize(deserializer)?;
    let number = |(step, rest): (u32, T::Rest)| {
        before = before.wrapping_add(step);
        T::join(before, rest)
    };
    Ok(list.into_iter().map(number).collect())
}
