//! Log queries as data: what is stored, what is asked, what comes back. Nothing here knows how a query is run, so that the
//! same cases serve the engine alone and a running mesh.

#[path = "corpus/addresses.rs"]
mod addresses;
#[path = "corpus/documentation.rs"]
mod documentation;
#[path = "corpus/errors.rs"]
mod errors;
#[path = "corpus/formats.rs"]
mod formats;
#[path = "corpus/json.rs"]
mod json;
#[path = "corpus/label_filters.rs"]
mod label_filters;
#[path = "corpus/line_filters.rs"]
mod line_filters;
#[path = "corpus/log_queries.rs"]
mod log_queries;
#[path = "corpus/logfmt.rs"]
mod logfmt;
#[path = "corpus/patterns.rs"]
mod patterns;
#[path = "corpus/picks.rs"]
mod picks;
#[path = "corpus/pipelines.rs"]
mod pipelines;
#[path = "corpus/refused.rs"]
mod refused;
#[path = "corpus/streams.rs"]
mod streams;
#[path = "corpus/template_functions.rs"]
mod template_functions;

/// Records and what is asked of them.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// What the cases are about.
    pub(crate) name: &'static str,
    /// One record a line: `{app="web"} 12.5 the line`, or with metadata `{app="web"} 12 [trace="x"] the line`. The number is
    /// seconds; ⏎ stands for a newline within the line, ␛ for the escape character.
    pub(crate) records: String,
    /// The cases.
    pub(crate) cases: Vec<Case>,
}

/// A query and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The query.
    pub(crate) query: String,
    /// What is asked besides, in words: `0..60`, `forward`, `limit 2`, `interval 5s`. Without any: everything from 0 to
    /// 100 s, newest first, at most 100 lines.
    pub(crate) ask: &'static str,
    /// The answer, a line for each entry: all its labels, its seconds, its line; the sets of labels sorted. Or
    /// `error: ` and the whole message.
    pub(crate) want: String,
}

/// Returns all suites.
pub(crate) fn suites() -> Vec<Suite> {
    [
        line_filters::suites(),
        label_filters::suites(),
        json::suites(),
        logfmt::suites(),
        patterns::suites(),
        formats::suites(),
        picks::suites(),
        errors::suites(),
        streams::suites(),
        refused::suites(),
        documentation::suites(),
        log_queries::suites(),
        pipelines::suites(),
        template_functions::suites(),
        addresses::suites(),
    ]
    .concat()
}

/// Makes a suite of whole queries.
fn suite(name: &'static str, records: &str, cases: &[(&str, &'static str, &str)]) -> Suite {
    let case = |(query, ask, want): &(&str, &'static str, &str)| {
        let lines = want.lines().map(str::trim).filter(|line| !line.is_empty());
        Case { query: (*query).to_owned(), ask, want: lines.collect::<Vec<_>>().join("\n") }
    };
    Suite { name, records: records.to_owned(), cases: cases.iter().map(case).collect() }
}

/// Makes a suite of pipelines over one line of the stream `{x="1"}`. What is wanted are the labels besides `x="1"`, with
/// semicolons between, and behind `=>` the line, if it is another one; or `dropped`; or an error. `-x` says that this label
/// is gone.
fn on_line(name: &'static str, line: &str, cases: &[(&str, &str)]) -> Suite {
    let case = |(pipeline, want): &(&str, &str)| {
        let want = match *want {
            "dropped" => String::new(),
            error if error.starts_with("error: ") => error.to_owned(),
            want => entry(line, want),
        };
        Case { query: format!("{{x=\"1\"}} {pipeline}"), ask: "", want }
    };
    Suite { name, records: format!("{{x=\"1\"}} 1 {line}"), cases: cases.iter().map(case).collect() }
}

fn entry(line: &str, want: &str) -> String {
    let (labels, line) = want.split_once("=>").unwrap_or((want, line));
    let mut labels: Vec<&str> = labels.split(';').map(str::trim).filter(|pair| !pair.is_empty()).collect();
    labels.push("x=1");
    if let Some(at) = labels.iter().position(|label| *label == "-x") {
        labels.remove(at);
        labels.pop();
    }
    labels.sort_by_key(|pair| pair.split_once('=').map(|(name, _)| name));
    format!("{{{}}} 1 {}", labels.join(","), line.trim()).trim().to_owned()
}
