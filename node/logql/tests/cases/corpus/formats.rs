//! `line_format` and `label_format`. What the functions of templates do is shown elsewhere; here it is how lines and labels
//! change.

use super::{Suite, on_line, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![lines(), labels(), renames(), failures(), kinds(), several_streams()]
}

fn lines() -> Suite {
    const LABELS: &str = "duration=3000; ip=1.1.1.1; status=200";
    on_line(
        "new lines",
        "ip=1.1.1.1 status=200 duration=3000",
        &[
            ("| logfmt | line_format \"{{.ip}} {{.status}}\"", &format!("{LABELS} => 1.1.1.1 200")),
            (
                "| logfmt | line_format `{{.ip}} {{.status}} {{div .duration 1000}}`",
                &format!("{LABELS} => 1.1.1.1 200 3"),
            ),
            ("| line_format `fixed`", "=> fixed"),
            ("| line_format ``", "=>"),
            ("| line_format \"{{.missing}}|\"", "=> |"),
            ("| line_format `{{.x}}`", "=> 1"),
            ("| line_format `<{{__line__}}>`", "=> <ip=1.1.1.1 status=200 duration=3000>"),
            ("| line_format `{{ __line__ | upper }}`", "=> IP=1.1.1.1 STATUS=200 DURATION=3000"),
            ("| line_format `{{ __line__ }}`", ""),
            // What follows sees the new line, what stands before it the old one.
            ("| line_format `new` |= `new`", "=> new"),
            ("| line_format `new` |= `ip`", "dropped"),
            ("| line_format `new` != `ip`", "=> new"),
            ("|= `ip` | line_format `new`", "=> new"),
            ("|= `new` | line_format `new`", "dropped"),
            ("| logfmt | line_format `{{.ip}}` |~ `^1` | keep x", "=> 1.1.1.1"),
            ("| logfmt | line_format `{{.ip}}` |= ip(`1.1.1.0/24`) | keep x", "=> 1.1.1.1"),
            ("| logfmt | line_format `{{.ip}}` |> `<_>.<_>` | keep x", "=> 1.1.1.1"),
            ("| logfmt | line_format `{{.ip}}` |= `status` | keep x", "dropped"),
            ("| logfmt | line_format `a={{.ip}}` | logfmt | keep a, x", "a=1.1.1.1 => a=1.1.1.1"),
            (
                "| logfmt | line_format `a={{.ip}}` | logfmt | a=\"1.1.1.1\" | line_format `{{.a}}` | keep x",
                "=> 1.1.1.1",
            ),
            ("| line_format `{\"a\":{\"b\":\"{{.x}}\"}}` | json", "a_b=1 => {\"a\":{\"b\":\"1\"}}"),
            ("| line_format `a` | line_format `{{__line__}}b` | line_format `{{__line__}}c`", "=> abc"),
            ("| line_format `POST /x` | pattern `<method> <path>`", "method=POST; path=/x => POST /x"),
            ("| line_format `k 5` | regexp `(?P<n>\\d+)` | n>4", "n=5 => k 5"),
            ("| logfmt | status=200 | line_format `{{.status}}`", &format!("{LABELS} => 200")),
            ("| logfmt | line_format `{{.status}}` | status=200", &format!("{LABELS} => 200")),
            ("| logfmt | line_format `{{.status}}` | status=201", "dropped"),
            ("| logfmt | line_format `{{if eq .status \"200\"}}ok{{else}}bad{{end}}` | keep x", "=> ok"),
            ("| line_format \"a\\tb\"", "=> a\tb"),
            ("| line_format `é☃`", "=> é☃"),
        ],
    )
}

