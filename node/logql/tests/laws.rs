//! What holds of any query, any text, any bytes: printing is undone by reading, noise is refused without harm, and how
//! the work was divided does not show in the answer.

use std::sync::Arc;
use std::time::Duration;

use logmesh_logql::{
    BinaryOp, BinaryOperation, CompareOp, Conversion, Direction, Encoding, Entry, Expr, Extraction, FormatValue,
    Grouping, LabelFilter, LabelFormat, LabelPick, LabelReplace, LineFilter, LineOp, LinePattern, LogExpr, MatchGroup,
    MatchOp, MatchSide, Matcher, Matching, Merge, MetricExpr, Nanoseconds, Part, Partial, Quantity, QueryParams,
    RangeAggregation, RangeOp, Selector, SeriesPart, Stage, Unwrap, VectorAggregation, VectorOp, parse, parse_selector,
    parse_timestamp, plan, pretty,
};
use logmesh_protocol::codec::{decode, encode};
use logmesh_protocol::record::{Labels, put_metadata};
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{prop_oneof, sample};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,6}",
        sample::select(vec!["by", "or", "and", "json", "rate", "sum", "offset"]).prop_map(String::from)
    ]
}

/// Names that do not begin a stage of their own.
fn filter_name() -> impl Strategy<Value = String> {
    "[a-z]{1,4}_[a-z0-9]{0,3}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,8}", "[ -~\n\t\r\u{1}\u{7f}\"\\\\`]{0,8}"]
}

/// Texts that are patterns for certain, and need escapes.
fn pattern() -> impl Strategy<Value = String> {
    "([a-c\"\n]|\\\\d|\\\\\\.|a\\+|b\\|c){1,5}"
}

fn match_ops() -> impl Strategy<Value = MatchOp> {
    sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Match, MatchOp::NotMatch])
}

fn matcher(name: impl Strategy<Value = String>) -> impl Strategy<Value = Matcher> {
    (name, match_ops(), text(), pattern()).prop_map(|(name, op, text, pattern)| {
        let regex = matches!(op, MatchOp::Match | MatchOp::NotMatch);
        Matcher { name, op, value: if regex { pattern } else { text } }
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    (name(), "[a-z]{1,3}", vec(matcher(name()), 0..3)).prop_map(|(name, value, mut matchers)| {
        matchers.push(Matcher { name, op: MatchOp::Equal, value });
        Selector { matchers }
    })
}

fn compare_ops() -> impl Strategy<Value = CompareOp> {
    sample::select(vec![
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
    ])
}

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![
        finite().prop_map(Quantity::Number),
        (-i64::MAX..i64::MAX).prop_map(|nanos| Quantity::Duration(Nanoseconds(nanos))),
        any::<u64>().prop_map(Quantity::Bytes),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>().prop_filter("finite", |number| number.is_finite()), Just(0.1), Just(-3.0)]
}

fn label_filter() -> impl Strategy<Value = LabelFilter> {
    let leaf = prop_oneof![
        matcher(filter_name()).prop_map(LabelFilter::Text),
        (filter_name(), compare_ops(), quantity()).prop_map(|(name, op, value)| LabelFilter::Compare {
            name,
            op,
            value
        }),
        (filter_name(), any::<bool>(), ip()).prop_map(|(name, negative, pattern)| LabelFilter::Ip {
            name,
            negative,
            pattern
        }),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| LabelFilter::And(Box::new(left), Box::new(right))),
            (inner.clone(), inner).prop_map(|(left, right)| LabelFilter::Or(Box::new(left), Box::new(right))),
        ]
    })
}

