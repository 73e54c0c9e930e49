//! Sums of numbers without any rounding until the end, so that neither the order of the numbers nor how they were divided
//! between nodes shows in the last digit.
//!
//! A sum is an integer in units of the smallest number there is, kept in limbs of 32 bits (a Kulisch accumulator, Kulisch
//! and Miranker, "The arithmetic of the digital computer", SIAM Review 28, 1986); only the limbs that are needed exist,
//! three or four for numbers of like size. Numbers can be taken off again, which makes ranges that slide cheap.

use serde::{Deserialize, Serialize};

/// A sum of numbers, or of their squares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct ExactSum {
    /// The place of the first limb: limb `at` counts units of 2^(32·(low + at)).
    low: i16,
    /// Between carries each may be anything; behind [`ExactSum::carry`] all but the last lie in 0..2^32, and neither the
    /// first nor the last is zero.
    limbs: Vec<i64>,
    /// How many numbers were added since the last carry, about.
    pending: u32,
    /// How many of those added were not finite: NaN, +Inf, −Inf.
    odd: [i64; 3],
}

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        self.add_signed(number, false);
    }

    /// Takes off a number that was added.
    pub fn remove(&mut self, number: f64) {
        self.add_signed(number, true);
    }

    fn add_signed(&mut self, number: f64, remove: bool) {
        if let Some(kind) = odd_kind(number) {
            self.odd[kind] += if remove { -1 } else { 1 };
            return;
        }
        let (mantissa, exponent) = parts(number);
        self.add_bits(mantissa, exponent, number.is_sign_negative() != remove);
    }

    /// Adds the square of a number.
    pub fn add_square(&mut self, number: f64) {
        if let Some(kind) = odd_kind(number) {
            self.odd[kind.min(1)] += 1;
            return;
        }
        let (mantissa, exponent) = parts(number);
        let square = u128::from(mantissa) * u128::from(mantissa);
        self.add_bits(square as u64, 2 * exponent, false);
        self.add_bits((square >> 64) as u64, 2 * exponent + 64, false);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        self.merge_signed(other, 1);
    }

    /// Takes off a sum that was added.
    pub fn unmerge(&mut self, other: &ExactSum) {
        self.merge_signed(other, -1);
    }

    fn merge_signed(&mut self, other: &ExactSum, sign: i64) {
        for (count, more) in self.odd.iter_mut().zip(other.odd) {
            *count += sign * more;
        }
        if other.limbs.is_empty() {
            return;
        }
        let from = self.reserve(other.low, other.limbs.len());
        for (limb, more) in self.limbs[from..].iter_mut().zip(&other.limbs) {
            *limb += sign * more;
        }
        self.pending = self.pending.saturating_add(other.pending).saturating_add(1);
        self.carry_if_due();
    }

    /// Adds `bits` times 2^`exponent`.
    fn add_bits(&mut self, bits: u64, exponent: i32, negative: bool) {
        if bits == 0 {
            return;
        }
        let (place, shift) = (exponent.div_euclid(LIMB_BITS), exponent.rem_euclid(LIMB_BITS));
        let shifted = u128::from(bits) << shift;
        let from = self.reserve(place as i16, 3);
        let sign = if negative { -1 } else { 1 };
        for (at, limb) in self.limbs[from..from + 3].iter_mut().enumerate() {
            *limb += sign * i64::from((shifted >> (32 * at)) as u32);
        }
        self.pending += 1;
        self.carry_if_due();
    }

    /// Makes room for `len` limbs from `place` on, and returns where they begin.
    fn reserve(&mut self, place: i16, len: usize) -> usize {
        if self.limbs.is_empty() {
            self.low = place;
        }
        if place < self.low {
            let missing = usize::from(self.low.abs_diff(place));
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.low = place;
        }
        let from = usize::from(place.abs_diff(self.low));
        if self.limbs.len() < from + len {
            self.limbs.resize(from + len, 0);
        }
        from
    }

    fn carry_if_due(&mut self) {
        // A number adds less than 2^32 to a limb, which can hold 2^31 times that.
        if self.pending >= PENDING_MAX {
            self.carry();
        }
    }

    /// Brings the limbs into their one canonical form.
    fn carry(&mut self) {
        self.pending = 0;
        let mut carried = 0i64;
        for limb in &mut self.limbs {
            let whole = *limb + carried;
            carried = whole >> LIMB_BITS;
            *limb = whole & LIMB_MASK;
        }
        if carried != 0 {
            self.limbs.push(carried);
        }
        // A last limb of −1 over another is the sign alone: −2^32 plus that one says the same in one limb less.
        while let [.., before, -1] = self.limbs[..] {
            if before == 0 {
                break;
            }
            let len = self.limbs.len();
            self.limbs.truncate(len - 1);
            self.limbs[len - 2] = before - (1 << LIMB_BITS);
        }
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        self.low = if self.limbs.is_empty() { 0 } else { self.low + zeros as i16 };
    }

    /// Returns the sum, rounded once to the nearest number, to the even one of two equally near.
    pub fn value(&self) -> f64 {
        match self.odd {
            [0, 0, 0] => {}
            [0, _, 0] => return f64::INFINITY,
            [0, 0, _] => return f64::NEG_INFINITY,
            _ => return f64::NAN,
        }
        let mut whole = self.clone();
        whole.carry();
        whole.rounded()
    }

    /// Returns the mean of `count` numbers of which this is the sum, also where the sum itself is too large for a number.
    pub fn mean(&self, count: u64) -> f64 {
        let (value, count) = (self.value(), count as f64);
        if value.is_finite() || self.is_odd() {
            return value / count;
        }
        // Two limbs lower it is 2^64 times less.
        let lowered = ExactSum { low: self.low - 2, ..self.clone() };
        lowered.value() / count * power_of_two(2 * LIMB_BITS)
    }

    /// Returns the value of a finite sum in canonical form.
    fn rounded(&self) -> f64 {
        let negative = self.limbs.last().is_some_and(|limb| *limb < 0);
        let limbs = magnitude(&self.limbs);
        let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let limb = |at: Option<usize>| at.and_then(|at| limbs.get(at)).copied().unwrap_or(0);
        // The highest 96 bits hold the mantissa and more; of those below only counts whether there are any.
        let (first, second, third) = (limb(Some(top)), limb(top.checked_sub(1)), limb(top.checked_sub(2)));
        let high = (u128::from(first) << 64) | (u128::from(second) << 32) | u128::from(third);
        let more = limbs[..top.saturating_sub(2)].iter().any(|limb| *limb != 0);
        let exponent = LIMB_BITS * (i32::from(self.low) + top as i32 - 2);
        let value = scale(high, more, exponent);
        if negative { -value } else { value }
    }

    /// Returns `count · self − other²`, where `self` is a sum of squares and `other` the sum of the numbers themselves:
    /// `count²` times their population variance. Both are finite.
    fn spread(&self, count: u64, other: &ExactSum) -> f64 {
        let (mut squares, mut sum) = (self.clone(), other.clone());
        squares.carry();
        sum.carry();
        let squared = product(&magnitude(&sum.limbs), &magnitude(&sum.limbs));
        let scaled = product(&magnitude(&squares.limbs), &[count as u32, (count >> 32) as u32]);
        let mut out = limbs_at(squares.low, &scaled);
        out.unmerge(&limbs_at(2 * sum.low, &squared));
        out.carry();
        out.rounded()
    }

    /// Tells whether a number that is not finite was added.
    fn is_odd(&self) -> bool {
        self.odd != [0, 0, 0]
    }
}

