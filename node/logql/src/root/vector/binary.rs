//! Operators between two values.

use super::Series;
use crate::ast::BinaryOp;

/// Applies an operator to two numbers; comparisons give 0 or 1.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    apply(op, true, (left, right), left).unwrap_or(f64::NAN)
}

/// Applies an operator whose other operand is a number.
pub(super) fn with_scalar(mut series: Vec<Series>, apply: impl Fn(f64) -> Option<f64>) -> Vec<Series> {
    for point in series.iter_mut().flat_map(|one| &mut one.points) {
        *point = point.and_then(&apply);
    }
    series
}

/// Applies an operator; a comparison without `bool` keeps `kept`, the value of the vector, or nothing.
pub(super) fn apply(op: BinaryOp, bool_result: bool, (left, right): (f64, f64), kept: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Compare(compare) => match (compare.holds(&left, &right), bool_result) {
            (holds, true) => f64::from(u8::from(holds)),
            (true, false) => kept,
            (false, false) => return None,
        },
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        // Division by zero is no number, as in Loki.
        BinaryOp::Divide | BinaryOp::Modulo if right == 0.0 => f64::NAN,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        // These choose among series; the parser refuses them between anything else.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => return None,
    })
}
