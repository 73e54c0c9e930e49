//! What holds of any template: it ends, within its bounds, and harms nobody.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, proptest};
use proptest::sample::select;

use super::Row;
use crate::template::{OUTPUT_BYTES_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_NESTING_MAX, Template};

/// Renders a text if it is a template, and returns what went wrong.
fn run(text: &str) -> Option<String> {
    let mut template = match Template::parse("line", text) {
        Ok(template) => template,
        Err(error) => return Some(error.to_string()),
    };
    let mut out = String::new();
    let failure = template.render(&Row, &mut out).err().map(|failure| failure.to_string());
    assert!(out.len() <= OUTPUT_BYTES_MAX);
    failure
}

/// Pieces that templates are made of, so that noise is often enough a template.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{{",
        "}}",
        "{{-",
        " -}}",
        " ",
        "|",
        ":=",
        "=",
        ",",
        "(",
        ")",
        ".",
        ".a",
        ".j",
        "$",
        "$x",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "break",
        "continue",
        "define \"t\"",
        "template \"t\" .",
        "block \"t\" .",
        "nil",
        "true",
        "\"x\"",
        "`y`",
        "'c'",
        "0",
        "-1",
        "7",
        "1e9",
        "2.5",
        "0x",
        "/*",
        "*/",
        "printf \"%[2]*.3d %v\" ",
        "fromJson .j ",
        "index ",
        "len ",
        "add ",
        "div ",
        "regexReplaceAll \"a*\" ",
        "count ",
        "repeat 3 ",
        "indent 9 ",
        "date ",
        "__timestamp__",
        "__line__",
        "toDate \"2006-01-02 MST\" ",
        "round ",
        "default ",
        "slice ",
        "eq ",
        "lt ",
        "and ",
        "é",
        "\n",
    ];
    vec(select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn noise_does_no_harm(text in "\\PC{0,60}") {
        run(&text);
        run(&format!("{{{{ {text} }}}}"));
    }

    #[test]
    fn what_looks_like_a_template_does_no_harm(text in pieces()) {
        let began = Instant::now();
        run(&text);
        run(&format!("{{{{ {text} }}}}"));
        prop_assert!(began.elapsed() < Duration::from_secs(2), "{}", text);
    }

    #[test]
    fn any_arguments_do_no_harm(name in select(NAMES.to_vec()), arguments in vec(select(ARGUMENTS.to_vec()), 0..5)) {
        run(&format!("{{{{ {name} {} }}}}", arguments.join(" ")));
    }

    #[test]
    fn any_layout_does_no_harm(layout in "\\PC{0,12}", text in "\\PC{0,12}") {
        let (layout, text) = (layout.replace('`', ""), text.replace('`', ""));
        run(&format!("{{{{ __timestamp__.Format `{layout}` }}}}{{{{ toDate `{layout}` `{text}` }}}}"));
    }

    #[test]
    fn a_time_reads_back_as_it_was_written(
        seconds in -60_000_000_000i64..250_000_000_000,
        layout in select(vec!["2006-01-02T15:04:05Z07:00", "Mon, 02 Jan 2006 15:04:05 -0700", "2006-002 3:04:05 PM", "Jan _2 2006 15:04:05"]),
    ) {
        let year = format!("{{{{ (toDate `2006-01-02` `2020-01-01`).Unix }}}}{{{{ date `{layout}` {seconds} }}}}");
        prop_assert!(run(&year).is_none());
        let text = format!("{{{{ if ne (toDate `{layout}` (date `{layout}` {seconds}) | unixEpoch) `{seconds}` }}}}{{{{ div 1 0 }}}}{{{{ end }}}}");
        prop_assert!(run(&text).is_none(), "{}", text);
    }

    #[test]
    fn any_format_does_no_harm(format in "[%a-zA-Z0-9 #+\\-.*\\[\\]]{0,12}") {
        run(&format!("{{{{ printf `{format}` 1 `x` 2.5 nil true __timestamp__ (fromJson .j) . }}}}"));
    }
}