fn labels() -> Suite {
    on_line(
        "new labels",
        "a=1 b=two",
        &[
            ("| label_format n=`new`", "n=new"),
            ("| label_format n=`{{.x}}`", "n=1"),
            ("| logfmt | label_format n=`{{.a}}-{{.b}}`", "a=1; b=two; n=1-two"),
            ("| logfmt | label_format a=`{{.b}}`", "a=two; b=two"),
            ("| logfmt | label_format a=`{{.a}}{{.a}}`", "a=11; b=two"),
            ("| logfmt | label_format c=`{{.a}}`, d=`{{.b}}`", "a=1; b=two; c=1; d=two"),
            // All templates of a stage see the labels as they were before it.
            ("| logfmt | label_format c=`{{.a}}`, d=`{{.c}}`", "a=1; b=two; c=1; d="),
            ("| logfmt | label_format a=`{{.b}}`, b=`{{.a}}`", "a=two; b=1"),
            ("| logfmt | label_format a=`{{.b}}`, c=b, b=`{{.a}}`", "a=two; b=1; c=two"),
            ("| logfmt | label_format c=`{{.a}}`, d=a, e=`{{.a}}{{.d}}`", "b=two; c=1; d=1; e=1"),
            ("| logfmt | label_format c=`{{.a}}` | label_format d=`{{.c}}{{.c}}`", "a=1; b=two; c=1; d=11"),
            ("| logfmt | label_format a=b | label_format a=`new`", "a=new"),
            ("| label_format x=`new`", "-x; x=new"),
            ("| label_format x=`{{.x}}{{.x}}`", "-x; x=11"),
            ("| label_format x=`new` | x=`new`", "-x; x=new"),
            ("| label_format x=`new` | x=`1`", "dropped"),
            ("| logfmt | label_format n=`{{.a}}s` | n>500ms", "a=1; b=two; n=1s"),
            ("| logfmt | label_format n=`{{.a}}s` | n>2s", "dropped"),
            ("| label_format n=`{{.missing}}` | n=``", "n="),
            ("| label_format n=`{{__line__}}`", "n=a=1 b=two"),
            ("| line_format `new` | label_format n=`{{__line__}}`", "n=new => new"),
            ("| label_format a=`first` | logfmt", "a=first; b=two"),
            ("| label_format n=`{{ToUpper .x}}{{ .x | repeat 3 }}`", "n=1111"),
        ],
    )
}

fn renames() -> Suite {
    on_line(
        "renamed labels",
        "a=1 b=two",
        &[
            ("| logfmt | label_format c=a", "b=two; c=1"),
            ("| logfmt | label_format b=a", "b=1"),
            ("| logfmt | label_format c=a, d=b", "c=1; d=two"),
            ("| logfmt | label_format c=a, d=c", "b=two; d=1"),
            ("| logfmt | label_format c=missing", "a=1; b=two"),
            ("| logfmt | label_format a=missing", "a=1; b=two"),
            ("| logfmt | label_format a=a", "a=1; b=two"),
            ("| logfmt | label_format y=x", "-x; a=1; b=two; y=1"),
            ("| logfmt | label_format x=a", "-x; b=two; x=1"),
            ("| logfmt | label_format x=a | x=1", "-x; b=two; x=1"),
            ("| logfmt | label_format y=x | x=``", "-x; a=1; b=two; y=1"),
            ("| logfmt | label_format y=x | x=`1`", "dropped"),
            ("| logfmt | label_format y=x | y=`1`", "-x; a=1; b=two; y=1"),
            ("| label_format y=x | label_format z=y | label_format x=z", ""),
            ("| logfmt | label_format c=a | a=1", "dropped"),
            ("| logfmt | label_format c=a | c=1", "b=two; c=1"),
            ("| logfmt | label_format c=a,b=`{{.c}}`", "b=1; c=1"),
            ("| logfmt | label_format a=b, b=a", "b=two"),
        ],
    )
}

