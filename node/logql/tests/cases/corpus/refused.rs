//! Queries that are none, and what clients are told: the place, what stands there, what was expected.

use super::{Case, Suite};

pub(super) fn suites() -> Vec<Suite> {
    let case = |(query, column, message): &(&str, usize, &str)| Case {
        query: (*query).to_owned(),
        ask: "",
        want: format!("error: parse error at line 1, col {column}: {message}"),
    };
    let cases = REFUSED.iter().map(case).collect();
    vec![Suite { name: "refused", records: "{a=\"1\"} 1 line".to_owned(), cases }]
}

/// A query, the column of its error, the whole message.
const REFUSED: &[(&str, usize, &str)] = &[
    ("{a=\"1\"} | pattern", 18, "syntax error: unexpected $end, expecting STRING"),
    ("{a=\"1\"} | pattern a", 19, "syntax error: unexpected IDENTIFIER, expecting STRING"),
    (
        "{a=\"1\"} | pattern `no captures`",
        19,
        "the pattern \"no captures\" cannot be used: at least one named capture is required, such as <name>",
    ),
    (
        "{a=\"1\"} | pattern `<_> only <_>`",
        19,
        "the pattern \"<_> only <_>\" cannot be used: at least one named capture is required, such as <name>",
    ),
    (
        "{a=\"1\"} | pattern ``",
        19,
        "the pattern \"\" cannot be used: at least one named capture is required, such as <name>",
    ),
    (
        "{a=\"1\"} | pattern `<a><b>`",
        19,
        "the pattern \"<a><b>\" cannot be used: found consecutive captures before <b>; put a text between",
    ),
    (
        "{a=\"1\"} | pattern `<a><_> x`",
        19,
        "the pattern \"<a><_> x\" cannot be used: found consecutive captures before <_>; put a text between",
    ),
    ("{a=\"1\"} | pattern `<a> <a>`", 19, "the pattern \"<a> <a>\" cannot be used: duplicate capture name a"),
    (
        "{a=\"1\"} |> `<a>`",
        12,
        "the pattern \"<a>\" cannot be used: named captures such as <a> are not allowed here; use <_>",
    ),
    (
        "{a=\"1\"} !> `x<_><_>`",
        12,
        "the pattern \"x<_><_>\" cannot be used: found consecutive captures before <_>; put a text between",
    ),
    ("{a=\"1\"} |> x", 12, "syntax error: unexpected IDENTIFIER, expecting STRING"),
    (
        "{a=\"1\"} | regexp `(.*)`",
        18,
        "the regular expression \"(.*)\" cannot be used: at least one named capture must be supplied, such as (?P<name>…)",
    ),
    ("{a=\"1\"} | regexp `(?P<a>.`", 18, "the regular expression \"(?P<a>.\" cannot be used: unclosed group"),
    (
        "{a=\"1\"} | regexp `(?P<a>.)(?P<a>.)`",
        18,
        "the regular expression \"(?P<a>.)(?P<a>.)\" cannot be used: duplicate capture group name",
    ),
    ("{a=\"1\"} | regexp", 17, "syntax error: unexpected $end, expecting STRING"),
    ("{a=\"1\"} | json a=", 18, "syntax error: unexpected $end, expecting STRING"),
    ("{a=\"1\"} | json a=b", 18, "syntax error: unexpected IDENTIFIER, expecting STRING"),
    ("{a=\"1\"} | json a,", 18, "syntax error: unexpected $end, expecting IDENTIFIER"),
    ("{a=\"1\"} | json a=\"\"", 18, "cannot parse expression []: it is empty"),
    ("{a=\"1\"} | json a=\".b\"", 18, "cannot parse expression [.b]: a path does not begin with a dot"),
    ("{a=\"1\"} | json a=\"b[\"", 18, "cannot parse expression [b[]: expected [0] or [\"field\"]"),
    ("{a=\"1\"} | json a=\"b[-1]\"", 18, "cannot parse expression [b[-1]]: expected [0] or [\"field\"]"),
    ("{a=\"1\"} | json a=\"b.\"", 18, "cannot parse expression [b.]: expected the name of a field"),
    ("{a=\"1\"} | json \"a\"", 16, "syntax error: unexpected STRING"),
    ("{a=\"1\"} | json --strict", 16, "syntax error: unexpected --strict"),
    ("{a=\"1\"} | logfmt --lax", 18, "syntax error: unexpected --lax, expecting --strict or --keep-empty"),
    ("{a=\"1\"} | logfmt a --strict", 20, "syntax error: unexpected --strict"),
    ("{a=\"1\"} | logfmt a=\"b c\"", 20, "cannot parse expression [b c]: it is no key"),
    ("{a=\"1\"} | logfmt a=\"\"", 20, "cannot parse expression []: it is no key"),
    ("{a=\"1\"} | unpack a", 18, "syntax error: unexpected IDENTIFIER"),
    ("{a=\"1\"} | line_format", 22, "syntax error: unexpected $end, expecting STRING"),
    ("{a=\"1\"} | line_format a", 23, "syntax error: unexpected IDENTIFIER, expecting STRING"),
    ("{a=\"1\"} | label_format", 23, "syntax error: unexpected $end, expecting IDENTIFIER"),
    ("{a=\"1\"} | label_format a", 25, "syntax error: unexpected $end, expecting ="),
    ("{a=\"1\"} | label_format a=", 26, "syntax error: unexpected $end, expecting STRING or IDENTIFIER"),
    ("{a=\"1\"} | label_format a=1", 26, "syntax error: unexpected NUMBER, expecting STRING or IDENTIFIER"),
    (
        "{a=\"1\"} | label_format foo=bar,foo=\"new\"",
        32,
        "multiple label name 'foo' not allowed in a single format operation",
    ),
    ("{a=\"1\"} | label_format __error__=a", 24, "__error__ cannot be formatted"),
    ("{a=\"1\"} | label_format a=__error__", 26, "the error of a line cannot be renamed"),
    ("{a=\"1\"} | drop", 15, "syntax error: unexpected $end, expecting IDENTIFIER"),
    ("{a=\"1\"} | drop \"a\"", 16, "syntax error: unexpected STRING, expecting IDENTIFIER"),
    ("{a=\"1\"} | drop a,", 18, "syntax error: unexpected $end, expecting IDENTIFIER"),
    ("{a=\"1\"} | keep a=", 18, "syntax error: unexpected $end, expecting STRING"),
    ("{a=\"1\"} | keep a=5", 18, "syntax error: unexpected NUMBER, expecting STRING"),
    ("{a=\"1\"} | drop a=~\"(\"", 19, "the regular expression \"(\" cannot be used: unclosed group"),
    (
        "{a=\"1\"} |= ip(\"1.2.3\")",
        15,
        "ip(\"1.2.3\") is neither an IP address nor a range (first-last) nor a network (address/bits)",
    ),
    (
        "{a=\"1\"} | b=ip(\"x\")",
        16,
        "ip(\"x\") is neither an IP address nor a range (first-last) nor a network (address/bits)",
    ),
    ("{a=\"1\"} |~ ip(\"1.2.3.4\")", 12, "syntax error: unexpected ip, expecting STRING"),
    ("{a=\"1\"} | b>ip(\"1.2.3.4\")", 13, "syntax error: unexpected ip, expecting BYTES or NUMBER or DURATION"),
    ("{a=\"1\"} |= ip(1)", 15, "syntax error: unexpected NUMBER, expecting STRING"),
    ("{a=\"1\"} |= ip(\"1.2.3.4\"", 24, "syntax error: unexpected $end, expecting )"),
    ("{a=\"1\"} |= \"x\" or y", 16, "syntax error: unexpected or"),
    ("{a=\"1\"} | b", 12, "syntax error: unexpected $end, expecting a comparison (=, ==, !=, =~, !~, >, >=, <, <=)"),
    ("{a=\"1\"} | b=1 and", 18, "syntax error: unexpected $end, expecting IDENTIFIER"),
    ("{a=\"1\"} | (b=1", 15, "syntax error: unexpected $end, expecting )"),
    ("{a=\"1\"} | b=1)", 14, "syntax error: unexpected )"),
    ("{a=\"1\"} | b=5z", 13, "syntax error: \"5z\" is not a number, a duration or a size that can be used"),
    ("{a=\"1\"} | unwrap b", 9, "unwrap is only allowed within a range aggregation, such as sum_over_time"),
    // Keywords stand for themselves, other words are identifiers; what is called is a function.
    ("{a=\"1\"} by", 9, "syntax error: unexpected by"),
    ("{a=\"1\"} rate", 9, "syntax error: unexpected IDENTIFIER"),
    ("{a=\"1\"} rate(", 9, "syntax error: unexpected rate"),
    ("{a=\"1\" b=\"2\"}", 8, "syntax error: unexpected IDENTIFIER, expecting } or ,"),
    ("{a=\"1\", }, b", 10, "syntax error: unexpected ,"),
    ("{a b=\"1\"}", 4, "syntax error: unexpected IDENTIFIER, expecting = or =~ or !~ or !="),
    ("{\"a\"=\"1\"}", 2, "syntax error: unexpected STRING, expecting IDENTIFIER or }"),
];
