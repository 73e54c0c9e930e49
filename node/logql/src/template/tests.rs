//! Tests of the template language as a whole, from text to text.

mod cases;
mod laws;

use logmesh_protocol::time::Timestamp;

use super::{Names, Template, TemplateRow};
use cases::{FAILING, REFUSED, RENDERED};

/// The row that all cases are rendered with.
#[derive(Debug)]
struct Row;

const LABELS: &[(&str, &str)] = &[
    ("a", "one"),
    ("b", "two words"),
    ("n", "42"),
    ("f", "3.75"),
    ("j", r#"{"x":[1,"b",null,{"k":true}],"y":{"z":2.5}}"#),
    ("empty", ""),
    ("level", "info"),
    ("path", "/api/v1/users"),
];

impl TemplateRow for Row {
    fn label(&self, name: &str) -> Option<&str> {
        LABELS.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn each_label<'r>(&'r self, each: &mut dyn FnMut(&'r str, &'r str)) {
        for (name, value) in LABELS {
            each(name, value);
        }
    }

    fn line(&self) -> &str {
        "the Line"
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_123_456_789)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_764_000_000_000_000_000)
    }
}

fn render(text: &str) -> Result<String, String> {
    let mut template = Template::parse("line", text).map_err(|error| error.to_string())?;
    let mut out = "before ".to_owned();
    let rendered = template.render(&Row, &mut out);
    let again = {
        let mut out = String::new();
        template.render(&Row, &mut out).map(|()| out)
    };
    let rest = out.strip_prefix("before ").expect("what was there stays").to_owned();
    match rendered {
        Ok(()) => {
            assert_eq!(again, Ok(rest.clone()), "{text}");
            Ok(rest)
        }
        Err(failure) => {
            assert_eq!(rest, "", "{text}");
            Err(failure.to_string())
        }
    }
}

/// Compares all cases, and shows all that differ.
fn check(cases: &[(&str, &str)], outcome: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let found = outcome(text);
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected:?}\n     found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn templates_render_as_in_go() {
    assert!(RENDERED.len() + FAILING.len() + REFUSED.len() > 200);
    check(RENDERED, |text| render(text).unwrap_or_else(|error| error));
}

#[test]
fn renderings_fail_as_in_go() {
    check(FAILING, |text| render(text).expect_err(text));
}

#[test]
fn what_is_no_template_is_refused_as_in_go() {
    check(REFUSED, |text| Template::parse("line", text).expect_err(text).to_string());
}

#[test]
fn our_own_ways() {
    check(OURS, |text| render(text).unwrap_or_else(|error| error));
}

/// Where we differ from Go's library, or where it has no such function.
const OURS: &[(&str, &str)] = &[
    // As LogQL documents it, not `<no value>`.
    ("{{ fromJson `no json` }}|", "|"),
    ("{{ fromJson `no json` | default `d` }}", "d"),
    ("{{ range fromJson `no json` }}x{{ else }}none{{ end }}", "none"),
    ("{{ alignLeft 5 \"hello world\"}}", "hello"),
    ("{{ alignLeft 5 \"hi\"}}|", "hi   |"),
    ("{{ alignRight 5 \"hello world\"}}", "world"),
    ("{{ alignRight 5 \"hi\"}}", "   hi"),
    ("{{ alignRight 3 \"héé\"}}{{ alignLeft 2 \"äöü\" }}{{ alignLeft 0 \"x\" }}|", "hééäö|"),
    ("{{ alignLeft -1 \"x\" }}", "x"),
    // Characters, not bytes.
    ("{{ trunc 2 \"äöü\" }} {{ trunc -1 \"äöü\" }} {{ substr 1 2 \"äöü\" }}", "äö ü ö"),
    ("{{ substr 10 20 \"short\" }}|{{ substr 3 2 \"short\" }}|{{ substr -1 -1 \"short\" }}|", "|||"),
    // A number of another kind will do for a count.
    ("{{ trunc (add 1 2) .b }}", "two"),
    ("{{ date \"2006-01-02\" (unixToTime \"1679577215\") }}", "2023-03-23"),
    ("{{ unixToTime \"19439\" }}", "2023-03-23 00:00:00 +0000 UTC"),
    ("{{ unixToTime \"1679577215123\" }}", "2023-03-23 13:13:35.123 +0000 UTC"),
    ("{{ unixToTime \"1679577215123456\" }}", "2023-03-23 13:13:35.123456 +0000 UTC"),
    ("{{ unixToTime \"1679577215123456789\" | unixEpochNanos }}", "1679577215123456789"),
    ("{{ now }}", "2025-11-24 16:00:00 +0000 UTC"),
    // Refused before the first line, not failing with it.
    ("{{ nil }}", "template: line:1: nil is not a command"),
    ("{{ template \"zz\" }}", "template: line:1: template \"zz\" not defined"),
    (
        "{{ call .a }}",
        "template: line:1:3: executing \"line\" at <call .a>: error calling call: non-function of type string",
    ),
    ("{{ urlquery \"é\" }}{{ printf \"%s\" `%d` }}", "%C3%A9%d"),
];

#[test]
fn names_are_those_that_are_read() {
    let names = |text: &str| match Template::parse("line", text).unwrap_or_else(|error| panic!("{error}")).names() {
        Names::All => "*".to_owned(),
        Names::Some(names) => names.join(" "),
    };
    let cases = [
        ("no label", ""),
        ("{{.b}} {{.a}} {{.a}}", "a b"),
        ("{{ if eq .x \"1\" }}{{ .y }}{{ else }}{{ $.z }}{{ end }}", "x y z"),
        ("{{ index . \"some name\" }}{{ index $ \"b\" }}", "b some name"),
        ("{{ index . .a }}", "*"),
        ("{{ range $k, $v := . }}{{ $k }}{{ end }}", "*"),
        ("{{ range fromJson .q }}{{ . }}{{ .inner }}{{ end }}", "inner q"),
        ("{{ with $ }}{{ .a }}{{ end }}", "*"),
        ("{{ define \"t\" }}{{ .a }}{{ end }}{{ template \"t\" . }}", "*"),
        ("{{ (printf \"%s\" .a) | upper }}{{ $x := .b }}{{ $x }}", "a b"),
    ];
    for (text, expected) in cases {
        assert_eq!(names(text), expected, "{text}");
    }
    for (text, reads) in
        [("{{ __line__ }}", true), ("{{ .a }}", false), ("{{ if .a }}{{ len (__line__) }}{{ end }}", true)]
    {
        assert_eq!(
            Template::parse("line", text).unwrap_or_else(|error| panic!("{error}")).reads_line(),
            reads,
            "{text}"
        );
    }
}
