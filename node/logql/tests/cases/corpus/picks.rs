//! `drop` and `keep`.

use super::{Suite, on_line, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![drops(), keeps(), kinds(), documented()]
}

fn drops() -> Suite {
    on_line(
        "dropped labels",
        "level=info method=GET path=/ n=5",
        &[
            ("| logfmt | drop level", "method=GET; n=5; path=/"),
            ("| logfmt | drop level, method", "n=5; path=/"),
            ("| logfmt | drop level,method,path,n", ""),
            ("| logfmt | drop level | drop method", "n=5; path=/"),
            ("| logfmt | drop missing", "level=info; method=GET; n=5; path=/"),
            ("| logfmt | drop x", "-x; level=info; method=GET; n=5; path=/"),
            ("| drop x", "-x"),
            ("| logfmt | drop level=\"info\"", "method=GET; n=5; path=/"),
            ("| logfmt | drop level=\"warn\"", "level=info; method=GET; n=5; path=/"),
            ("| logfmt | drop level!=\"warn\"", "method=GET; n=5; path=/"),
            ("| logfmt | drop level!=\"info\"", "level=info; method=GET; n=5; path=/"),
            ("| logfmt | drop level=~\"in.*\"", "method=GET; n=5; path=/"),
            ("| logfmt | drop level=~\"in\"", "level=info; method=GET; n=5; path=/"),
            ("| logfmt | drop level!~\"in\"", "method=GET; n=5; path=/"),
            ("| logfmt | drop level, method=\"POST\", path", "method=GET; n=5"),
            ("| logfmt | drop level, method=\"GET\", path", "n=5"),
            ("| logfmt | drop missing!=\"a\"", "level=info; method=GET; n=5; path=/"),
            ("| logfmt | drop n | n=5", "dropped"),
            ("| logfmt | n=5 | drop n | keep x", ""),
            ("| logfmt | drop n | n=\"\" | keep x", ""),
            ("| drop x | x=\"1\"", "dropped"),
            ("| drop x | x=\"\"", "-x"),
            ("| logfmt | drop level |= \"level\" | keep x", ""),
            ("| drop n | logfmt | keep n, x", "n=5"),
            ("| logfmt | drop n | logfmt | keep n, x", "n=5"),
        ],
    )
}

fn keeps() -> Suite {
    on_line(
        "kept labels",
        "level=info method=GET path=/ n=5",
        &[
            ("| logfmt | keep level", "-x; level=info"),
            ("| logfmt | keep level, method", "-x; level=info; method=GET"),
            ("| logfmt | keep x", ""),
            ("| logfmt | keep missing", "-x"),
            ("| keep x", ""),
            ("| keep y", "-x"),
            ("| logfmt | keep level=\"info\"", "-x; level=info"),
            ("| logfmt | keep level=\"warn\"", "-x"),
            ("| logfmt | keep level!=\"warn\"", "-x; level=info"),
            ("| logfmt | keep level=~\"i.*\", method=~\"P.*\"", "-x; level=info"),
            ("| logfmt | keep level!~\"i.*\", n", "-x; n=5"),
            ("| logfmt | keep level, method=\"GET\"", "-x; level=info; method=GET"),
            ("| logfmt | keep level, method=\"POST\"", "-x; level=info"),
            ("| logfmt | keep n | n=5", "-x; n=5"),
            ("| logfmt | keep level | n=5", "dropped"),
            ("| logfmt | keep level | level=\"info\"", "-x; level=info"),
            ("| logfmt | keep level, n | drop n", "-x; level=info"),
            ("| logfmt | keep level | keep n", "-x"),
            ("| keep y | logfmt | keep n", "-x; n=5"),
            (
                "| json | keep level",
                "-x; __error__=JSONParserErr; __error_details__=Value looks like object, but can't find closing '}' symbol",
            ),
            ("| json | keep level | drop __error__", "-x"),
            ("| json | keep __error__ | drop __error__", "-x"),
            ("| json | drop __error__=\"JSONParserErr\"", ""),
            ("| json | drop __error__=\"LogfmtParserErr\" | __error__!=\"\" | drop __error__", ""),
            ("| json | drop __error__ | __error__!=\"\"", "dropped"),
        ],
    )
}