/// Count, sum and sum of squares of numbers: their mean and variance, exact up to the last step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// How many numbers.
    pub count: u64,
    /// Their sum.
    pub sum: ExactSum,
    /// The sum of their squares.
    pub squares: ExactSum,
}

impl Moments {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum.add(number);
        self.squares.add_square(number);
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Moments) {
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// Takes off others that were added.
    pub fn unmerge(&mut self, other: &Moments) {
        self.count = self.count.saturating_sub(other.count);
        self.sum.unmerge(&other.sum);
        self.squares.unmerge(&other.squares);
    }

    /// Returns the population variance; NaN if there are no numbers, or one is not finite.
    pub fn variance(&self) -> f64 {
        if self.count == 0 || self.sum.is_odd() || self.squares.is_odd() {
            return f64::NAN;
        }
        let count = self.count as f64;
        self.squares.spread(self.count, &self.sum) / count / count
    }
}

/// An exact sum as it travels: its limbs without sign.
#[derive(Serialize, Deserialize)]
struct Wire {
    low: i16,
    negative: bool,
    limbs: Vec<u32>,
    odd: [i64; 3],
}

impl From<ExactSum> for Wire {
    fn from(mut sum: ExactSum) -> Self {
        sum.carry();
        let negative = sum.limbs.last().is_some_and(|limb| *limb < 0);
        let mut limbs = magnitude(&sum.limbs);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { low: sum.low, negative, limbs, odd: sum.odd }
    }
}

