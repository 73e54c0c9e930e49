//! Queries that are none: where, and what was expected.

use logmesh_logql::{NESTING_MAX, QUERY_BYTES_MAX, REGEXES_MAX, TERMS_MAX, parse, parse_selector};
use logmesh_protocol::record::Labels;

use crate::check::check;

/// A query, the line and the column of its error, and a piece of the message.
const ERRORS: &[(&str, usize, usize, &str)] = &[
    ("", 1, 1, "unexpected $end, expecting a selector {…}, a function or NUMBER"),
    ("{", 1, 2, "unexpected $end, expecting IDENTIFIER or }"),
    ("{}", 0, 0, "at least one regexp or equality matcher that does not have an empty-compatible value"),
    ("{app=~\".*\"}", 0, 0, "at least one regexp or equality matcher"),
    ("{app!=\"x\"}", 0, 0, "at least one regexp or equality matcher"),
    ("{app=\"\"}", 0, 0, "at least one regexp or equality matcher"),
    ("{app!~\"x\",b=~\"y|\"}", 0, 0, "at least one regexp or equality matcher"),
    ("{app}", 1, 5, "unexpected }, expecting = or =~ or !~ or !="),
    ("{app=}", 1, 6, "unexpected }, expecting STRING"),
    ("{app=web}", 1, 6, "unexpected IDENTIFIER, expecting STRING"),
    ("{app==\"web\"}", 1, 5, "unexpected ==, expecting"),
    ("{app>\"web\"}", 1, 5, "unexpected >, expecting"),
    ("{app=\"web\" b=\"c\"}", 1, 12, "unexpected IDENTIFIER, expecting } or ,"),
    ("{,app=\"web\"}", 1, 2, "unexpected ,, expecting IDENTIFIER or }"),
    ("{app=\"web\"", 1, 11, "unexpected $end, expecting } or ,"),
    ("{\"app\"=\"web\"}", 1, 2, "unexpected STRING, expecting IDENTIFIER"),
    ("{app=\"web\"} x", 1, 13, "unexpected IDENTIFIER"),
    ("{app=\"web\"} |", 1, 14, "expecting json, logfmt, pattern, regexp"),
    ("{app=\"web\"} |= error", 1, 16, "unexpected IDENTIFIER, expecting STRING"),
    ("{app=\"web\"}\n|= error", 2, 4, "unexpected IDENTIFIER, expecting STRING"),
    ("{app=\"wéb\"} |= error", 1, 16, "unexpected IDENTIFIER, expecting STRING"),
    ("{app=\"web\"} |= \"a\" or", 1, 20, "unexpected or"),
    ("{app=\"web\"} |~ \"(\"", 1, 16, "unclosed group"),
    ("{app=~\"web(\"}", 1, 7, "unclosed group"),
    ("{app=\"web\"} | json | a=~\"[\"", 1, 25, "missing closing ]"),
    ("{app=\"web\"} | level", 1, 20, "expecting a comparison"),
    ("{app=\"web\"} | unwrap a", 1, 13, "unwrap is only allowed within a range aggregation"),
    ("{app=\"web\"} | level=", 1, 21, "expecting STRING or BYTES or NUMBER or DURATION"),
    ("{app=\"web\"} | level>\"x\"", 1, 21, "unexpected STRING, expecting BYTES or NUMBER or DURATION"),
    ("{app=\"web\"} | level==\"x\"", 1, 22, "unexpected STRING, expecting BYTES or NUMBER or DURATION"),
    ("{app=\"web\"} | level=~5", 1, 22, "unexpected NUMBER, expecting STRING"),
    ("{app=\"web\"} | (level=\"x\"", 1, 25, "expecting )"),
    ("{app=\"web\"} | level=\"x\" and", 1, 28, "expecting IDENTIFIER"),
    ("{app=\"web\"} | level > -5MB", 1, 24, "unexpected BYTES"),
    ("{app=\"web\"} | json a=\"b..\"", 1, 22, "cannot parse expression [b..]"),
    ("{app=\"web\"} | logfmt --nonsense", 1, 22, "unexpected --nonsense, expecting --strict or --keep-empty"),
    ("{app=\"web\"} | line_format", 1, 26, "expecting STRING"),
    ("{app=\"web\"} |> \"a<b>\"", 1, 16, "named captures such as <b> are not allowed here"),
    ("{app=\"web\"} $", 1, 13, "unexpected '$'"),
    ("{app=\"web", 1, 6, "literal not terminated"),
    ("{app=`web}", 1, 6, "literal not terminated"),
    ("{app=\"w\neb\"}", 1, 6, "literal not terminated"),
    ("{app=\"w\\deb\"}", 1, 8, "invalid char escape"),
    ("{app=\"\\xff\"}", 1, 6, "invalid char escape: the string is not UTF-8"),
    ("{app=\"\\ud800\"}", 1, 7, "invalid char escape"),
    ("{app='web'}", 1, 6, "unexpected '\\''"),
    ("count_over_time({app=\"web\"})", 1, 28, "unexpected ), expecting RANGE, such as [5m]"),
    ("count_over_time({app=\"web\"}[5])", 1, 29, "unexpected NUMBER, expecting DURATION"),
    ("count_over_time({app=\"web\"}[5KB])", 1, 29, "unexpected BYTES, expecting DURATION"),
    ("count_over_time({app=\"web\"}[0s])", 1, 29, "the range must be longer than zero"),
    ("count_over_time({app=\"web\"}[])", 1, 29, "unexpected ], expecting DURATION"),
    ("count_over_time({app=\"web\"}[5m)", 1, 31, "unexpected ), expecting ]"),
    ("count_over_time({app=\"web\"}[5m]", 1, 32, "unexpected $end, expecting )"),
    ("count_over_time({app=\"web\"}[5m]) offset 5m", 1, 34, "unexpected offset"),
    ("count_over_time({app=\"web\"}[5m] offset 5)", 1, 40, "unexpected NUMBER, expecting DURATION"),
    ("count_over_time({app=\"web\"}[5m][5m])", 1, 32, "unexpected [, expecting )"),
    ("rate({app=\"web\"}[5m]) by (app)", 0, 0, "grouping not allowed for rate aggregation"),
    ("count_over_time(1)", 1, 17, "unexpected NUMBER, expecting {"),
    ("count_over_time", 1, 16, "expecting ("),
    ("sum({app=\"web\"})", 1, 5, "unexpected log query, expecting a metric query"),
    ("sum by app (rate({app=\"web\"}[5m]))", 1, 8, "unexpected IDENTIFIER, expecting ("),
    ("sum by (app rate({app=\"web\"}[5m]))", 1, 13, "unexpected rate, expecting , or )"),
    ("sum by (\"app\") (rate({app=\"web\"}[5m]))", 1, 9, "unexpected STRING, expecting IDENTIFIER"),
    ("sum()", 1, 5, "unexpected )"),
    ("nosuch({app=\"web\"}[5m])", 1, 1, "unexpected IDENTIFIER"),
    ("quantile_over_time(0.9, {app=\"web\"}[5m])", 0, 0, "invalid aggregation quantile_over_time without unwrap"),
    ("sum(1)", 1, 5, "sum needs a vector, not a number"),
    ("{app=\"web\"} + 1", 1, 13, "unexpected +"),
    ("1 + {app=\"web\"}", 1, 5, "unexpected log query, expecting a metric query"),
    ("1 +", 1, 4, "unexpected $end"),
    ("1 2", 1, 3, "unexpected NUMBER"),
    ("(1", 1, 3, "expecting )"),
    ("1)", 1, 2, "unexpected )"),
    ("5m", 1, 1, "unexpected DURATION"),
    ("1x", 1, 1, "\"1x\" is not a number, a duration or a size that can be used"),
    ("1e999", 1, 1, "that can be used"),
];

