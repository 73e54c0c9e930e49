//! Takes the range aggregations out of a metric expression: they run beside the data, the rest at the coordinator.
//!
//! A sum directly over one is moved down to it, because sums and counts of lines add up exactly, whoever counted them;
//! the labels that the sum drops then never travel. Under any other aggregation the whole series travel: the greatest of
//! the counts of two nodes is not the greatest count.

use crate::ast::{BinaryOp, Grouping, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp};
use crate::error::PlanError;

/// A range aggregation, and the labels by which its series are summed up at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    /// The aggregation.
    pub(crate) aggregation: RangeAggregation,
    /// The labels that are left; all if there is no grouping.
    pub(crate) grouping: Option<Grouping>,
}

/// What the coordinator does with the leaves' results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Root {
    /// A number.
    Literal(f64),
    /// The result of a leaf.
    Leaf(usize),
    /// An aggregation over series.
    Vector {
        /// The function.
        op: VectorOp,
        /// The groups.
        grouping: Grouping,
        /// What is aggregated.
        of: Box<Root>,
    },
    /// An operation of which at most one operand is a vector.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Whether a comparison gives 0 or 1.
        bool_result: bool,
        /// The left operand.
        left: Box<Root>,
        /// The right operand.
        right: Box<Root>,
    },
}

impl Root {
    fn is_scalar(&self) -> bool {
        match self {
            Root::Literal(_) => true,
            Root::Leaf(_) | Root::Vector { .. } => false,
            Root::Binary { left, right, .. } => left.is_scalar() && right.is_scalar(),
        }
    }
}

/// Splits an expression; the root names the leaves by their place.
pub(crate) fn lower(expr: &MetricExpr) -> Result<(Root, Vec<Leaf>), PlanError> {
    let mut leaves = Vec::new();
    let root = lower_into(expr, &mut leaves)?;
    Ok((root, leaves))
}

fn lower_into(expr: &MetricExpr, leaves: &mut Vec<Leaf>) -> Result<Root, PlanError> {
    match expr {
        MetricExpr::Literal(number) => Ok(Root::Literal(*number)),
        MetricExpr::Range(aggregation) => leaf(aggregation, None, leaves),
        MetricExpr::Vector(aggregation) => lower_vector(aggregation, leaves),
        MetricExpr::Binary(operation) => {
            let left = lower_into(&operation.left, leaves)?;
            let right = lower_into(&operation.right, leaves)?;
            if !left.is_scalar() && !right.is_scalar() {
                return Err(unsupported(&format!("{} between two vectors", operation.op)));
            }
            let (left, right) = (Box::new(left), Box::new(right));
            Ok(Root::Binary { op: operation.op, bool_result: operation.bool_result, left, right })
        }
        MetricExpr::VectorOf(_) | MetricExpr::LabelReplace(_) => Err(unsupported(&expr.to_string())),
    }
}

fn lower_vector(aggregation: &VectorAggregation, leaves: &mut Vec<Leaf>) -> Result<Root, PlanError> {
    let grouping = aggregation.grouping.clone().unwrap_or(Grouping::By(Vec::new()));
    match (&aggregation.op, &*aggregation.of) {
        (VectorOp::Sum, MetricExpr::Range(range)) => leaf(range, Some(grouping), leaves),
        (VectorOp::Sum | VectorOp::Min | VectorOp::Max | VectorOp::Avg | VectorOp::Count, of) => {
            Ok(Root::Vector { op: aggregation.op, grouping, of: Box::new(lower_into(of, leaves)?) })
        }
        (op, _) => Err(unsupported(op.name())),
    }
}

fn unsupported(what: &str) -> PlanError {
    PlanError::Unsupported(format!("{what} is not supported by this version of Logmesh"))
}

fn leaf(aggregation: &RangeAggregation, grouping: Option<Grouping>, leaves: &mut Vec<Leaf>) -> Result<Root, PlanError> {
    if aggregation.unwrap.is_some() || aggregation.grouping.is_some() || aggregation.op == RangeOp::AbsentOverTime {
        return Err(unsupported(aggregation.op.name()));
    }
    leaves.push(Leaf { aggregation: aggregation.clone(), grouping });
    Ok(Root::Leaf(leaves.len() - 1))
}