fn kinds() -> Suite {
    suite(
        "kinds of labels dropped and kept",
        r#"
        {app="web",env="prod"} 1 [trace="t",user="u"] k=v
        {app="web",env="dev"} 2 [trace="t"] k=v
        "#,
        &[
            (r#"{app="web"} | drop env, user"#, "", "{app=web,trace=t} 2 k=v\n{app=web,trace=t} 1 k=v"),
            (r#"{app="web"} | drop trace, user | logfmt | drop k"#, "0..2", "{app=web,env=prod} 1 k=v"),
            (r#"{app="web"} | keep trace"#, "forward", "{trace=t} 1 k=v\n{trace=t} 2 k=v"),
            (r#"{app="web"} | keep env"#, "", "{env=dev} 2 k=v\n{env=prod} 1 k=v"),
            (r#"{app="web"} | keep env="dev", user"#, "", "{env=dev} 2 k=v\n{user=u} 1 k=v"),
            (r#"{app="web"} | drop app,env,trace,user"#, "", "{} 2 k=v\n{} 1 k=v"),
            (r#"{app="web"} | drop app | app="""#, "0..2", "{env=prod,trace=t,user=u} 1 k=v"),
            (r#"{app="web"} | drop user=~".+" | user!="""#, "", ""),
            (r#"{app="web"} | keep app, user | user="u""#, "", "{app=web,user=u} 1 k=v"),
        ],
    )
}

/// The examples of the documentation, with all labels of the streams.
fn documented() -> Suite {
    let line = |level: &str, method: &str| {
        format!(r#"{{"level": "{level}", "method": "{method}", "path": "/", "host": "grafana.net", "status": "200"}}"#)
    };
    let app = |name: &str| {
        format!(
            r#"{{"app": "{name}", "level": "info", "method": "GET", "path": "/", "host": "grafana.net", "status": "200"}}"#
        )
    };
    let (get, post) = (line("info", "GET"), line("info", "POST"));
    let (api, other) = (app("some-api-service"), app("other-service"));
    let records = format!(
        "{{job=\"varlogs\"}} 1 {get}\n{{job=\"varlogs\"}} 2 INFO GET / loki.net 200\n{{job=\"varlogs\"}} 3 {post}\n{{job=\"varlogs\"}} 4 {api}\n{{job=\"varlogs\"}} 5 {other}"
    );
    suite(
        "drop and keep as documented",
        &records,
        &[
            (
                r#"{job="varlogs"}|json|drop level, method="GET""#,
                "1..2",
                &format!("{{host=grafana.net,job=varlogs,path=/,status=200}} 1 {get}"),
            ),
            (r#"{job="varlogs"}|json|drop __error__"#, "2..3", "{job=varlogs} 2 INFO GET / loki.net 200"),
            (
                r#"{job="varlogs"}|json|drop level, path, app=~"some-api.*""#,
                "4..6",
                &format!(
                    "{{app=other-service,host=grafana.net,job=varlogs,method=GET,status=200}} 5 {other}\n{{host=grafana.net,job=varlogs,method=GET,status=200}} 4 {api}"
                ),
            ),
            (r#"{job="varlogs"}|json|keep level, method="GET""#, "3..4", &format!("{{level=info}} 3 {post}")),
            (r#"{job="varlogs"}|json|keep level, method="GET""#, "1..2", &format!("{{level=info,method=GET}} 1 {get}")),
            (
                r#"{job="varlogs"}|json|keep level, tenant, app=~"some-api.*""#,
                "4..6",
                &format!("{{app=some-api-service,level=info}} 4 {api}\n{{level=info}} 5 {other}"),
            ),
        ],
    )
}