impl TryFrom<Wire> for ExactSum {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let places = i64::from(wire.low)..i64::from(wire.low) + wire.limbs.len() as i64;
        if places.start < -PLACES_MAX || places.end > PLACES_MAX {
            return Err("a sum of larger or smaller numbers than there are");
        }
        if wire.odd.iter().any(|count| !(0..=ODD_MAX).contains(count)) {
            return Err("a sum of fewer numbers than none, or of too many");
        }
        let mut sum = limbs_at(wire.low, &wire.limbs);
        if wire.negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
        }
        sum.odd = wire.odd;
        sum.carry();
        Ok(sum)
    }
}

/// Returns the place in [`ExactSum::odd`] of a number that is not finite.
fn odd_kind(number: f64) -> Option<usize> {
    match number {
        f64::INFINITY => Some(1),
        f64::NEG_INFINITY => Some(2),
        number if number.is_nan() => Some(0),
        _ => None,
    }
}

/// Returns the mantissa of a finite number without its sign, and its exponent.
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, -1_074) } else { (fraction | (1 << 52), exponent as i32 - 1_075) }
}

/// Returns the absolute value of canonical limbs, one limb more than there are.
fn magnitude(limbs: &[i64]) -> Vec<u32> {
    let negative = limbs.last().is_some_and(|limb| *limb < 0);
    let mut out = Vec::with_capacity(limbs.len() + 1);
    let mut carried = 0i64;
    for limb in limbs {
        let whole = if negative { -*limb } else { *limb } + carried;
        carried = whole >> LIMB_BITS;
        out.push(whole as u32);
    }
    out.push(carried as u32);
    out
}

fn product(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut out = vec![0u32; left.len() + right.len()];
    for (at, left) in left.iter().enumerate() {
        let mut carried = 0u64;
        for (place, right) in right.iter().enumerate() {
            let whole = u64::from(*left) * u64::from(*right) + u64::from(out[at + place]) + carried;
            out[at + place] = whole as u32;
            carried = whole >> LIMB_BITS;
        }
        out[at + right.len()] = carried as u32;
    }
    out
}

fn limbs_at(low: i16, limbs: &[u32]) -> ExactSum {
    ExactSum { low, limbs: limbs.iter().map(|limb| i64::from(*limb)).collect(), ..ExactSum::default() }
}

/// Returns `high` times 2^`exponent`, rounded; `more` tells of further bits below.
fn scale(high: u128, more: bool, exponent: i32) -> f64 {
    let bits = 128 - high.leading_zeros() as i32;
    // Subnormal numbers have fewer bits.
    let kept = (bits + exponent + 1_074).clamp(0, 53);
    let dropped = (bits - kept).max(0);
    let mut mantissa = (high >> dropped) as u64;
    let rest = high & ((1 << dropped) - 1);
    let half = if dropped > 0 { 1 << (dropped - 1) } else { 0 };
    if dropped > 0 && (rest > half || (rest == half && (more || mantissa & 1 == 1))) {
        mantissa += 1;
    }
    // The mantissa has 53 bits at the most, so only the last multiplication can overflow, and none rounds.
    let exponent = exponent + dropped;
    let half_way = exponent.clamp(-1_000, 900);
    mantissa as f64 * power_of_two(half_way) * power_of_two((exponent - half_way).clamp(-1_000, 1_000))
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1_023) as u64) << 52)
}

