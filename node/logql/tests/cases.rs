//! Queries over records, from text to answer, as data. Every case runs twice: over all records at once, and over records
//! scattered in small blocks over three nodes whose results travel as bytes. Both must give the same answer.

#![expect(clippy::unwrap_used, reason = "a test whose case is miswritten shall stop")]

#[path = "cases/check.rs"]
mod check;
#[path = "cases/logs.rs"]
mod logs;
#[path = "cases/metric.rs"]
mod metric;
#[path = "cases/metrics.rs"]
mod metrics;
#[path = "cases/parsers.rs"]
mod parsers;
#[path = "cases/refused.rs"]
mod refused;
#[path = "cases/shapes.rs"]
mod shapes;
