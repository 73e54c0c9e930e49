//! The examples of the documentation's page "Template functions", and each function at its edges.

use super::{Suite, suite};

/// A query, what is asked besides, and the answer.
type Case = (&'static str, &'static str, &'static str);

pub(super) fn suites() -> Vec<Suite> {
    vec![functions()]
}

fn functions() -> Suite {
    suite("template functions as documented", FUNCTIONS_LINES, FUNCTIONS_CASES)
}

const FUNCTIONS_LINES: &str = r#"
        {x="1"} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5
        "#;

const FUNCTIONS_CASES: &[Case] = &[
    (
        r#"{x="1"} | logfmt | line_format `{{ .took | duration }}|{{ duration_seconds .took }}|{{ .size | bytes }}|{{ bytes "2kB" }}|{{ bytes "5 MiB" }}`"#,
        "",
        "{foo=-3.7,ip=10.0.0.7,neg=-5,q=a%20b,size=1.5KiB,took=1h30m,user=Ann Lee,x=1} 1 5400|5400|1536|2000|5.24288e+06",
    ),
    (
        r#"{x="1"} | line_format `{{ date "2006-01-02" (unixToTime "1679577215") }} {{ unixToTime "19437" | date "2006-01-02" }} {{ unixToTime "1679577215000" | unixEpoch }} {{ unixToTime "1679577215000000" | unixEpochMillis }} {{ unixToTime "1679577215000000000" | unixEpochNanos }}`"#,
        "",
        "{x=1} 1 2023-03-23 2023-03-21 1679577215 1679577215000 1679577215000000000",
    ),
    (
        r#"{x="1"} | line_format `{{ toDateInZone "2006-01-02" "UTC" "2021-11-02" | unixEpoch }} {{ toDate "2006-01-02" "2021-11-02" | unixEpochMillis }} {{ unixEpochNanos (toDateInZone "2006-01-02T15:04:05.999999999Z" "UTC" "2021-11-02T03:04:05.5Z") }} {{ toDateInZone "2006-01-02 15:04" "America/New_York" "2021-11-02 00:00" | unixEpoch }}`"#,
        "",
        "{x=1} 1 1635811200 1635811200000 1635822245500000000 1635825600",
    ),
    (
        r#"{x="1"} | line_format `{{ __timestamp__ }} {{ __timestamp__ | date "2006-01-02T15:04:05.00Z-07:00" }} {{ __timestamp__ | unixEpoch }} {{ __line__ | lower | trunc 4 }}`"#,
        "",
        "{x=1} 1 1970-01-01 00:00:01 +0000 UTC 1970-01-01T00:00:01.00Z+00:00 1 post",
    ),
    (
        r#"{x="1"} | line_format `{{ alignLeft 5 "hello world" }}|{{ alignLeft 5 "hi" }}|{{ alignRight 5 "hello world" }}|{{ alignRight 5 "hi" }}|{{ alignLeft 3 "äöüß" }}`"#,
        "",
        "{x=1} 1 hello|hi   |world|   hi|äöü",
    ),
    (
        r####"{x="1"} | line_format `{{ b64enc "a?b" }} {{ b64dec "YT9i" }} {{ "x" | b64enc }} {{ b64dec "###" }}`"####,
        "",
        r####"{__error__=TemplateFormatErr,__error_details__=template: line:1:61: executing "line" at <b64dec "###">: error calling b64dec: illegal base64 data at input byte 0,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"####,
    ),
    (
        r####"{x="1"} | line_format `{{ b64dec "###" }}`"####,
        "",
        r####"{__error__=TemplateFormatErr,__error_details__=template: line:1:3: executing "line" at <b64dec "###">: error calling b64dec: illegal base64 data at input byte 0,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"####,
    ),
    (
        r#"{x="1"} | line_format `{{ default "-" "" }} {{ default "-" "foo" }} {{ .nothing | default "none" }} {{ default 7 "" }} {{ default "x" .empty }}`"#,
        "",
        "{x=1} 1 - foo none 7 x",
    ),
    (
        r#"{x="1"} | line_format `{{ fromJson "{\"foo\": 55}" }} {{ (fromJson "{\"foo\": 55}").foo }} {{ range $q := fromJson "[{\"query\":\"a\"},{\"query\":\"b\"}]" }}<{{ $q.query }}>{{ end }} [{{ fromJson "nope" }}]`"#,
        "",
        "{x=1} 1 map[foo:55] 55 <a><b> []",
    ),
    (
        r#"{x="1"} | line_format `{{ lower "HELLO" }} {{ upper "hello" }} {{ title "hello world" }} {{ ToLower "AB" }} {{ ToUpper "ab" }} {{ Title "x y" }}`"#,
        "",
        r#"error: parse error at line 1, col 23: template: line:1: function "Title" not defined"#,
    ),
    (
        r#"{x="1"} | line_format `{{ indent 2 "a" }}|{{ nindent 2 "a" }}|{{ repeat 3 "hello" }}`"#,
        "",
        "{x=1} 1   a|⏎  a|hellohellohello",
    ),
    (
        r#"{x="1"} | logfmt | line_format `{{ printf "The IP address was %s" .ip }} {{ printf "%-6.3s|%6.2s|%03d|%+.2f|%q|%x|%v|%5t" "abcdef" "xyz" 7 1.5 "a\"b" 255 true false }}`"#,
        "",
        r#"{foo=-3.7,ip=10.0.0.7,neg=-5,q=a%20b,size=1.5KiB,took=1h30m,user=Ann Lee,x=1} 1 The IP address was 10.0.0.7 abc   |    xy|007|+1.50|"a\"b"|ff|true|false"#,
    ),
    (
        r#"{x="1"} | line_format `{{ replace "hello" "world" "hello world" }} {{ "a-cluster" | replace "-cluster" "" }} {{ Replace "aaa" "a" "b" 2 }} {{ Replace "aaa" "a" "b" -1 }}`"#,
        "",
        "{x=1} 1 world world a bba bbb",
    ),
    (
        r#"{x="1"} | line_format `{{ substr 0 5 "hello world" }}|{{ substr 6 11 "hello world" }}|{{ substr -1 5 "hello" }}|{{ substr 2 -1 "hello" }}|{{ substr 2 99 "hello" }}|{{ substr 3 1 "hello" }}`"#,
        "",
        "{x=1} 1 hello|world|hello|llo|llo|",
    ),
    (r#"{x="1"} | line_format `{{ substr 7 9 "hello" }}`"#, "", "{x=1} 1"),
    (
        r#"{x="1"} | line_format `{{ trim "   hello    " }}|{{ trimAll "$" "$5.00" }}|{{ trimPrefix "-" "-hello" }}|{{ trimSuffix "-" "hello-" }}|{{ trunc 5 "hello world" }}|{{ trunc -5 "hello world" }}|{{ TrimSpace " a " }}|{{ Trim "xax" "x" }}|{{ TrimLeft "xax" "x" }}|{{ TrimRight "xax" "x" }}|{{ TrimPrefix "xax" "x" }}|{{ TrimSuffix "xax" "x" }}`"#,
        "",
        "{x=1} 1 hello|5.00|hello|hello|hello|world|a|a|ax|xa|ax|xa",
    ),
    (
        r#"{x="1"} | logfmt | line_format `{{ .user | urlencode }} {{ urldecode .q }} {{ urlencode "a/b?c=d&e" }} {{ urldecode "a+b%2Fc" }}`"#,
        "",
        "{foo=-3.7,ip=10.0.0.7,neg=-5,q=a%20b,size=1.5KiB,took=1h30m,user=Ann Lee,x=1} 1 Ann+Lee a b a%2Fb%3Fc%3Dd%26e a b/c",
    ),
    (
        r#"{x="1"} | line_format `{{ if contains "he" "hello" }}yes{{end}} {{ if eq "hello" "hello" }}same{{else}}other{{end}} {{ if hasPrefix "he" "hello" }}p{{end}}{{ if hasSuffix "lo" "hello" }}s{{end}} {{ if and (contains "he" "hello") (contains "llo" "hello") }}both{{end}} {{ if not (eq "a" "b") }}not{{end}} {{ if or (eq "a" "b") (eq "a" "a") }}or{{end}}`"#,
        "",
        "{x=1} 1 yes same ps both not or",
    ),
    (
        r#"{x="1"} | line_format `{{ add 3 2 5 }} {{ addf 3.5 2 5 }} {{ ceil 123.001 }} {{ div 10 2 }} {{ divf 10 2 4 }} {{ "3.5" | float64 }} {{ floor 123.9999 }} {{ "3" | int }} {{ max 1 2 3 }} {{ maxf 1 2.5 3 }} {{ min 1 2 3 }} {{ minf 1 2.5 3 }} {{ mul 5 2 3 }} {{ mulf 5.5 2 2.5 }} {{ mod 10 3 }} {{ round 123.555555 3 }} {{ round 123.88571428571 5 .2 }} {{ sub 5 2 }} {{ subf 5.5 2 1.5 }}`"#,
        "",
        "{x=1} 1 10 10.5 124 5 1.25 3.5 123 3 3 3 1 1 30 27.5 1 123.556 123.88572 3 2",
    ),
    (
        r#"{x="1"} | line_format `{{ div 7 0 }}`"#,
        "",
        r#"{__error__=TemplateFormatErr,__error_details__=template: line:1:3: executing "line" at <div 7 0>: error calling div: runtime error: integer divide by zero,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"#,
    ),
    (
        r#"{x="1"} | line_format `{{ mod 7 0 }}`"#,
        "",
        r#"{__error__=TemplateFormatErr,__error_details__=template: line:1:3: executing "line" at <mod 7 0>: error calling mod: runtime error: integer divide by zero,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"#,
    ),
    (
        r#"{x="1"} | line_format `{{ divf 1 0 }} {{ round -2.5 0 }} {{ ceil -0.5 }} {{ floor -0.5 }} {{ add "3" "4" }} {{ int "x" }} {{ int 3.9 }} {{ float64 "1e3" }}`"#,
        "",
        r#"{__error__=TemplateFormatErr,__error_details__=template: line:1:3: executing "line" at <divf 1 0>: error calling divf: decimal division by 0,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"#,
    ),
    (
        r#"{x="1"} | line_format `{{ count "a|b" "abab" }} {{ count "o" "foo" }} {{ __line__ | count "[0-9]+" }} {{ regexReplaceAll "(a*)bc" "xaabcx" "${1}a" }} {{ regexReplaceAllLiteral "(ts=)" "ts=1 ts=2" "timestamp=" }}`"#,
        "",
        "{x=1} 1 4 2 13 xaaax timestamp=1 timestamp=2",
    ),
    (
        r#"{x="1"} | logfmt | line_format `{{ .foo | trimPrefix "-" | float64 | round 1 }}`"#,
        "",
        r#"{__error__=TemplateFormatErr,__error_details__=template: line:1:37: executing "line" at <round 1>: wrong type for value; expected int; got float64,foo=-3.7,ip=10.0.0.7,neg=-5,q=a%20b,size=1.5KiB,took=1h30m,user=Ann Lee,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"#,
    ),
    (
        r#"{x="1"} | line_format `{{ len "abc" }} {{ index (fromJson "[1,2,3]") 1 }} {{ slice "abcdef" 1 3 }} {{ html "<a>" }} {{ js "'x'" }} {{ urlquery "a b" }} {{ print 1 2 "x" }} {{ println "y" }} {{ lt 1 2 }} {{ ge 2 2 }} {{ ne "a" "b" }} {{ le 1.5 1.5 }} {{ gt 3 2 }}`"#,
        "",
        r"{x=1} 1 3 2 bc &lt;a&gt; \'x\' a+b 1 2x y⏎ true true true true true",
    ),
    (
        r#"{x="1"} | line_format `{{ with $v := "abc" }}{{ $v }}{{ else }}no{{ end }} {{ range $i, $e := fromJson "[10,20]" }}{{ $i }}={{ $e }};{{ else }}empty{{ end }} {{/* note */}}{{- "trim" -}}   after`"#,
        "",
        "{x=1} 1 abc 0=10;1=20; trimafter",
    ),
    (
        r#"{x="1"} | line_format `{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" "z" }} {{ block "b" "q" }}<{{ . }}>{{ end }}`"#,
        "",
        "{x=1} 1 [z] <q>",
    ),
    (
        r#"{x="1"} | logfmt | line_format `{{ .foo.bar }}`"#,
        "",
        r#"{__error__=TemplateFormatErr,__error_details__=template: line:1:3: executing "line" at <.foo.bar>: can't evaluate field bar in type string,foo=-3.7,ip=10.0.0.7,neg=-5,q=a%20b,size=1.5KiB,took=1h30m,user=Ann Lee,x=1} 1 POST /api [200] user="Ann Lee" took=1h30m size=1.5KiB ip=10.0.0.7 q=a%20b foo=-3.7 empty= neg=-5"#,
    ),
    (
        r#"{x="1"} | line_format `{{ nosuch "a" }}`"#,
        "",
        r#"error: parse error at line 1, col 23: template: line:1: function "nosuch" not defined"#,
    ),
    (r#"{x="1"} | line_format `{{ .x`"#, "", "error: parse error at line 1, col 23: template: line:1: unclosed action"),
    (r#"{x="1"} | line_format "{{.x}}\t{{.nosuch}}|""#, "", "{x=1} 1 1	|"),
];