fn failures() -> Suite {
    suite(
        "templates that fail",
        "{x=\"1\"} 1 a line",
        &[
            (
                r#"{x="1"} | line_format `{{ .x.y }}` | drop __error_details__"#,
                "",
                "{__error__=TemplateFormatErr,x=1} 1 a line",
            ),
            (
                r#"{x="1"} | line_format `{{ .x.y }}` | __error__="TemplateFormatErr" | label_format failed=`yes` | keep failed | drop __error__"#,
                "",
                "{failed=yes} 1 a line",
            ),
            (r#"{x="1"} | line_format `{{ .x.y }}` | __error__="""#, "", ""),
            (r#"{x="1"} | line_format `{{ .x.y }}` |= "a line" | drop __error__"#, "", "{x=1} 1 a line"),
            (r#"{x="1"} | label_format n=`{{ .x.y }}` | n="" | drop __error__"#, "", "{x=1} 1 a line"),
            (r#"{x="1"} | label_format n=`{{ .x.y }}`,m=`ok` | m="ok" | drop __error__"#, "", "{m=ok,x=1} 1 a line"),
            (r#"{x="1"} | line_format `{{ .x "#, "", "error: parse error at line 1, col 23: literal not terminated"),
        ],
    )
}

/// Labels keep their kind under a new name; with a template they are parsed ones, and win over those of the stream.
fn kinds() -> Suite {
    suite(
        "kinds of labels and formats",
        r#"
        {app="web",env="prod"} 1 [trace="t"] k=v
        "#,
        &[
            (r#"{app="web"} | label_format id=trace"#, "", "{app=web,env=prod,id=t} 1 k=v"),
            (r#"{app="web"} | label_format app=trace"#, "", "{app=t,env=prod} 1 k=v"),
            (r#"{app="web"} | label_format trace=app"#, "", "{env=prod,trace=web} 1 k=v"),
            (r#"{app="web"} | label_format trace=`{{.trace}}{{.app}}`"#, "", "{app=web,env=prod,trace=tweb} 1 k=v"),
            (r#"{app="web"} | logfmt | label_format env=k"#, "", "{app=web,env=v,trace=t} 1 k=v"),
            (
                r#"{app="web"} | line_format `app=x trace=y` | logfmt"#,
                "",
                "{app=web,app_extracted=x,env=prod,trace=t,trace_extracted=y} 1 app=x trace=y",
            ),
            (
                r#"{app="web"} | drop app | line_format `app=x` | logfmt"#,
                "",
                "{app_extracted=x,env=prod,trace=t} 1 app=x",
            ),
            (
                r#"{app="web"} | line_format `app=x` | logfmt | label_format app=app_extracted"#,
                "",
                "{app=x,env=prod,trace=t} 1 app=x",
            ),
        ],
    )
}

fn several_streams() -> Suite {
    suite(
        "formats over several streams",
        r#"
        {app="a"} 1 level=info msg=one
        {app="b"} 2 level=warn msg=two
        {app="a"} 3 level=info msg=one
        {app="b"} 3 level=info msg=one
        "#,
        &[
            (
                r#"{app=~"a|b"} | logfmt | line_format `{{.app}}: {{.msg}}` | keep level"#,
                "",
                "{level=info} 3 b: one\n{level=info} 3 a: one\n{level=info} 1 a: one\n{level=warn} 2 b: two",
            ),
            (
                r#"{app=~"a|b"} | logfmt | line_format `{{.msg}}` | drop app, msg"#,
                "forward",
                "{level=info} 1 one\n{level=info} 3 one\n{level=info} 3 one\n{level=warn} 2 two",
            ),
            (r#"{app=~"a|b"} | line_format `same` | drop app"#, "limit 2", "{} 3 same\n{} 3 same"),
            (r#"{app="a"} | logfmt | label_format app=level"#, "limit 1", "{app=info,msg=one} 3 level=info msg=one"),
            (r#"{app=~"a|b"} | logfmt | line_format `{{.msg}}` |= `two`"#, "", "{app=b,level=warn,msg=two} 2 two"),
        ],
    )
}