const LIMB_BITS: i32 = 32;
const LIMB_MASK: i64 = (1 << LIMB_BITS) - 1;
/// After so many additions the limbs are carried.
const PENDING_MAX: u32 = 1 << 29;
/// Squares of numbers lie between 2^-2148 and 2^2048; with 2^64 of them this many places suffice to either side.
const PLACES_MAX: i64 = 72;
/// More numbers than any node holds.
const ODD_MAX: i64 = 1 << 48;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};
    use proptest::prop_oneof;

    use super::*;

    fn sum(numbers: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum
    }

    /// Numbers of very different sizes, so that naive sums go wrong.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("finite", |number| number.is_finite()),
            (-1_000i32..1_000).prop_map(|number| f64::from(number) / 10.0),
            Just(1e100),
            Just(-1e100),
            Just(f64::MIN_POSITIVE / 4.0),
        ]
    }

    #[test]
    fn sums_are_rounded_once() {
        let cases: &[(&[f64], f64)] = &[
            (&[], 0.0),
            (&[-0.0], 0.0),
            (&[0.1, 0.2, 0.3], 0.6),
            (&[0.1; 10], 1.0),
            (&[1e100, 1.0, -1e100], 1.0),
            (&[1e308, 1e308, -1e308], 1e308),
            (&[f64::MAX, f64::MAX], f64::INFINITY),
            (&[-f64::MAX, -f64::MAX], f64::NEG_INFINITY),
            (&[5e-324, 5e-324], 1e-323),
            (&[9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0),
            (&[9_007_199_254_740_992.0, 1.0, 1e-30], 9_007_199_254_740_994.0),
            (&[9_007_199_254_740_992.0, 3.0], 9_007_199_254_740_996.0),
            (&[-1.5, 0.25], -1.25),
            (&[f64::INFINITY, 1.0], f64::INFINITY),
            (&[f64::NEG_INFINITY, 1.0], f64::NEG_INFINITY),
        ];
        for (numbers, wanted) in cases {
            assert_eq!(sum(numbers).value().to_bits(), wanted.to_bits(), "{numbers:?}");
        }
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
        assert!(sum(&[f64::NAN, 1.0]).value().is_nan());
    }

    #[test]
    fn a_mean_is_a_number_where_the_sum_is_none() {
        assert_eq!(sum(&[1e308, 1e308]).mean(2), 1e308);
        assert_eq!(sum(&[-f64::MAX, -f64::MAX, -f64::MAX, -f64::MAX]).mean(4), -f64::MAX);
        assert_eq!(sum(&[1.0, 2.0]).mean(2), 1.5);
        assert_eq!(sum(&[f64::INFINITY, 2.0]).mean(2), f64::INFINITY);
    }

    #[test]
    fn variances_are_exact() {
        let variance = |numbers: &[f64]| {
            let mut moments = Moments::default();
            numbers.iter().for_each(|number| moments.add(*number));
            moments.variance()
        };
        assert_eq!(variance(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 4.0);
        assert_eq!(variance(&[7.5]), 0.0);
        assert_eq!(variance(&[-3.0, 3.0]), 9.0);
        // Naively, nothing would be left of the difference.
        assert_eq!(variance(&[1e9, 1e9 + 1.0, 1e9 + 2.0]), 2.0 / 3.0);
        assert!(variance(&[f64::INFINITY, 1.0]).is_nan());
        assert!(variance(&[]).is_nan());
    }

    proptest! {
        #[test]
        fn neither_order_nor_division_shows(numbers in vec(number(), 0..30).prop_flat_map(|numbers| (Just(numbers.clone()), Just(numbers).prop_shuffle())), at in 0usize..30) {
            let (numbers, shuffled) = numbers;
            let (left, right) = shuffled.split_at(at.min(shuffled.len()));
            let mut merged = sum(right);
            merged.merge(&sum(left));
            let mut whole = sum(&numbers);
            prop_assert_eq!(merged.value().to_bits(), whole.value().to_bits());
            merged.carry();
            whole.carry();
            prop_assert_eq!(&merged, &whole);
            // What is taken off again leaves no trace, and what is taken off too much turns the sign.
            whole.unmerge(&sum(left));
            prop_assert_eq!(whole.value().to_bits(), sum(right).value().to_bits());
            left.iter().for_each(|number| whole.remove(*number));
            right.iter().for_each(|number| whole.remove(*number));
            let negated: Vec<f64> = left.iter().map(|number| -number).collect();
            prop_assert_eq!(whole.value(), sum(&negated).value());
        }

        #[test]
        fn two_numbers_add_as_the_machine_does_it(left in number(), right in number()) {
            prop_assert_eq!(sum(&[left, right]).value(), left + right);
        }

        #[test]
        fn a_square_is_as_the_machine_does_it(number in -1e150f64..1e150) {
            let mut square = ExactSum::default();
            square.add_square(number);
            prop_assert_eq!(square.value(), number * number);
        }

        #[test]
        fn a_sum_travels(numbers in vec(number(), 0..6)) {
            let mut sum = sum(&numbers);
            let sent = logmesh_protocol::codec::encode(1, &sum);
            sum.carry();
            prop_assert_eq!(logmesh_protocol::codec::decode(1, &sent), Ok(sum));
        }

        #[test]
        fn noise_is_a_sum_or_refused(bytes: Vec<u8>) {
            if let Ok(mut sum) = logmesh_protocol::codec::decode::<ExactSum>(1, &[&[1], &*bytes].concat()) {
                sum.merge(&sum.clone());
                sum.value();
            }
        }
    }
}