fn ip() -> impl Strategy<Value = String> {
    sample::select(vec!["10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "::1", "2001:db8::/32"]).prop_map(String::from)
}

fn line_filter() -> impl Strategy<Value = Stage> {
    let plain = prop_oneof![text().prop_map(LinePattern::Text), ip().prop_map(LinePattern::Ip)];
    let contains = (sample::select(vec![LineOp::Contains, LineOp::NotContains]), vec(plain, 1..3));
    let matches = (sample::select(vec![LineOp::Match, LineOp::NotMatch]), vec(pattern(), 1..3));
    let shape = "[a-c \"\n<]{0,3}(<_>[a-c \"]{1,3}){0,2}(<_>)?";
    let shapes = (sample::select(vec![LineOp::Pattern, LineOp::NotPattern]), vec(shape, 1..3));
    let texts = |(op, texts): (LineOp, Vec<String>)| {
        Stage::LineFilter(LineFilter { op, alternatives: texts.into_iter().map(LinePattern::Text).collect() })
    };
    prop_oneof![
        contains.prop_map(|(op, alternatives)| Stage::LineFilter(LineFilter { op, alternatives })),
        matches.prop_map(texts),
        shapes.prop_map(texts),
    ]
}

fn extraction() -> impl Strategy<Value = Extraction> {
    let path = "[a-z_-]{1,3}(\\[[0-9]{1,2}\\]|\\.[a-z]{1,2}|\\[\"[^\"\\\\]{0,3}\"\\]){0,3}";
    (name(), path).prop_map(|(label, expression)| Extraction { label, expression })
}

fn logfmt() -> impl Strategy<Value = Stage> {
    let field = (name(), "[a-z.é_-]{1,4}").prop_map(|(label, expression)| Extraction { label, expression });
    (any::<bool>(), any::<bool>(), vec(field, 0..3)).prop_map(|(strict, keep_empty, fields)| Stage::Logfmt {
        strict,
        keep_empty,
        fields,
    })
}

fn label_formats() -> impl Strategy<Value = Stage> {
    let value = prop_oneof![
        name().prop_map(FormatValue::Rename),
        "[a-z \"]{0,4}(\\{\\{ ?\\.[a-z]{1,2} ?\\}\\})?".prop_map(FormatValue::Template)
    ];
    vec(("[a-z]{1,3}", value), 1..3).prop_map(|formats| {
        let format = |(at, (label, value))| LabelFormat { label: format!("{label}{at}"), value };
        Stage::LabelFormat(formats.into_iter().enumerate().map(format).collect())
    })
}

fn picks() -> impl Strategy<Value = Vec<LabelPick>> {
    let pick = prop_oneof![name().prop_map(LabelPick::Name), matcher(name()).prop_map(LabelPick::Matcher)];
    vec(pick, 1..3)
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        4 => line_filter(),
        1 => vec(extraction(), 0..3).prop_map(Stage::Json),
        1 => logfmt(),
        1 => "[a-c ]{0,3}<a>[a-c \"]{1,3}(<_>[a-c ]{0,2})?".prop_map(Stage::Pattern),
        1 => "(a|\\.|\"){0,3}\\(\\?P<x>\\.\\*\\)".prop_map(Stage::Regexp),
        1 => Just(Stage::Unpack),
        1 => Just(Stage::Decolorize),
        4 => label_filter().prop_map(Stage::LabelFilter),
        1 => "[a-z \"]{0,4}(\\{\\{ ?\\.[a-z]{1,2} ?\\}\\})?".prop_map(Stage::LineFormat),
        1 => label_formats(),
        1 => picks().prop_map(Stage::Drop),
        1 => picks().prop_map(Stage::Keep),
    ]
}

fn log() -> impl Strategy<Value = LogExpr> {
    (selector(), vec(stage(), 0..4)).prop_map(|(selector, stages)| {
        let mut apart: Vec<Stage> = Vec::new();
        for stage in stages {
            // `| drop a != "b"` drops a label with another value: no text stands for the two stages.
            let names = matches!(apart.last(), Some(Stage::Drop(picks) | Stage::Keep(picks)) if matches!(picks.last(), Some(LabelPick::Name(_))));
            if names && matches!(stage, Stage::LineFilter(_)) {
                apart.push(Stage::Unpack);
            }
            apart.push(stage);
        }
        LogExpr { selector, stages: apart }
    })
}

fn grouping() -> impl Strategy<Value = Option<Grouping>> {
    option::of(prop_oneof![vec(name(), 0..3).prop_map(Grouping::By), vec(name(), 0..3).prop_map(Grouping::Without)])
}

fn unwrap() -> impl Strategy<Value = Unwrap> {
    let conversions = vec![Conversion::Duration, Conversion::DurationSeconds, Conversion::Bytes];
    (name(), option::of(sample::select(conversions)), vec(label_filter(), 0..3))
        .prop_map(|(label, conversion, filters)| Unwrap { label, conversion, filters })
}

fn range() -> impl Strategy<Value = MetricExpr> {
    let times = (1..i64::MAX, prop_oneof![Just(0), -i64::MAX..i64::MAX]);
    (sample::select(RangeOp::ALL), finite(), log(), unwrap(), any::<bool>(), times, grouping()).prop_map(
        |(op, parameter, log, unwrap, unwraps, (range, offset), grouping)| {
            let (range, offset) = (Nanoseconds(range), Nanoseconds(offset));
            let unwrap = (op.takes_samples() && (unwraps || !op.takes_lines())).then_some(unwrap);
            let parameter = op.takes_parameter().then_some(parameter);
            let grouping = grouping.filter(|_| op.takes_grouping());
            MetricExpr::Range(Box::new(RangeAggregation { op, parameter, log, unwrap, range, offset, grouping }))
        },
    )
}

fn matching() -> impl Strategy<Value = Matching> {
    let many = prop_oneof![Just(MatchSide::Left), Just(MatchSide::Right)];
    let group = (many, vec(name(), 0..3)).prop_map(|(many, include)| MatchGroup { many, include });
    (any::<bool>(), vec(name(), 0..3), option::of(group)).prop_map(|(on, labels, mut group)| {
        if let (true, Some(group)) = (on, &mut group) {
            group.include.retain(|name| !labels.contains(name));
        }
        Matching { labels: if on { Grouping::By(labels) } else { Grouping::Without(labels) }, group }
    })
}

fn is_scalar(expr: &MetricExpr) -> bool {
    match expr {
        MetricExpr::Literal(_) => true,
        MetricExpr::Binary(operation) => is_scalar(&operation.left) && is_scalar(&operation.right),
        _ => false,
    }
}

fn binary_ops() -> impl Strategy<Value = BinaryOp> {
    sample::select(vec![
        BinaryOp::Add,
        BinaryOp::Subtract,
        BinaryOp::Multiply,
        BinaryOp::Divide,
        BinaryOp::Modulo,
        BinaryOp::Power,
        BinaryOp::Compare(CompareOp::Greater),
        BinaryOp::Compare(CompareOp::Equal),
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Unless,
    ])
}

fn binary(inner: BoxedStrategy<MetricExpr>) -> impl Strategy<Value = MetricExpr> {
    (binary_ops(), any::<bool>(), option::of(matching()), inner.clone(), inner).prop_map(
        |(op, bool_result, mut matching, left, right)| {
            let scalar = is_scalar(&left) || is_scalar(&right);
            let op = if op.is_set() && scalar { BinaryOp::Add } else { op };
            let bool_result = bool_result && matches!(op, BinaryOp::Compare(_));
            if let (true, Some(matching)) = (op.is_set(), &mut matching) {
                matching.group = None;
            }
            let matching = matching.filter(|_| !scalar);
            let (left, right) = (Box::new(left), Box::new(right));
            MetricExpr::Binary(BinaryOperation { op, bool_result, matching, left, right })
        },
    )
}

fn metric() -> BoxedStrategy<MetricExpr> {
    prop_oneof![finite().prop_map(MetricExpr::Literal), finite().prop_map(MetricExpr::VectorOf), range()]
        .prop_recursive(4, 12, 2, |inner| {
            let vectors = inner.clone().prop_filter("a vector", |expr| !is_scalar(expr));
            let vector = (sample::select(VectorOp::ALL), 1u32.., grouping(), vectors.clone());
            let replace = (vectors, "[a-z_]{1,3}", text(), "[a-z_]{1,3}", pattern());
            prop_oneof![
                vector.prop_map(|(op, parameter, grouping, of)| {
                    let (parameter, grouping) =
                        (op.takes_parameter().then_some(parameter), grouping.filter(|_| op.takes_grouping()));
                    MetricExpr::Vector(VectorAggregation { op, parameter, grouping, of: Box::new(of) })
                }),
                replace.prop_map(|(of, target, replacement, source, pattern)| {
                    MetricExpr::LabelReplace(LabelReplace { of: Box::new(of), target, replacement, source, pattern })
                }),
                binary(inner),
            ]
        })
        .boxed()
}

fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![log().prop_map(Expr::Log), metric().prop_map(Expr::Metric)]
}

