//! Sums, differences, products and quotients of floats in decimal, so that 0.1 and 0.2 are 0.3, as LogQL's `addf` and its
//! like have it. What 38 digits cannot hold is reckoned in floats.

/// A number as a whole number and a power of ten.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

/// What is to be done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Reckons from left to right.
pub(super) fn reckon(operation: Operation, first: f64, others: &[f64]) -> Result<f64, String> {
    for value in others.iter().chain([&first]) {
        if !value.is_finite() {
            return Err(format!("cannot create a Decimal from {}", super::format::shortest(*value)));
        }
    }
    if operation == Operation::Divide && others.contains(&0.0) {
        return Err("decimal division by 0".to_owned());
    }
    let exact =
        others.iter().try_fold(Decimal::new(first)?, |left, right| left.apply(operation, Decimal::new(*right).ok()?));
    let rough = |left: f64, right: &f64| match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left * right,
        Operation::Divide => left / right,
    };
    Ok(exact.map_or_else(|| others.iter().fold(first, rough), Decimal::value))
}

impl Decimal {
    fn new(value: f64) -> Result<Self, String> {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').ok_or("no exponent")?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let mantissa = mantissa.replace('.', "").parse().map_err(|_| "no number")?;
        let exponent: i32 = exponent.parse().map_err(|_| "no exponent")?;
        Ok(Self { mantissa, exponent: exponent - i32::try_from(fraction).map_err(|_| "too many digits")? })
    }

    fn value(self) -> f64 {
        format!("{}e{}", self.mantissa, self.exponent).parse().unwrap_or(f64::NAN)
    }

    fn apply(self, operation: Operation, other: Self) -> Option<Self> {
        match operation {
            Operation::Add | Operation::Subtract => {
                let exponent = self.exponent.min(other.exponent);
                let (left, right) = (self.at(exponent)?, other.at(exponent)?);
                let mantissa =
                    if operation == Operation::Add { left.checked_add(right) } else { left.checked_sub(right) };
                Some(Self { mantissa: mantissa?, exponent })
            }
            Operation::Multiply => {
                let mantissa = self.mantissa.checked_mul(other.mantissa)?;
                Some(Self { mantissa, exponent: self.exponent + other.exponent })
            }
            Operation::Divide => self.divided(other),
        }
    }

    /// Returns the mantissa for this smaller exponent.
    fn at(self, exponent: i32) -> Option<i128> {
        self.mantissa.checked_mul(power(self.exponent - exponent)?)
    }

    /// Divides, to [`QUOTIENT_DIGITS`] digits behind the point, the last one rounded.
    fn divided(self, other: Self) -> Option<Self> {
        // What the quotient has to be multiplied with so that its last digit is the last one wanted.
        let shift = self.exponent - other.exponent + QUOTIENT_DIGITS;
        let (dividend, divisor) = if shift >= 0 {
            (self.mantissa.checked_mul(power(shift)?)?, other.mantissa)
        } else {
            (self.mantissa, other.mantissa.checked_mul(power(-shift)?)?)
        };
        let (quotient, rest) = (dividend / divisor, dividend % divisor);
        let up = rest.checked_mul(2)?.abs() >= divisor.abs();
        let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        Some(Self { mantissa: quotient + if up { away } else { 0 }, exponent: -QUOTIENT_DIGITS })
    }
}

fn power(exponent: i32) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

const QUOTIENT_DIGITS: i32 = 16;