#[test]
fn nothing_runs_away() {
    let cases = [
        ("{{ range 1000000000000 }}{{ end }}", "the template takes more than 200000 steps"),
        ("{{ range 1000000 }}{{ range 1000000 }}x{{ end }}{{ end }}", "the template takes more than 200000 steps"),
        ("{{ repeat 2000000 \"x\" }}", "the value has more than 1048576 bytes"),
        ("{{ range 20000 }}{{ repeat 1000 \"x\" }}{{ end }}", "the template gives more than 1048576 bytes"),
        (
            "{{ $x := \"xx\" }}{{ range 99 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}",
            "the value has more than 1048576 bytes",
        ),
        ("{{ $x := \"xx\" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}", "the value is too long"),
        (
            "{{ range 9999 }}{{ $x := repeat 1000000 \"x\" | upper }}{{ end }}",
            "the template takes more than 200000 steps",
        ),
        ("{{ printf \"%999999d%999999d\" 1 1 }}", "the value has more than 1048576 bytes"),
        ("{{ alignLeft 99999999999 \"x\" }}", "the value has more than 1048576 bytes"),
        ("{{ indent 1000000 \"x\\ny\" }}", "the value has more than 1048576 bytes"),
        ("{{ replace \"\" (repeat 1000000 \"y\") \"xxx\" }}", "the value has more than 1048576 bytes"),
        ("{{ regexReplaceAll \"\" (repeat 9999 \"x\") (repeat 9999 \"y\") }}", "the value has more than 1048576 bytes"),
        (
            "{{ regexReplaceAll \".*\" (repeat 9999 \"x\") (repeat 9999 \"$0\") }}",
            "the value has more than 1048576 bytes",
        ),
        (
            "{{ range $i := 99999 }}{{ count (printf \"%d[a-z]{99}\" $i) \"x\" }}{{ end }}",
            "the template takes more than 200000 steps",
        ),
        ("{{ define \"t\" }}{{ template \"t\" . }}{{ end }}{{ template \"t\" . }}", "nested deeper than 50 levels"),
        ("{{ regexReplaceAll \"(\\\\pL{500}){500}\" .a \"\" }}", "cannot be used"),
    ];
    for (text, message) in cases {
        let began = Instant::now();
        let failure = run(text).unwrap_or_else(|| panic!("{text} works"));
        assert!(failure.contains(message), "{text}: {failure}");
        assert!(began.elapsed() < Duration::from_secs(5), "{text} takes {:?}", began.elapsed());
    }
}

#[test]
fn templates_are_as_large_and_as_deep_as_allowed_and_no_more() {
    let nested = |depth: usize| format!("{}x{}", "{{ if true }}".repeat(depth), "{{ end }}".repeat(depth));
    assert_eq!(run(&nested(TEMPLATE_NESTING_MAX)), None);
    assert!(run(&nested(TEMPLATE_NESTING_MAX + 1)).is_some_and(|error| error.contains("nested deeper than 50 levels")));
    let parens = |depth: usize| format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(run(&parens(TEMPLATE_NESTING_MAX)), None);
    assert!(run(&parens(10_000)).is_some_and(|error| error.contains("nested deeper than 50 levels")));
    assert_eq!(run(&"x".repeat(TEMPLATE_BYTES_MAX)), None);
    assert!(run(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_some_and(|error| error.contains("more than 65536 bytes")));
}

const NAMES: &[&str] = &[
    "and",
    "call",
    "eq",
    "ge",
    "html",
    "index",
    "js",
    "len",
    "lt",
    "ne",
    "not",
    "or",
    "print",
    "printf",
    "println",
    "slice",
    "urlquery",
    "date",
    "duration",
    "toDate",
    "toDateInZone",
    "unixEpoch",
    "unixEpochNanos",
    "unixToTime",
    "alignLeft",
    "alignRight",
    "b64enc",
    "b64dec",
    "bytes",
    "default",
    "fromJson",
    "lower",
    "indent",
    "nindent",
    "repeat",
    "replace",
    "substr",
    "title",
    "trim",
    "trimAll",
    "trimPrefix",
    "trunc",
    "upper",
    "urlencode",
    "urldecode",
    "contains",
    "add",
    "addf",
    "ceil",
    "div",
    "divf",
    "float64",
    "floor",
    "int",
    "max",
    "maxf",
    "min",
    "minf",
    "mul",
    "mulf",
    "mod",
    "round",
    "sub",
    "subf",
    "count",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "Replace",
    "Trim",
    "TrimLeft",
    "TrimSuffix",
];

const ARGUMENTS: &[&str] = &[
    "1",
    "0",
    "-1",
    "-9223372036854775808",
    "9223372036854775807",
    "1.5",
    "1e300",
    "-1e-300",
    "\"\"",
    "\"x\"",
    "\"äöü\"",
    "\"%5d\"",
    "\"2006 MST\"",
    "\"99999\"",
    "\"9999999999999\"",
    "\"9223372036854775807\"",
    "\"-\"",
    "nil",
    "true",
    ".",
    ".j",
    "(fromJson .j)",
    "(fromJson \"[1,2]\")",
    "__timestamp__",
    "__timestamp__.Month",
    "(float64 \"nan\")",
    "\"(a|b)*\"",
    "\"é\"",
];