/// Texts made of pieces of the language, put together at random.
fn almost_query() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "app",
        "=",
        "\"web\"",
        "|=",
        "!=",
        "|~",
        "!~",
        "|",
        "json",
        "logfmt",
        "--strict",
        "pattern",
        "regexp",
        "unpack",
        "decolorize",
        "line_format",
        "label_format",
        "drop",
        "keep",
        "ip(",
        "|>",
        "!>",
        "\"<_> <a>\"",
        "5m",
        "[5m]",
        "count_over_time",
        "rate",
        "sum",
        "by",
        "without",
        "offset",
        "and",
        "or",
        ",",
        "+",
        "-",
        "^",
        "1",
        "2.5",
        "10KB",
        "bool",
        "unwrap",
        "duration(a)",
        "topk(2,",
        "on",
        "group_left",
        "unless",
        "vector(1)",
        ">",
        "==",
        "#",
        "\n",
        "`",
        "\"",
        "\\",
        "{app=\"web\"}",
        "é",
        "1e",
        "0x1",
        ".5",
    ];
    vec(sample::select(pieces), 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_tree(expr in expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parse(&text), Ok(expr.clone()), "{}", text);
        let text = pretty(&expr);
        prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_within_it(text in prop_oneof![almost_query(), "\\PC{0,40}", any::<String>()]) {
        match parse(&text) {
            Ok(expr) => prop_assert_eq!(parse(&expr.to_string()), Ok(expr)),
            Err(error) if error.line == 0 => prop_assert!(error.column == 0 && error.to_string().starts_with("parse error : ")),
            Err(error) => {
                let lines = text.split('\n').count();
                prop_assert!(error.line >= 1 && error.line <= lines, "{}", error);
                let line = text.split('\n').nth(error.line - 1).unwrap_or_default();
                prop_assert!(error.column >= 1 && error.column <= line.chars().count() + 1, "{}", error);
            }
        }
        let _ = parse_selector(&text);
        let _ = parse_timestamp(&text);
        let _ = logmesh_logql::parse_duration(&text);
    }

    #[test]
    fn a_part_travels(expr in expr(), start: i64, end: i64, step in option::of(any::<u64>()), forward: bool) {
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let params = QueryParams {
            start: Timestamp::from_nanos(start),
            end: Timestamp::from_nanos(end),
            step: step.map(Duration::from_nanos),
            limit: 10,
            direction,
            interval: step.map(Duration::from_nanos),
            series_max: 500,
        };
        if let Ok(plan) = plan(&expr, &params) && let Some(part) = plan.part() {
            let back: Part = decode(1, &encode(1, part)).expect("what was sent is read");
            prop_assert_eq!(back.params(), part.params());
            prop_assert_eq!(back.range(), part.range());
            prop_assert!(back.runner().is_ok());
        }
    }

    #[test]
    fn noise_is_no_part_and_no_partial(bytes: Vec<u8>, at: usize, byte: u8) {
        let bytes = [&[1], &*bytes].concat();
        let _ = decode::<Part>(1, &bytes);
        let _ = decode::<Partial>(1, &bytes);
        let expr = parse("sum by (a) (rate({a=\"b\"} | json | c>1 [5m]))").expect("a query");
        let plan = plan(&expr, &QueryParams::instant(Timestamp::from_nanos(0))).expect("a plan");
        let mut sent = encode(1, plan.part().expect("a part"));
        let at = at % sent.len();
        sent[at] = byte;
        if let Ok(part) = decode::<Part>(1, &sent) {
            // Whatever the parameters became, running is safe.
            let mut runner = part.runner().expect("it was planned once more");
            let _ = runner.add_rows(&rows(&[(0, 1, 2, 3)]));
            let _ = runner.finish();
        }
    }

    #[test]
    fn a_partial_that_does_not_fit_is_refused(first: u32, counts in vec(any::<u64>(), 0..8), bytes in vec(any::<u64>(), 0..8), stream: u32, leaves in 0..3usize) {
        let params = QueryParams::range(Timestamp::from_nanos(0), Timestamp::from_nanos(5), Duration::from_nanos(1));
        let entry = Entry { stream, timestamp: Timestamp::MIN, rank: 0, line: String::new(), stored: None, labels: None, metadata: vec![], parsed: vec![] };
        let lines = Partial::Log { streams: vec![Labels::default()], entries: vec![entry] };
        let (counts_of, bytes_of) = (counts.clone(), bytes.clone());
        let part = SeriesPart { labels: Labels::default(), first, counts: counts_of, bytes: bytes_of, panes: vec![] };
        let series = Partial::Metric { leaves: vec![vec![part.clone(), part]; leaves] };
        for (query, is_log) in [("{a=\"b\"}", true), ("bytes_rate({a=\"b\"}[5m])", false)] {
            let expr = parse(query).expect("a query");
            let mut merge = Merge::new(&plan(&expr, &params).expect("a plan"));
            prop_assert_eq!(merge.add(lines.clone()).is_ok(), is_log && stream == 0);
            let fits = leaves == 1 && bytes.len() == counts.len() && first as usize + counts.len() <= 6;
            prop_assert_eq!(merge.add(series.clone()).is_ok(), !is_log && fits);
            prop_assert!(merge.finish().is_ok());
        }
    }

    #[test]
    fn how_the_rows_were_divided_does_not_show(
        records in vec((0u8..3, 0i64..40, 0u8..4, 0u8..5), 0..60),
        cuts in vec(0usize..60, 0..6),
        query in sample::select(QUERIES.to_vec()),
        limit in 0u32..30,
        forward: bool,
        step in 1u64..15,
        interval in 0u64..9,
        reversed: bool,
    ) {
        let params = QueryParams {
            start: Timestamp::from_nanos(3),
            end: Timestamp::from_nanos(35),
            step: Some(Duration::from_nanos(step)),
            limit,
            direction: if forward { Direction::Forward } else { Direction::Backward },
            interval: (interval > 0).then(|| Duration::from_nanos(interval)),
            series_max: 500,
        };
        let plan = plan(&parse(query).expect("a query"), &params).expect("a plan");
        let run = |nodes: &[&[(u8, i64, u8, u8)]]| {
            let mut merge = Merge::new(&plan);
            for node in nodes {
                let mut runner = plan.part().expect("a part").runner().expect("a runner");
                // Blocks that the bound rules out are not read, as the store does it.
                for block in node.chunks(7) {
                    if !skips(&runner, block, forward) {
                        let _ = runner.add_rows(&rows(block)).expect("no errors");
                    }
                }
                for partial in runner.finish().expect("no errors").split(100) {
                    merge.add(partial).expect("it fits");
                }
            }
            merge.finish().expect("no errors").to_json(Encoding { categorize_labels: true })
        };
        // The order of lines of one instant is known only within a block, so there is one line an instant and stream.
        let mut seen = std::collections::BTreeSet::new();
        let records: Vec<(u8, i64, u8, u8)> = records.into_iter().filter(|record| seen.insert((record.0, record.1))).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(records.len())).chain([0, records.len()]).collect();
        cuts.sort_unstable();
        let mut nodes: Vec<&[(u8, i64, u8, u8)]> = cuts.windows(2).map(|pair| &records[pair[0]..pair[1]]).collect();
        if reversed {
            nodes.reverse();
        }
        prop_assert_eq!(run(&[&records]), run(&nodes));
    }
}

