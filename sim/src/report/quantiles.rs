//! Quantiles of many times in little room: buckets that grow with what they hold, within 2 % of the truth.

use std::collections::BTreeMap;

/// Counts of times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    most: u32,
}

impl Quantiles {
    /// Adds one time.
    pub fn add(&mut self, micros: u32) {
        *self.buckets.entry(bucket(micros)).or_default() += 1;
        self.count += 1;
        self.most = self.most.max(micros);
    }

    /// Returns how many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the longest time, in milliseconds; none if there is none.
    pub fn most_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| f64::from(self.most) / 1e3)
    }

    /// Returns the time in milliseconds that so many of a thousand do not exceed; none if there is none.
    pub fn ms_at(&self, per_mille: u64) -> Option<f64> {
        let rank = (self.count * per_mille).div_ceil(1_000).max(1);
        let mut below = 0;
        for (bucket, count) in &self.buckets {
            below += count;
            if below >= rank {
                return Some(f64::from(top(*bucket).min(self.most)) / 1e3);
            }
        }
        None
    }
}

/// Returns the bucket of a time: exact below 64, then 64 for each power of two.
fn bucket(micros: u32) -> u32 {
    let octave = (micros | 1).ilog2().saturating_sub(6);
    (octave << 7) + (micros >> octave)
}

/// Returns the longest time of a bucket.
fn top(bucket: u32) -> u32 {
    let (octave, mantissa) = (bucket >> 7, u64::from(bucket & 127));
    u32::try_from(((mantissa + 1) << octave) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_within_two_percent_of_the_truth(mut all in vec(any::<u32>(), 1..50), per_mille in 0u64..=1_000) {
            let mut quantiles = Quantiles::default();
            all.iter().for_each(|micros| quantiles.add(*micros));
            all.sort_unstable();
            let rank = (all.len() as u64 * per_mille).div_ceil(1_000).max(1);
            let truth = f64::from(all[rank as usize - 1]) / 1e3;
            let told = quantiles.ms_at(per_mille).unwrap();
            prop_assert!(told >= truth && told <= truth * 1.02 + 0.001, "{told} for {truth}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_quantile() {
        assert_eq!((Quantiles::default().ms_at(500), Quantiles::default().most_ms()), (None, None));
    }
}
