//! Queries over records, from text to answer, as data. Every case runs twice: over all records at once, and over records
//! scattered in small blocks over three nodes whose results travel as bytes. Both must give the same answer.

#![expect(clippy::unwrap_used, reason = "a test whose case is miswritten shall stop")]

#[path = "cases/check.rs"]
mod check;
#[path = "cases/corpus.rs"]
mod corpus;
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

#[test]
fn the_corpus_of_log_queries_is_answered_to_the_letter() {
    let suites = corpus::suites();
    let mut failures = String::new();
    for suite in &suites {
        let cases: Vec<check::Case<'_>> =
            suite.cases.iter().map(|case| (case.query.as_str(), case.ask, case.want.as_str())).collect();
        let failed = check::failures(&suite.records, &cases);
        if !failed.is_empty() {
            failures += &format!("\n{}:{failed}", suite.name);
        }
    }
    let count: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    assert!(failures.is_empty(), "{failures}");
    assert!(count >= 350, "there are only {count} cases");
}
