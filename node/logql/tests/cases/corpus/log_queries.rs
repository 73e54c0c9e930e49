//! The documentation's page "Log queries", sentence by sentence.

use super::{Suite, suite};

/// A query, what is asked besides, and the answer.
type Case = (&'static str, &'static str, &'static str);

pub(super) fn suites() -> Vec<Suite> {
    vec![formats(), stages()]
}

fn formats() -> Suite {
    suite("labels formatted as documented", FORMATS_LINES, FORMATS_CASES)
}

const FORMATS_LINES: &str = r#"
        {x="1",src="s"} 1 a=1 b=2 c=3 took=90s
        "#;

const FORMATS_CASES: &[Case] = &[
    (r#"{x="1"} | logfmt | label_format d=a"#, "", "{b=2,c=3,d=1,src=s,took=90s,x=1} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format d=a,e=b | drop took"#, "", "{c=3,d=1,e=2,src=s,x=1} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format d=`{{.a}}-{{.b}}`,a=c | keep a,c,d"#, "", "{a=3,d=1-2} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format a=b,b=a | keep a,b"#, "", "{b=2} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format a=`{{.b}}`,b=`{{.a}}` | keep a,b"#, "", "{a=2,b=1} 1 a=1 b=2 c=3 took=90s"),
    (
        r#"{x="1"} | logfmt | label_format d=a,d="new""#,
        "",
        "error: parse error at line 1, col 37: multiple label name 'd' not allowed in a single format operation",
    ),
    (r#"{x="1"} | logfmt | label_format d=a | label_format d="new" | keep a,d"#, "", "{d=new} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format d=nothing | keep d, a"#, "", "{a=1} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format x=a | keep x,a"#, "", "{x=1} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format src="{{.src}}-{{.a}}" | keep src"#, "", "{src=s-1} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | logfmt | label_format a="" | keep a,b"#, "", "{a=,b=2} 1 a=1 b=2 c=3 took=90s"),
    (
        r#"{x="1"} | logfmt | label_format __error__=a"#,
        "",
        "error: parse error at line 1, col 33: __error__ cannot be formatted",
    ),
    (
        r#"{x="1"} | logfmt | label_format e=__error__"#,
        "",
        "error: parse error at line 1, col 35: the error of a line cannot be renamed",
    ),
    (
        r#"{x="1"} | label_format line="{{ __line__ }}" | keep line"#,
        "",
        "{line=a=1 b=2 c=3 took=90s} 1 a=1 b=2 c=3 took=90s",
    ),
    (
        r#"{x="1"} | logfmt | label_format took_s=`{{ .took | duration }}` | took_s > 89 | keep took_s"#,
        "",
        "{took_s=90} 1 a=1 b=2 c=3 took=90s",
    ),
    (r#"{x="1"} | label_format a=`{{.x}}`, b=`{{.a}}x` | keep a,b"#, "", "{a=1,b=x} 1 a=1 b=2 c=3 took=90s"),
    (r#"{x="1"} | label_format a.b=x"#, "", "error: parse error at line 1, col 25: syntax error: unexpected '.'"),
    (r#"{x="1"} | label_format a = x"#, "", "{a=1,src=s} 1 a=1 b=2 c=3 took=90s"),
];

fn stages() -> Suite {
    suite("stages as documented", STAGES_LINES, STAGES_CASES)
}

const STAGES_LINES: &str = r#"
        {x="1"} 1 {"a.b":{"c":"d"},"e":"f","list":[1,{"k":"v"}],"n":null,"t":true,"num":1.50,"empty":"","nest":{"_":1,"1st":2},"x":"clash"}
        {x="1"} 2 INFO GET / loki.net 200
        {x="1"} 3 {"container":"myapp","pod":"pod-3223f","_entry":"original log message"}
        {x="1"} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag
        {x="1"} 5 [2022-11-04 22:17:57.811] ␛[0;32mhttp␛[0m: GET /_health (0 ms) 204
        {x="1"} 6 {"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401}}
        {x="1"} 7 key=value =value foo=bar=buzz fo"o=bar last="a b" 
        "#;

const STAGES_CASES: &[Case] = &[
    (
        r#"{x="1"} |= "a.b" | json"#,
        "",
        r#"{a_b_c=d,e=f,empty=,n=,nest_1st=2,nest__=1,num=1.50,t=true,x=1,x_extracted=clash} 1 {"a.b":{"c":"d"},"e":"f","list":[1,{"k":"v"}],"n":null,"t":true,"num":1.50,"empty":"","nest":{"_":1,"1st":2},"x":"clash"}"#,
    ),
    (
        r#"{x="1"} |= "INFO" | json"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,x=1} 2 INFO GET / loki.net 200",
    ),
    (r#"{x="1"} |= "INFO" | json | drop __error__"#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |= "INFO" | json | drop __error__, __error_details__"#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |= "_entry" | unpack"#, "", "{container=myapp,pod=pod-3223f,x=1} 3 original log message"),
    (
        r#"{x="1"} |= "_entry" | json"#,
        "",
        r#"{_entry=original log message,container=myapp,pod=pod-3223f,x=1} 3 {"container":"myapp","pod":"pod-3223f","_entry":"original log message"}"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt"#,
        "",
        r#"{at=info,fwd=124.133.124.161,host=grafana.net,method=GET,path=/,service=8ms,size=20KB,status=200,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt --keep-empty | keep flag, at"#,
        "",
        r#"{at=info,flag=} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt host, fwd_ip="fwd""#,
        "",
        r#"{fwd_ip=124.133.124.161,host=grafana.net,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt flag, nothing"#,
        "",
        r#"{flag=,nothing=,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt --strict"#,
        "",
        r#"{at=info,fwd=124.133.124.161,host=grafana.net,method=GET,path=/,service=8ms,size=20KB,status=200,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "key=value" | logfmt"#,
        "",
        r#"{key=value,last=a b,x=1} 7 key=value =value foo=bar=buzz fo"o=bar last="a b""#,
    ),
    (
        r#"{x="1"} |= "key=value" | logfmt --strict"#,
        "",
        r#"{__error__=LogfmtParserErr,__error_details__=logfmt syntax error at pos 11 : unexpected '=',key=value,x=1} 7 key=value =value foo=bar=buzz fo"o=bar last="a b""#,
    ),
    (
        r#"{x="1"} |= "key=value" | logfmt --strict --keep-empty key"#,
        "",
        r#"{__error__=LogfmtParserErr,__error_details__=logfmt syntax error at pos 11 : unexpected '=',key=value,x=1} 7 key=value =value foo=bar=buzz fo"o=bar last="a b""#,
    ),
    (r#"{x="1"} |= "_health" | decolorize"#, "", "{x=1} 5 [2022-11-04 22:17:57.811] http: GET /_health (0 ms) 204"),
    (
        r#"{x="1"} |= "protocol" | json first_server="servers[0]", ua="request.headers[\"User-Agent\"]""#,
        "",
        r#"{first_server=129.0.1.1,ua=curl/7.68.0,x=1} 6 {"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401}}"#,
    ),
    (
        r#"{x="1"} |= "protocol" | json server_list="servers", headers="request.headers""#,
        "",
        r#"{headers={"Accept":"*/*","User-Agent":"curl/7.68.0"},server_list=["129.0.1.1","10.2.1.3"],x=1} 6 {"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401}}"#,
    ),
    (
        r#"{x="1"} |= "protocol" | json servers"#,
        "",
        r#"{servers=["129.0.1.1","10.2.1.3"],x=1} 6 {"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401}}"#,
    ),
    (
        r#"{x="1"} |= "protocol" | json s="response.status", none="response.nope", deep="request[\"headers\"].Accept", idx="servers[9]""#,
        "",
        r#"{deep=*/*,idx=,none=,s=401,x=1} 6 {"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401}}"#,
    ),
    (
        r#"{x="1"} |= "protocol" | json bad="request[""#,
        "",
        r#"error: parse error at line 1, col 34: cannot parse expression [request[]: expected [0] or ["field"]"#,
    ),
    (
        r#"{x="1"} |= "protocol" | json request.time"#,
        "",
        "error: parse error at line 1, col 37: syntax error: unexpected '.'",
    ),
    (
        r#"{x="1"} |= "at=info" | pattern `<_> method=<method> path=<path> <_> service=<took>ms`"#,
        "",
        r#"{method=GET,path=/,took=8,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | pattern `at=<_>`"#,
        "",
        r#"error: parse error at line 1, col 32: the pattern "at=<_>" cannot be used: at least one named capture is required, such as <name>"#,
    ),
    (
        r#"{x="1"} |= "at=info" | pattern `<a><b>`"#,
        "",
        r#"error: parse error at line 1, col 32: the pattern "<a><b>" cannot be used: found consecutive captures before <b>; put a text between"#,
    ),
    (
        r#"{x="1"} |= "at=info" | pattern `nothing <a>`"#,
        "",
        r#"{x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | pattern `at=<level> method=POST <path>`"#,
        "",
        r#"{level=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | regexp `method=(?P<method>\w+) path=(?P<path>\S+)`"#,
        "",
        r#"{method=GET,path=/,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | regexp `method=(\w+)`"#,
        "",
        r#"error: parse error at line 1, col 31: the regular expression "method=(\\w+)" cannot be used: at least one named capture must be supplied, such as (?P<name>…)"#,
    ),
    (r#"{x="1"} |= "at=info" | logfmt | service >= 8ms or size == 20KB and method!~"G.." | keep service"#, "", ""),
    (
        r#"{x="1"} |= "at=info" | logfmt | service >= 8ms, size == 20KB | keep service"#,
        "",
        r#"{service=8ms} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | service >= 8ms size == 20KB method=~"G.." | keep service"#,
        "",
        r#"{service=8ms} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | size = 20KB | keep size"#,
        "",
        r#"{size=20KB} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | size == 20000B | keep size"#,
        "",
        r#"{size=20KB} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | size < 20KiB | keep size"#,
        "",
        r#"{size=20KB} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | size <= 20kb | keep size"#,
        "",
        r#"{size=20KB} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | size <= 0.02MB and size >= 0.00002GB and size < 1TB and size < 1TiB and size <1GiB and size < 1MiB| keep size"#,
        "",
        r#"{size=20KB} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (r#"{x="1"} |= "at=info" | logfmt | size > 20Kb | keep size"#, "", ""),
    (
        r#"{x="1"} |= "at=info" | logfmt | service < 1h30m and service > 1ns and service > 1us and service > 1µs and service < 1.5h and service <= 8ms | keep service"#,
        "",
        r#"{service=8ms} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | service < 1d | keep service"#,
        "",
        r#"{service=8ms} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | status = 200 and status == 200.0 and status >= 2e2 and status != 201 and status > -1 | keep status"#,
        "",
        r#"{status=200} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | method > 5 | keep method"#,
        "",
        r#"{__error__=LabelFilterErr,__error_details__=strconv.ParseFloat: parsing "GET": invalid syntax,method=GET} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | method > 5ms | keep method"#,
        "",
        r#"{__error__=LabelFilterErr,__error_details__=time: invalid duration "GET",method=GET} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | method > 5KB | keep method"#,
        "",
        r#"{__error__=LabelFilterErr,__error_details__=strconv.ParseFloat: parsing "": invalid syntax,method=GET} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (r#"{x="1"} |= "at=info" | logfmt | nothing > 5"#, "", ""),
    (r#"{x="1"} |= "at=info" | logfmt | nothing != 5"#, "", ""),
    (
        r#"{x="1"} |= "at=info" | logfmt | nothing = "" | keep at"#,
        "",
        r#"{at=info} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | (status = 200 or method = "POST") and path = "/" | keep status"#,
        "",
        r#"{status=200} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | status = 200 or (method = "POST" and path = "x") | keep status"#,
        "",
        r#"{status=200} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | status = "200" and ( size > 1KB , size < 1MB ) | keep status"#,
        "",
        r#"{status=200} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | status == "200""#,
        "",
        "error: parse error at line 1, col 43: syntax error: unexpected STRING, expecting BYTES or NUMBER or DURATION",
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | 200 == status"#,
        "",
        "error: parse error at line 1, col 33: syntax error: unexpected NUMBER, expecting json, logfmt, pattern, regexp, unpack, decolorize, line_format, label_format, drop, keep, a label filter, or one of |=, |~, |>, !=, !~, !>",
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | status =~ 200"#,
        "",
        "error: parse error at line 1, col 43: syntax error: unexpected NUMBER, expecting STRING",
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | drop at, method="POST", path=~"/.*", host!="grafana.net", fwd!~"9.*""#,
        "",
        r#"{host=grafana.net,method=GET,service=8ms,size=20KB,status=200,x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "at=info" | logfmt | keep at, method="POST", path=~"/.*", host!="grafana.net", fwd!~"9.*""#,
        "",
        r#"{at=info,fwd=124.133.124.161,path=/} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (
        r#"{x="1"} |= "INFO" | json | keep x"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,x=1} 2 INFO GET / loki.net 200",
    ),
    (
        r#"{x="1"} |= "INFO" | json | keep nothing"#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol} 2 INFO GET / loki.net 200",
    ),
    (
        r#"{x="1"} |= "INFO" | json | __error__ = "JSONParserErr" | line_format "{{.__error__}}""#,
        "",
        "{__error__=JSONParserErr,__error_details__=Value looks like object, but can't find closing '}' symbol,x=1} 2 JSONParserErr",
    ),
    (r#"{x="1"} |= "INFO" | json | __error__ != "JSONParserErr""#, "", ""),
    (r#"{x="1"} |= "INFO" | json | __error__ =~ "JSON.+" | drop __error__"#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (
        r#"{x="1"} |= "INFO" | json | label_format err=__error__"#,
        "",
        "error: parse error at line 1, col 45: the error of a line cannot be renamed",
    ),
    (r#"{x="1"} |> "<_>GET / <_>""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |> "INFO <_>" "#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (
        r#"{x="1"} |> "<_> GET <_> 204""#,
        "",
        "{x=1} 5 [2022-11-04 22:17:57.811] [0;32mhttp[0m: GET /_health (0 ms) 204",
    ),
    (
        r#"{x="1"} !> "<_>=<_>"  !> "<_>\"<_>""#,
        "",
        "{x=1} 5 [2022-11-04 22:17:57.811] \u{1b}[0;32mhttp\u{1b}[0m: GET /_health (0 ms) 204\n{x=1} 2 INFO GET / loki.net 200",
    ),
    (r#"{x="1"} |> """#, "", ""),
    (
        r#"{x="1"} |> "<_><_>""#,
        "",
        r#"error: parse error at line 1, col 12: the pattern "<_><_>" cannot be used: found consecutive captures before <_>; put a text between"#,
    ),
    (
        r#"{x="1"} |> "<name> x""#,
        "",
        r#"error: parse error at line 1, col 12: the pattern "<name> x" cannot be used: named captures such as <name> are not allowed here; use <_>"#,
    ),
    (
        r#"{x="1"} |> "INFO <_>" or "<_> 204""#,
        "",
        "{x=1} 5 [2022-11-04 22:17:57.811] \u{1b}[0;32mhttp\u{1b}[0m: GET /_health (0 ms) 204\n{x=1} 2 INFO GET / loki.net 200",
    ),
    (
        r#"{x="1"} |= "INFO" or "at=info" or "_health" != "loki""#,
        "",
        "{x=1} 5 [2022-11-04 22:17:57.811] \u{1b}[0;32mhttp\u{1b}[0m: GET /_health (0 ms) 204\n{x=1} 4 at=info method=GET path=/ host=grafana.net fwd=\"124.133.124.161\" service=8ms status=200 size=20KB flag",
    ),
    (r#"{x="1"} != "INFO" or "at=info" != "a""#, "", ""),
    (
        r#"{x="1"} |~ "^INFO|^at" !~ "loki""#,
        "",
        r#"{x=1} 4 at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" service=8ms status=200 size=20KB flag"#,
    ),
    (r#"{x="1"} |~ "(?i)info get""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |= `loki.net` |= "GET" # comment"#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |= "" |= "INFO""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} |~ "" |= "INFO""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} != """#, "", ""),
    (r#"{x="1"} !~ """#, "", ""),
    (r#"{x="1"} | x="1" |= "INFO""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    (r#"{x="1"} | x!="1""#, "", ""),
    (
        r#"{x="1",}"#,
        "",
        "{x=1} 7 key=value =value foo=bar=buzz fo\"o=bar last=\"a b\"\n{x=1} 6 {\"protocol\":\"HTTP/2.0\",\"servers\":[\"129.0.1.1\",\"10.2.1.3\"],\"request\":{\"time\":\"6.032\",\"headers\":{\"Accept\":\"*/*\",\"User-Agent\":\"curl/7.68.0\"}},\"response\":{\"status\":401}}\n{x=1} 5 [2022-11-04 22:17:57.811] \u{1b}[0;32mhttp\u{1b}[0m: GET /_health (0 ms) 204\n{x=1} 4 at=info method=GET path=/ host=grafana.net fwd=\"124.133.124.161\" service=8ms status=200 size=20KB flag\n{x=1} 3 {\"container\":\"myapp\",\"pod\":\"pod-3223f\",\"_entry\":\"original log message\"}\n{x=1} 2 INFO GET / loki.net 200\n{x=1} 1 {\"a.b\":{\"c\":\"d\"},\"e\":\"f\",\"list\":[1,{\"k\":\"v\"}],\"n\":null,\"t\":true,\"num\":1.50,\"empty\":\"\",\"nest\":{\"_\":1,\"1st\":2},\"x\":\"clash\"}",
    ),
    (r#"{x=~"1|2", x!~"3"} |= "INFO""#, "", "{x=1} 2 INFO GET / loki.net 200"),
    ("{x='1'} |= 'INFO'", "", r"error: parse error at line 1, col 4: syntax error: unexpected '\''"),
    (
        r#"{x="1"} | json | unwrap a"#,
        "",
        "error: parse error at line 1, col 16: unwrap is only allowed within a range aggregation, such as sum_over_time",
    ),
    (
        r#"{x="1"} |= "INFO" | decolorize | json | unpack | logfmt --bad"#,
        "",
        "error: parse error at line 1, col 57: syntax error: unexpected --bad, expecting --strict or --keep-empty",
    ),
];
