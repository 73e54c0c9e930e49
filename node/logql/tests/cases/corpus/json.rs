//! `| json`, bare and with expressions, and `| unpack`.

use super::{Suite, on_line, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![
        flat(),
        values(),
        names(),
        expressions(),
        odd_expressions(),
        arrays(),
        broken(),
        flaws(),
        unpack(),
        unpack_clashes(),
    ]
}

fn flat() -> Suite {
    on_line(
        "nested JSON",
        r#"{"a":1,"b":{"c":"d","e":{"f":true}},"list":[1,{"g":2}],"x":"own"}"#,
        &[
            ("| json", "a=1; b_c=d; b_e_f=true; x_extracted=own"),
            ("| json | a=1", "a=1; b_c=d; b_e_f=true; x_extracted=own"),
            ("| json | b_e_f=\"true\" | keep a", "-x; a=1"),
            ("| json | list!=\"\"", "dropped"),
            ("| json | list_g!=\"\"", "dropped"),
            ("| json | b!=\"\"", "dropped"),
            ("| json | x=\"own\"", "dropped"),
            ("| json | x_extracted=\"own\" | keep x", ""),
            ("| json | json | keep a, x", "a=1"),
            ("| json |= \"list\" | keep a, x", "a=1"),
        ],
    )
}

fn values() -> Suite {
    on_line(
        "kinds of JSON values",
        r#"{"n":-1.50e+3,"big":123456789012345678901234567890,"t":true,"f":false,"z":null,"e":"","s":" a  b ","u":"\u00e9\ud83d\ude00\n"}"#,
        &[
            ("| json | keep n, x", "n=-1.50e+3"),
            ("| json | n=-1500 | keep x", ""),
            ("| json | n<-1499.9 | keep x", ""),
            ("| json | big>1e29 | keep big, x", "big=123456789012345678901234567890"),
            ("| json | t=\"true\",f=\"false\" | keep t, f, x", "f=false; t=true"),
            ("| json | z=\"\" | keep z, x", "z="),
            ("| json | e=\"\" | keep e, x", "e="),
            ("| json | s=\" a  b \" | keep x", ""),
            ("| json | u=\"é😀\\n\" | keep x", ""),
            ("| json | u=~\"é.*\" | keep x", "dropped"),
            ("| json | u=~\"(?s)é.*\" | keep x", ""),
            (
                "| json | t=1 | keep x",
                "__error__=LabelFilterErr; __error_details__=strconv.ParseFloat: parsing \"true\": invalid syntax",
            ),
        ],
    )
}

fn names() -> Suite {
    on_line(
        "names of JSON fields become names of labels",
        r#"{"a.b":{"c-d":1},"1st":2,"é":3,"a b":4,"a\tb":"first wins","A":5,"_u":6,"":7,"n":{"":8},"k":"1","k":"2"," \t":{" m ":9}," ":10}"#,
        &[
            ("| json | keep a_b_c_d, x", "a_b_c_d=1"),
            ("| json | keep _1st, x", "_1st=2"),
            ("| json | keep _, x", "_=3"),
            ("| json | keep a_b, x", "a_b=4"),
            ("| json | A=5 | keep A, x", "A=5"),
            ("| json | a=5", "dropped"),
            ("| json | _u=6 | keep x", ""),
            ("| json | n_=8 | keep n_, x", "n_=8"),
            ("| json | keep k, x", "k=1"),
            // Blanks around a name are no part of it, and a name of blanks is none.
            ("| json | keep m, x", "m=9"),
            ("| json | m=9 | keep x", ""),
        ],
    )
}

