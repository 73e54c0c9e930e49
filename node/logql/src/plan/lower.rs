//! Takes the range aggregations out of a metric expression: they run beside the data, the rest at the coordinator.
//!
//! A sum over one that adds up is moved down to it, and so are the greatest of greatest and the least of least, through
//! any number of them; the labels that they drop then never travel. Under any other aggregation the whole series travel:
//! the greatest of the counts of two nodes is not the greatest count.

use logmesh_protocol::record::Labels;

use crate::ast::{
    BinaryOp, BinaryOperation, Grouping, LabelReplace, MatchOp, Matching, MetricExpr, RangeAggregation, RangeOp,
    Selector, VectorAggregation, VectorOp,
};
use crate::error::PlanError;
use crate::pipeline::{ERROR, ERROR_DETAILS};
use crate::regexes::{TextRegex, anchored};

/// A range aggregation, and the labels that tell its series apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    /// The aggregation.
    pub(crate) aggregation: RangeAggregation,
    /// The labels that are left.
    pub(crate) key: Grouping,
}

/// What the coordinator does with the leaves' results.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// A number.
    Literal(f64),
    /// A number as a series without labels.
    VectorOf(f64),
    /// The result of a leaf.
    Leaf(usize),
    /// A series with these labels where the leaf has none.
    Absent {
        /// The leaf.
        leaf: usize,
        /// The labels.
        labels: Labels,
    },
    /// An aggregation over series.
    Vector {
        /// The function.
        op: VectorOp,
        /// How many series it chooses, if it chooses some.
        parameter: Option<u32>,
        /// The groups.
        grouping: Grouping,
        /// What is aggregated.
        of: Box<Root>,
    },
    /// An operation.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Whether a comparison gives 0 or 1.
        bool_result: bool,
        /// Which series belong together.
        matching: Matching,
        /// The left operand.
        left: Box<Root>,
        /// The right operand.
        right: Box<Root>,
    },
    /// A label is made of another.
    LabelReplace {
        /// The series.
        of: Box<Root>,
        /// What to replace.
        replace: LabelReplace,
        /// The pattern, compiled.
        regex: TextRegex,
    },
}

impl Root {
    /// Tells whether the values decide about the order of an instant query's answer.
    pub(crate) fn sorts(&self) -> bool {
        match self {
            Root::Literal(_) | Root::VectorOf(_) | Root::Leaf(_) | Root::Absent { .. } => false,
            Root::Vector { op, of, .. } => matches!(op, VectorOp::Sort | VectorOp::SortDesc) || of.sorts(),
            Root::Binary { left, right, .. } => left.sorts() || right.sorts(),
            Root::LabelReplace { of, .. } => of.sorts(),
        }
    }
}

/// Splits an expression; the root names the leaves by their place. `instant`: whether there is one step only.
pub(crate) fn lower(expr: &MetricExpr, instant: bool) -> Result<(Root, Vec<Leaf>), PlanError> {
    let mut lowering = Lowering { leaves: Vec::new(), instant };
    let root = lowering.expr(expr)?;
    Ok((root, lowering.leaves))
}

struct Lowering {
    leaves: Vec<Leaf>,
    instant: bool,
}

impl Lowering {
    fn expr(&mut self, expr: &MetricExpr) -> Result<Root, PlanError> {
        match expr {
            MetricExpr::Literal(number) => Ok(Root::Literal(*number)),
            MetricExpr::VectorOf(number) => Ok(Root::VectorOf(*number)),
            MetricExpr::Range(aggregation) if aggregation.op == RangeOp::AbsentOverTime => {
                let leaf = self.leaf(aggregation, Grouping::By(Vec::new()));
                Ok(Root::Absent { leaf, labels: absent_labels(&aggregation.log.selector) })
            }
            MetricExpr::Range(aggregation) => Ok(Root::Leaf(self.leaf(aggregation, own_key(aggregation)))),
            MetricExpr::Vector(aggregation) => self.vector(aggregation),
            MetricExpr::Binary(operation) => self.binary(operation),
            MetricExpr::LabelReplace(replace) => {
                let of = Box::new(self.expr(&replace.of)?);
                Ok(Root::LabelReplace { of, replace: replace.clone(), regex: anchored(&replace.pattern)? })
            }
        }
    }

    fn vector(&mut self, aggregation: &VectorAggregation) -> Result<Root, PlanError> {
        if aggregation.op == VectorOp::ApproxTopk && !self.instant {
            return Err(PlanError::Unsupported("approx_topk is only supported for instant queries".to_owned()));
        }
        let grouping = grouping_of(aggregation);
        if let Some((range, key)) = moved_down(aggregation.op, &aggregation.of) {
            return Ok(Root::Leaf(self.leaf(range, within(&grouping, key))));
        }
        let of = Box::new(self.expr(&aggregation.of)?);
        Ok(Root::Vector { op: aggregation.op, parameter: aggregation.parameter, grouping, of })
    }

    /// Lowers a chain of operators. It grows to the left, by a thousand of them, so it is walked in a loop rather than on
    /// the stack.
    fn binary(&mut self, operation: &BinaryOperation) -> Result<Root, PlanError> {
        let mut chain = vec![operation];
        let mut first = &*operation.left;
        while let MetricExpr::Binary(inner) = first {
            chain.push(inner);
            first = &inner.left;
        }
        let mut root = self.expr(first)?;
        for BinaryOperation { op, bool_result, matching, right, .. } in chain.into_iter().rev() {
            let all = || Matching { labels: Grouping::Without(Vec::new()), group: None };
            let matching = matching.clone().unwrap_or_else(all);
            let (left, right) = (Box::new(root), Box::new(self.expr(right)?));
            root = Root::Binary { op: *op, bool_result: *bool_result, matching, left, right };
        }
        Ok(root)
    }

