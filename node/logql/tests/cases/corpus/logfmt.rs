//! `| logfmt`: bare, with its flags, with expressions.

use super::{Suite, on_line};

pub(super) fn suites() -> Vec<Suite> {
    vec![plain(), malformed(), quoted(), escapes(), expressions(), names()]
}

fn plain() -> Suite {
    const ALL: &str = "at=info; fwd=124.133.124.161; host=grafana.net; method=GET; path=/; service=8ms; status=200";
    on_line(
        "plain logfmt",
        r#"at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200"#,
        &[
            ("| logfmt", ALL),
            ("| logfmt --strict", ALL),
            ("| logfmt --keep-empty", ALL),
            ("| logfmt --strict --keep-empty", ALL),
            ("| logfmt --keep-empty --strict", ALL),
            ("| logfmt host", "host=grafana.net"),
            ("| logfmt host, fwd_ip=\"fwd\"", "fwd_ip=124.133.124.161; host=grafana.net"),
            ("| logfmt --strict host", "host=grafana.net"),
            ("| logfmt --strict host, fwd_ip=\"fwd\"", "fwd_ip=124.133.124.161; host=grafana.net"),
            ("| logfmt --keep-empty --strict host", "host=grafana.net"),
            ("| logfmt a=\"status\", b=\"status\"", "a=200; b=200"),
            ("| logfmt nothing", "nothing="),
            ("| logfmt x=\"status\"", "x_extracted=200"),
            ("| logfmt status | status>=200", "status=200"),
            ("| logfmt status | method=\"GET\"", "dropped"),
            ("| logfmt status | method=\"\"", "status=200"),
            ("| logfmt | logfmt", ALL),
            ("| logfmt method | logfmt status", "method=GET; status=200"),
        ],
    )
}

fn malformed() -> Suite {
    const REST: &str = "a=1; b=2; last=9";
    const STRICT: &str =
        "__error__=LogfmtParserErr; __error_details__=logfmt syntax error at pos 5 : unexpected '='; a=1";
    on_line(
        "malformed pairs",
        r#"a=1 =novalue foo=bar=buzz fo"o=bar b=2 empty= bare q="" last=9"#,
        &[
            ("| logfmt", REST),
            ("| logfmt --strict", STRICT),
            ("| logfmt --keep-empty", "a=1; b=2; bare=; empty=; last=9; q="),
            ("| logfmt --strict | a=1", STRICT),
            ("| logfmt --strict | last=9", STRICT),
            ("| logfmt --strict | last=\"9\"", "dropped"),
            ("| logfmt --strict | last=\"\"", STRICT),
            ("| logfmt --strict | __error__=\"\"", "dropped"),
            ("| logfmt --strict --keep-empty", STRICT),
            ("| logfmt bare", "bare="),
            ("| logfmt empty, q, last", "empty=; last=9; q="),
            ("| logfmt foo", "foo="),
            (
                "| logfmt --strict last",
                "__error__=LogfmtParserErr; __error_details__=logfmt syntax error at pos 5 : unexpected '='; last=",
            ),
            ("| logfmt | bare!=\"\"", "dropped"),
        ],
    )
}

fn escapes() -> Suite {
    on_line(
        "escapes in quoted values",
        r#"pair="\ud83d\ude00!" half="\ud83d." odd="\u+0e9" short="\u00" bell="\b\f\/""#,
        &[
            ("| logfmt | keep pair, x", "pair=😀!"),
            ("| logfmt | keep half, x", "half=\u{fffd}."),
            ("| logfmt | keep odd, x", r"odd=\u+0e9"),
            ("| logfmt | keep short, x", r"short=\u00"),
            ("| logfmt | bell=\"\\b\\f/\" | keep x", ""),
            // Who is strict takes no escape that is none, wherever it is looked for.
            (
                "| logfmt --strict | keep pair, half, odd, short, x",
                "__error__=LogfmtParserErr; __error_details__=logfmt syntax error at pos 49 : invalid quoted value; half=\u{fffd}.; pair=😀!",
            ),
            (
                "| logfmt --strict bell | keep bell, x",
                "__error__=LogfmtParserErr; __error_details__=logfmt syntax error at pos 49 : invalid quoted value; bell=",
            ),
        ],
    )
}

fn quoted() -> Suite {
    on_line(
        "quoted values",
        r#"a="b c" q="say \"hi\"" n="x\ny" u="\u00e9" s="a=b" t='single' e="\\" c="d"f=6 open="never"#,
        &[
            ("| logfmt | keep a, x", "a=b c"),
            ("| logfmt | keep q, x", "q=say \"hi\""),
            ("| logfmt | n=\"x\\ny\" | keep x", ""),
            ("| logfmt | keep u, x", "u=é"),
            ("| logfmt | keep s, x", "s=a=b"),
            ("| logfmt | keep t, x", "t='single'"),
            ("| logfmt | keep e, x", "e=\\"),
            ("| logfmt | keep c, f, x", "c=d; f=6"),
            ("| logfmt | open!=\"\"", "dropped"),
            ("| logfmt q", "q=say \"hi\""),
            (
                "| logfmt --strict a",
                "__error__=LogfmtParserErr; __error_details__=logfmt syntax error at pos 90 : unterminated quoted value; a=b c",
            ),
        ],
    )
}

fn expressions() -> Suite {
    on_line(
        "logfmt by expressions",
        "k.e-y=1 user.name=eve é=3 k=first k=second 9x=4",
        &[
            ("| logfmt v=\"k.e-y\"", "v=1"),
            ("| logfmt v=\"user.name\"", "v=eve"),
            ("| logfmt v=\"é\"", "v=3"),
            ("| logfmt v=\"9x\"", "v=4"),
            ("| logfmt k", "k=first"),
            ("| logfmt k_e_y", "k_e_y="),
            ("| logfmt v=\"k\" |= \"second\" | v=\"first\"", "v=first"),
        ],
    )
}

fn names() -> Suite {
    on_line(
        "keys become names of labels",
        "k.e-y=1 user.name=eve é=3 9x=4 x=5 k=first k=second __error__=forged __error_details__=forged",
        &[
            ("| logfmt", "_=3; _9x=4; k=first; k_e_y=1; user_name=eve; x_extracted=5"),
            ("| logfmt | x=5", "dropped"),
            ("| logfmt | x_extracted=5 | keep x", ""),
            ("| logfmt | __error__=\"\" | keep x", ""),
            ("| logfmt | __error__!=\"\"", "dropped"),
        ],
    )
}