const QUERIES: &[&str] = &[
    "{s=~\".+\"}",
    "{s=~\"0|1\"} |= \"a\" | json",
    "{s=~\".+\"} | json | n > 1 | m=\"0\"",
    "{s=~\".+\"} | m!=\"1\"",
    "{s=~\".+\"} | json | line_format \"{{.n}}\" | drop s",
    "{s=~\".+\"} | json | line_format \"{{.n}}-{{.m}}\" |~ \"[13]\" | label_format t=s,s=\"{{.n}}\"",
    "{s=~\".+\"} | json n | keep n, m=\"0\"",
    "count_over_time({s=~\".+\"}[7ns])",
    "sum by (s) (count_over_time({s=~\".+\"} | json | n>=2 [5ns] offset 2ns))",
    "sum by (m) (bytes_over_time({s=~\".+\"}[20ns]))",
    "max by (n) (count_over_time({s=~\".+\"} | json [9ns]))",
    "avg without (m) (rate({s=~\"1|2\"} != \"b\" [3ns]))",
    "count(count_over_time({s=~\".+\"} | json [9ns])) * 2",
    "sum by (w) (sum_over_time({s=~\".+\"} | json | unwrap f [9ns]))",
    "avg_over_time({s=~\".+\"} | json | unwrap f [7ns]) by (s)",
    "stdvar_over_time({s=~\".+\"} | json | unwrap f [7ns] offset 3ns) by (w)",
    "stddev_over_time({s=~\".+\"} | json | unwrap f | n > 1 [20ns]) by ()",
    "quantile_over_time(0.3, {s=~\".+\"} | json | unwrap f [11ns]) by (w)",
    "first_over_time({s=~\".+\"} | json | unwrap f [3ns]) by (w)",
    "last_over_time({s=~\".+\"} | json | unwrap f [9ns]) by ()",
    "max by (s) (max_over_time({s=~\".+\"} | json | unwrap n [4ns]))",
    "min_over_time({s=~\".+\"} | json | unwrap f [9ns]) without (n, w, m)",
    "sum(rate_counter({s=~\".+\"} | json | drop_f=\"\" | unwrap n [12ns]))",
    "rate({s=~\".+\"} | unwrap m [5ns])",
    "absent_over_time({s=\"1\"} | json | unwrap n | n > 3 [2ns])",
    "topk(2, sum by (w, m) (rate({s=~\".+\"} | json | unwrap f [9ns])))",
    "sum by (s) (rate({s=~\".+\"}[9ns])) / on () group_left sum(rate({s=~\".+\"}[9ns])) or vector(0)",
];

