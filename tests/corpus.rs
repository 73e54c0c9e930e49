//! The cases of the query engine once more, over HTTP: the records are pushed, each query is asked of a node that holds
//! all of them and of a mesh of three over which they are scattered, and both must answer what the engine answers, to the
//! last label. The cases are the engine's own files; only what `check` does with them is another. How many were asked is
//! printed when the nodes end.
//!
//! Some cannot be asked over HTTP, and are asked of the engine alone: those that set the most series of an answer, which is a
//! setting of the node (the word `series`), and those that a node refuses before it asks the engine, in words of its own
//! (`limit 0`, `step 0s`, an end before its start). [`check::UNASKED_MAX`] holds how many these are.

#![expect(clippy::unwrap_used, reason = "a test whose case is miswritten shall stop")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

#[path = "corpus/check.rs"]
mod check;
#[path = "../node/logql/tests/cases/corpus.rs"]
mod corpus;
/// What runs the cases within one process: it reads them, and says what the answers are.
#[allow(dead_code, reason = "the parts that the engine's own tests need are not needed here")]
#[path = "../node/logql/tests/cases/check.rs"]
mod engine;
#[path = "../node/logql/tests/cases/logs.rs"]
mod logs;
#[path = "../node/logql/tests/cases/metric.rs"]
mod metric;
#[path = "../node/logql/tests/cases/metrics.rs"]
mod metrics;
#[path = "../node/logql/tests/cases/parsers.rs"]
mod parsers;
#[path = "../node/logql/tests/cases/refused.rs"]
mod refused;
#[path = "../node/logql/tests/cases/shapes.rs"]
mod shapes;

#[test]
fn the_corpus_of_log_queries_is_answered_by_nodes_too() {
    // Else they would end and begin anew between two suites.
    let _running = check::Meshes::shared();
    let mut failures = String::new();
    for suite in corpus::suites() {
        let cases: Vec<check::Case<'_>> =
            suite.cases.iter().map(|case| (case.query.as_str(), case.ask, case.want.as_str())).collect();
        let failed = check::failures(&suite.records, &cases);
        if !failed.is_empty() {
            failures += &format!("\n{}:{failed}", suite.name);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