#[test]
fn errors_name_the_place_and_what_was_expected() {
    for (query, line, column, message) in ERRORS {
        let error = parse(query).expect_err(query);
        assert_eq!((error.line, error.column), (*line, *column), "{query}: {error}");
        assert!(error.to_string().contains(message), "{query}: {error}");
        let place = if *line == 0 { String::new() } else { format!("at line {line}, col {column}") };
        assert!(error.to_string().starts_with(&format!("parse error {place}: ")), "{query}: {error}");
    }
}

#[test]
fn what_cannot_be_run_as_asked_is_refused() {
    let instant = "error: log queries are not supported as an instant query type, please change your query to a range query type (query_range)";
    check(
        "",
        &[
            (r#"{app="web"}"#, "at 5", instant),
            (r#"{app="web"}"#, "5..4", "error: the query's end lies before its start"),
            ("1", "5..4", "error: the query's end lies before its start"),
            (r#"rate({app="web"}[5m])"#, "0..10 step 0s", "error: the step must be longer than zero"),
            (
                r#"rate({app="web"}[5m])"#,
                "0..11000 step 1s",
                "error: the range and the step ask for 11001 points a series, more than 11000; ask for a longer step",
            ),
        ],
    );
}

#[test]
fn no_text_exhausts_the_stack() {
    let open = |open: &str, middle: &str, close: &str, count: usize| {
        format!("{}{middle}{}", open.repeat(count), close.repeat(count))
    };
    let many = 60_000;
    let deep = [
        open("(", "1", ")", many),
        open("(", "{app=\"web\"}", ")", many),
        format!("{{app=\"web\"}} | {}", open("(", "a=1", ")", many)),
        format!("count_over_time({})", open("(", "{app=\"web\"}[5m]", ")", many)),
        open("sum(", "1", ")", many / 4),
        open("2^", "1", "", many),
        "(".repeat(100_000),
        "sum(".repeat(30_000),
    ];
    for query in deep {
        let error = parse(&query).expect_err("too deep");
        assert!(error.message.contains(&format!("deeper than {NESTING_MAX}")), "{error}");
    }
    let long = [
        format!("1{}", "+1".repeat(many)),
        format!("{{app=\"web\"}} | a=1{}", " or a=1".repeat(many / 4)),
        format!("{{app=\"web\"}}{}", "|=\"\"".repeat(many / 4)),
        format!("{{app=\"web\"}} |= \"\"{}", " or \"\"".repeat(many / 4)),
        format!("{{app=\"web\"{}}}", ",a=\"b\"".repeat(many / 4)),
        format!("sum by (a{}) (1)", ",a".repeat(many / 2)),
    ];
    for query in long {
        let error = parse(&query).expect_err("too long");
        assert!(error.message.contains(&format!("more than {TERMS_MAX}")), "{error}");
    }
    let within = format!("1{}", "+1".repeat(TERMS_MAX));
    assert!(parse(&within).is_ok_and(|expr| parse(&expr.to_string()) == Ok(expr)));
    let within = open("(", "1", ")", NESTING_MAX);
    assert!(parse(&within).is_ok());
    let regexes = format!("{{app=\"web\"}}{}", "|~\"a\"".repeat(REGEXES_MAX + 1));
    assert!(parse(&regexes).is_err_and(|error| error.message.contains("more than 64 regular expressions")));
    let large = format!("{{app=\"{}\"}}", "x".repeat(QUERY_BYTES_MAX));
    assert!(parse(&large).is_err_and(|error| error.message.contains("more than 131072")));
    assert!(parse_selector(&large).is_err());
}

#[test]
fn a_selector_alone_may_match_everything() {
    let labels = Labels::new([("app".to_owned(), "web".to_owned())]);
    let cases = [
        ("{}", true),
        ("{app=\"web\"}", true),
        ("{app=~\".*\"}", true),
        ("{app!=\"web\"}", false),
        ("{zone=\"\"}", true),
        ("{zone!=\"a\"}", true),
        ("{zone=~\"a|\"}", true),
        ("{zone=~\"a\"}", false),
    ];
    for (text, matches) in cases {
        let selector = parse_selector(text).expect(text);
        assert_eq!(selector.matches(&labels), matches, "{text}");
        assert_eq!(selector.to_string(), text);
    }
    for bad in ["", "{", "app", "{} | json", "{app=~\"(\"}", "{app}"] {
        assert!(parse_selector(bad).is_err(), "{bad}");
    }
    for more in ["{app=\"web\"} |= \"x\"", "{} | json", "{app=\"web\"}[5m]"] {
        let error = parse_selector(more).expect_err(more);
        assert!(error.message.contains("only label matchers are supported"), "{error}");
    }
}