/// Tells whether all rows of a block lie beyond the runner's bound.
fn skips(runner: &logmesh_logql::Runner, block: &[(u8, i64, u8, u8)], forward: bool) -> bool {
    let Some(bound) = runner.bound().map(Timestamp::as_nanos) else { return false };
    block.iter().all(|(_, time, _, _)| if forward { *time >= bound } else { *time <= bound })
}

/// Makes rows of (stream, time, metadata, number).
fn rows(records: &[(u8, i64, u8, u8)]) -> Rows {
    let (mut rows, mut lines) = (Rows::default(), Vec::new());
    let mut sorted = records.to_vec();
    sorted.sort_unstable();
    for at in 0..4u8 {
        let mut bytes = Vec::new();
        if at > 0 {
            put_metadata(&mut bytes, "m", &(at - 1).to_string());
        }
        rows.metadata.push(bytes.into());
    }
    for stream in 0..3u8 {
        let start = rows.timestamps.len();
        for (_, time, metadata, number) in sorted.iter().filter(|(other, ..)| *other == stream) {
            rows.timestamps.push(Timestamp::from_nanos(*time));
            rows.metadata_at.push(u32::from(*metadata));
            let word = if number % 2 == 0 { "a" } else { "b" };
            lines.extend_from_slice(
                format!("{{\"n\":{number},\"f\":-{number}.{time}e{number},\"w\":\"{word}\"}}").as_bytes(),
            );
            rows.line_ends.push(lines.len() as u32);
        }
        let labels = Arc::new(Labels::new([("s".to_owned(), stream.to_string())]));
        rows.streams.push(StreamRows { labels, rows: start..rows.timestamps.len() });
    }
    rows.lines = lines.into();
    rows
}