    fn leaf(&mut self, aggregation: &RangeAggregation, key: Grouping) -> usize {
        self.leaves.push(Leaf { aggregation: aggregation.clone(), key });
        self.leaves.len() - 1
    }
}

fn grouping_of(aggregation: &VectorAggregation) -> Grouping {
    aggregation.grouping.clone().unwrap_or(Grouping::By(Vec::new()))
}

/// Returns the range aggregation to which `op` over `expr` may be moved down, and the labels that are left beneath `op`.
fn moved_down(op: VectorOp, expr: &MetricExpr) -> Option<(&RangeAggregation, Grouping)> {
    match expr {
        MetricExpr::Range(range) if adds_up(op, range.op) => Some((range, own_key(range))),
        MetricExpr::Vector(inner) if inner.op == op => {
            let (range, key) = moved_down(op, &inner.of)?;
            Some((range, within(&grouping_of(inner), key)))
        }
        MetricExpr::Literal(_)
        | MetricExpr::VectorOf(_)
        | MetricExpr::Range(_)
        | MetricExpr::Vector(_)
        | MetricExpr::Binary(_)
        | MetricExpr::LabelReplace(_) => None,
    }
}

/// Tells whether `op` over the results of the range function is the range function over all its lines together.
fn adds_up(op: VectorOp, range: RangeOp) -> bool {
    match range {
        RangeOp::CountOverTime | RangeOp::Rate | RangeOp::BytesOverTime | RangeOp::BytesRate | RangeOp::SumOverTime => {
            op == VectorOp::Sum
        }
        RangeOp::MinOverTime => op == VectorOp::Min,
        RangeOp::MaxOverTime => op == VectorOp::Max,
        RangeOp::AbsentOverTime
        | RangeOp::RateCounter
        | RangeOp::AvgOverTime
        | RangeOp::StdvarOverTime
        | RangeOp::StddevOverTime
        | RangeOp::QuantileOverTime
        | RangeOp::FirstOverTime
        | RangeOp::LastOverTime => false,
    }
}

/// Returns the labels that a range aggregation by itself leaves: without the unwrapped one, unless it is named; what it
/// is grouped by keeps the labels of errors, so that an error that was let pass shows.
fn own_key(aggregation: &RangeAggregation) -> Grouping {
    let unwrapped = aggregation.unwrap.iter().map(|unwrap| unwrap.label.clone());
    match &aggregation.grouping {
        Some(Grouping::By(names)) => {
            let errors = [ERROR, ERROR_DETAILS].map(str::to_owned);
            Grouping::By(names.iter().cloned().chain(errors).collect())
        }
        Some(Grouping::Without(names)) => Grouping::Without(names.iter().cloned().chain(unwrapped).collect()),
        None => Grouping::Without(unwrapped.collect()),
    }
}

/// Returns the labels that are left if first `inner` and then `outer` is left.
fn within(outer: &Grouping, inner: Grouping) -> Grouping {
    let in_both = |some: &[String], others: &[String], wanted: bool| {
        some.iter().filter(|name| others.contains(name) == wanted).cloned().collect()
    };
    match (outer, inner) {
        (Grouping::By(outer), Grouping::By(inner)) => Grouping::By(in_both(outer, &inner, true)),
        (Grouping::By(outer), Grouping::Without(inner)) => Grouping::By(in_both(outer, &inner, false)),
        (Grouping::Without(outer), Grouping::By(inner)) => Grouping::By(in_both(&inner, outer, false)),
        (Grouping::Without(outer), Grouping::Without(inner)) => Grouping::Without([outer.as_slice(), &inner].concat()),
    }
}

/// Returns the labels of what is absent: those that the selector asks for with one single `=`.
fn absent_labels(selector: &Selector) -> Labels {
    let once = |name: &str| selector.matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
    let wanted = selector.matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal && once(&matcher.name));
    Labels::new(wanted.map(|matcher| (matcher.name.clone(), matcher.value.clone())))
}

impl Grouping {
    /// Tells whether the label is left.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Grouping::By(names) => names.iter().any(|other| other == name),
            Grouping::Without(names) => !names.iter().any(|other| other == name),
        }
    }

    /// Returns the labels that are left.
    pub(crate) fn of(&self, labels: &Labels) -> Labels {
        let left = labels.iter().filter(|(name, _)| self.has(name));
        Labels::new(left.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::*;

    fn grouping() -> impl Strategy<Value = Grouping> {
        (any::<bool>(), vec("[a-d]", 0..4)).prop_map(
            |(by, names)| {
                if by { Grouping::By(names) } else { Grouping::Without(names) }
            },
        )
    }

    proptest! {
        #[test]
        fn one_grouping_does_what_two_within_each_other_do(outer in grouping(), inner in grouping(), names in vec("[a-e]", 0..5)) {
            let labels = Labels::new(names.into_iter().map(|name| (name, "x".to_owned())));
            prop_assert_eq!(within(&outer, inner.clone()).of(&labels), outer.of(&inner.of(&labels)));
        }
    }
}