fn expressions() -> Suite {
    on_line(
        "JSON by expressions",
        r#"{"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"method":"GET","headers":{"Accept": "*/*", "User-Agent": "curl/7.68.0"}},"status":401,"nil":null,"ok":true,"x":"y"}"#,
        &[
            (r#"| json first="servers[0]""#, "first=129.0.1.1"),
            (r#"| json second="servers[1]""#, "second=10.2.1.3"),
            (r#"| json third="servers[2]""#, "third="),
            (r#"| json ua="request.headers[\"User-Agent\"]""#, "ua=curl/7.68.0"),
            (r#"| json ua=`request["headers"]["User-Agent"]`"#, "ua=curl/7.68.0"),
            (r#"| json first="servers[0]", ua="request.headers[\"User-Agent\"]""#, "first=129.0.1.1; ua=curl/7.68.0"),
            (r#"| json list="servers""#, r#"list=["129.0.1.1","10.2.1.3"]"#),
            ("| json servers", r#"servers=["129.0.1.1","10.2.1.3"]"#),
            (r#"| json h="request.headers""#, r#"h={"Accept": "*/*", "User-Agent": "curl/7.68.0"}"#),
            ("| json protocol", "protocol=HTTP/2.0"),
            ("| json protocol, status", "protocol=HTTP/2.0; status=401"),
            (r#"| json protocol, code="status""#, "code=401; protocol=HTTP/2.0"),
            (r#"| json ok, nil"#, "nil=; ok=true"),
            (r#"| json missing"#, "missing="),
            (r#"| json a="request.missing.deeper""#, "a="),
            (r#"| json a="status.b""#, "a="),
            (r#"| json a="servers.b""#, "a="),
            (r#"| json a="request[0]""#, "a="),
            (r#"| json x"#, "x_extracted=y"),
            (r#"| json x="protocol""#, "x_extracted=HTTP/2.0"),
            (r#"| json a="status" | a=401"#, "a=401"),
            (r#"| json a="status" | a>401"#, "dropped"),
            (r#"| json a="status" | status=401"#, "dropped"),
            (r#"| json a="status", b="status""#, "a=401; b=401"),
            (r#"| json m="request.method" |= "GET""#, "m=GET"),
            (r#"| json m="request.method" != "GET""#, "dropped"),
            (r#"| json m="[\"request\"].method""#, "m=GET"),
        ],
    )
}

fn odd_expressions() -> Suite {
    on_line(
        "odd names in JSON expressions",
        r#"{"a.b":1,"a b":2,"é":{"ö":3},"q\"q":4,"k":"one","k":"two","user-agent":5,"n":{"n":{"n":6}},"esc":"a\tb","o":{"z":1,"z":2}}"#,
        &[
            (r#"| json v="[\"a.b\"]""#, "v=1"),
            (r#"| json v="a.b""#, "v="),
            (r#"| json v="[\"a b\"]""#, "v=2"),
            (r#"| json v="é.ö""#, "v=3"),
            (r#"| json v=`["q\"q"]`"#, "v=4"),
            (r#"| json v="k""#, "v=one"),
            (r#"| json v="user-agent""#, "v=5"),
            (r#"| json v="n.n.n""#, "v=6"),
            (r#"| json v="n.n""#, r#"v={"n":6}"#),
            (r#"| json v="esc" | v="a\tb" | keep x"#, ""),
            (r#"| json v="o.z""#, "v=1"),
            (r#"| json v="o""#, r#"v={"z":1,"z":2}"#),
        ],
    )
}

fn arrays() -> Suite {
    on_line(
        "a JSON array",
        r#"[{"a":1},[2,3]]"#,
        &[
            (
                "| json",
                "__error__=JSONParserErr; __error_details__=Value looks like object, but can't find closing '}' symbol",
            ),
            (r#"| json v="[0].a""#, "v=1"),
            (r#"| json v="[1][1]""#, "v=3"),
            (r#"| json v="[2]""#, "v="),
            (r#"| json v="[1]""#, "v=[2,3]"),
        ],
    )
}

fn broken() -> Suite {
    const ERROR: &str = "__error__=JSONParserErr";
    const NOT: &str = "__error_details__=Value looks like object, but can't find closing '}' symbol";
    on_line(
        "a line that is no JSON",
        r#"INFO a=1 {"b":2}"#,
        &[
            ("| json", &format!("{ERROR}; {NOT}")),
            (r#"| json v="b""#, &format!("{ERROR}; {NOT}")),
            ("| unpack", &format!("{ERROR}; {NOT}")),
            ("| json | __error__=\"\"", "dropped"),
            ("| json | __error__!=\"\"", &format!("{ERROR}; {NOT}")),
            ("| json | __error__=\"JSONParserErr\"", &format!("{ERROR}; {NOT}")),
            ("| json | __error__!=\"JSONParserErr\"", "dropped"),
            ("| json | __error__=~\"JSON.*\"", &format!("{ERROR}; {NOT}")),
            ("| json | drop __error__", ""),
            ("| json | drop __error__, __error_details__", ""),
            ("| json | b=\"\"", &format!("{ERROR}; {NOT}")),
            ("| json | b=\"2\"", "dropped"),
            // Comparisons let lines with an error pass.
            ("| json | b>5", &format!("{ERROR}; {NOT}")),
            ("| json | b>5 | __error__=\"\"", "dropped"),
            ("| json | logfmt", &format!("{ERROR}; {NOT}; a=1")),
        ],
    )
}

/// What is wrong is told in the same words wherever it is: the words stand in a label, and each wording is a stream.
fn flaws() -> Suite {
    let error = |details: &str| format!("__error__=JSONParserErr,__error_details__={details}");
    let object = error("Value looks like object, but can't find closing '}' symbol");
    let lines = [
        (r#"{"a":1"#, &*object, "a=1,"),
        (r#"{"a":1,"b":{"c":2"#, &object, "a=1,b_c=2,"),
        (r#"{"a":1,b:2}"#, &object, "a=1,"),
        (r#"{"a":1 "b":2}"#, &object, "a=1,"),
        (r#"["a"]"#, &object, ""),
        (r#"{"a" 1}"#, &error("Malformed JSON error"), ""),
        ("{", &error("Malformed JSON error"), ""),
        (r#"{"a":"#, &error("Malformed JSON error"), ""),
        (r#"{"a":1,"b"#, &error("Malformed JSON error"), "a=1,"),
        (r#"{"a":{"b":["c"#, &object, ""),
        (r#"{"a":[{"b":"c"#, &error("Value is array, but can't find closing ']' symbol"), ""),
        (r#"{"a":x}"#, &error("Unknown value type"), ""),
        (r#"{"a":NaN}"#, &error("Unknown value type"), ""),
        (r#"{"a":"b}"#, &error("Value is string, but can't find closing '\"' symbol"), ""),
        (r#"{"a":"\z"}"#, &error("Encountered an invalid escape sequence in a string"), ""),
        (r#"{"a":[1,2}"#, &error("Value is array, but can't find closing ']' symbol"), ""),
        (r#"{"a":1} and more"#, "", "a=1,"),
        (r#"{"a":1}{"a":2"#, "", "a=1,"),
    ];
    let mut records = String::new();
    let mut cases = Vec::new();
    for (at, (line, error, taken)) in lines.iter().enumerate() {
        records += &format!("{{x=\"{at}\"}} 1 {line}\n");
        let comma = if error.is_empty() { "" } else { "," };
        cases.push((format!("{{x=\"{at}\"}} | json"), format!("{{{error}{comma}{taken}x={at}}} 1 {line}")));
    }
    let cases: Vec<(&str, &str, &str)> = cases.iter().map(|(query, want)| (&**query, "", &**want)).collect();
    suite("flaws of JSON", &records, &cases)
}

fn unpack() -> Suite {
    on_line(
        "a packed line",
        r#"{"container":"myapp","pod":"pod-3223f","n":5,"o":{"a":"b"},"x":"inner","_entry":"level=info msg=\"hi\" x=2"}"#,
        &[
            ("| unpack", r#"container=myapp; pod=pod-3223f; x_extracted=inner => level=info msg="hi" x=2"#),
            (r#"| unpack |= "level=info" | keep x"#, r#"=> level=info msg="hi" x=2"#),
            (r#"| unpack |= "myapp""#, "dropped"),
            (r#"|= "myapp" | unpack | keep x"#, r#"=> level=info msg="hi" x=2"#),
            (r#"|= "myapp" | unpack != "myapp" | keep pod"#, r#"-x; pod=pod-3223f => level=info msg="hi" x=2"#),
            (r#"| unpack | logfmt | keep msg, level, x"#, r#"level=info; msg=hi => level=info msg="hi" x=2"#),
            (r#"| unpack | pod="pod-3223f" | keep x"#, r#"=> level=info msg="hi" x=2"#),
            (r#"| unpack | pod="other""#, "dropped"),
            (r#"| unpack | n=5"#, "dropped"),
            (r#"| unpack | _entry!="""#, "dropped"),
            (r#"| json | keep _entry"#, r#"-x; _entry=level=info msg="hi" x=2"#),
        ],
    )
}

fn unpack_clashes() -> Suite {
    suite(
        "lines that are hardly packed",
        r#"
        {x="1"} 1 {"app":"bar","pod":{"uid":"1"}}
        {x="1"} 2 {"_entry":""}
        {x="1"} 3 {"_entry":5,"a":"b"}
        {x="1"} 4 {"a.b":"c","_entry":"{\"k\":1}"}
        {x="1"} 5 [1]
        {x="1"} 6 {"_entry":"a" x}
        "#,
        &[
            (r#"{x="1"} | unpack"#, "0..2", r#"{x=1} 1 {"app":"bar","pod":{"uid":"1"}}"#),
            (r#"{x="1"} | unpack"#, "2..3", "{x=1} 2"),
            (r#"{x="1"} | unpack"#, "3..4", r#"{x=1} 3 {"_entry":5,"a":"b"}"#),
            (r#"{x="1"} | unpack"#, "4..5", r#"{a_b=c,x=1} 4 {"k":1}"#),
            (r#"{x="1"} | unpack | json | __error__="" | k=1"#, "", r#"{a_b=c,k=1,x=1} 4 {"k":1}"#),
            (
                r#"{x="1"} | unpack | __error__="JSONParserErr" | keep x | drop __error__"#,
                "",
                "{x=1} 6 {\"_entry\":\"a\" x}\n{x=1} 5 [1]",
            ),
        ],
    )
}
