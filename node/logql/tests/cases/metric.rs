//! Cases of metric queries as data: a query, what is asked besides, and the answer in short, over some records. Nothing
//! here runs them, so that others may replay them elsewhere (include this file by its path, it needs no other).

#[path = "metric/counters.rs"]
mod counters;
#[path = "metric/documented.rs"]
mod documented;
#[path = "metric/errors.rs"]
mod errors;
#[path = "metric/operators.rs"]
mod operators;
#[path = "metric/reference.rs"]
mod reference;
#[path = "metric/samples.rs"]
mod samples;
#[path = "metric/vectors.rs"]
mod vectors;

/// A query, what is asked besides, and the answer in short.
pub(crate) type Case = (&'static str, &'static str, &'static str);

/// What the cases have in common, the records, and the cases.
pub(crate) type Group = (&'static str, &'static str, &'static [Case]);

/// Returns all groups.
pub(crate) fn groups() -> Vec<Group> {
    [
        counters::GROUPS,
        documented::GROUPS,
        errors::GROUPS,
        operators::GROUPS,
        reference::GROUPS,
        samples::GROUPS,
        vectors::GROUPS,
    ]
    .concat()
}
