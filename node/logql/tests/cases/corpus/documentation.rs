//! Whole examples of the documentation, with lines of their kind.

use super::{Suite, suite};

pub(super) fn suites() -> Vec<Suite> {
    vec![frontend(), mysql(), security(), several_parsers(), table(), distributor()]
}

fn frontend() -> Suite {
    let kept = "caller=metrics.go:81 duration=15s throughput_mb=12.5 query=\"a b\"";
    let labels =
        "caller=metrics.go:81,container=query-frontend,duration=15s,namespace=loki-dev,query=a b,throughput_mb=12.5";
    suite(
        "a query in action",
        &format!(
            "
            {{container=\"query-frontend\",namespace=\"loki-dev\"}} 1 {kept}
            {{container=\"query-frontend\",namespace=\"loki-dev\"}} 2 caller=metrics.go:81 duration=5s throughput_mb=12.5
            {{container=\"query-frontend\",namespace=\"loki-dev\"}} 3 caller=metrics.go:81 duration=15s throughput_mb=600
            {{container=\"query-frontend\",namespace=\"loki-dev\"}} 4 caller=other.go:81 duration=15s throughput_mb=12.5
            {{container=\"querier\",namespace=\"loki-dev\"}} 5 caller=metrics.go:81 duration=15s throughput_mb=12.5
            "
        ),
        &[
            (
                r#"{container="query-frontend",namespace="loki-dev"} |= "metrics.go" | logfmt | duration > 10s and throughput_mb < 500"#,
                "",
                &format!("{{{labels}}} 1 {kept}"),
            ),
            (
                r#"{container="query-frontend"} |= "metrics.go" | logfmt | duration > 10s and throughput_mb < 500 | line_format "{{.query}} {{.duration}}""#,
                "",
                &format!("{{{labels}}} 1 a b 15s"),
            ),
            (
                r#"{container="query-frontend"} |= "metrics.go" != "out of order" | logfmt | duration > 30s or throughput_mb>500 | keep duration"#,
                "",
                "{duration=15s} 3 caller=metrics.go:81 duration=15s throughput_mb=600",
            ),
        ],
    )
}

fn mysql() -> Suite {
    suite(
        "line filters as documented",
        r#"
        {job="mysql"} 1 error: table is full
        {job="mysql"} 2 error: timeout
        {name="kafka",instance="kafka-2"} 3 x kafka.server:type=ReplicaManager y
        {name="kafka",instance="kafka-3"} 4 at tsdb-ops-7 in io:2003
        {name="cassandra"} 5 error=disk
        {name="cassandra"} 6 error=
        "#,
        &[
            (r#"{job="mysql"} |= "error""#, "", "{job=mysql} 2 error: timeout\n{job=mysql} 1 error: table is full"),
            (r#"{job="mysql"} |= "error" != "timeout""#, "", "{job=mysql} 1 error: table is full"),
            (
                r#"{instance=~"kafka-[23]",name="kafka"} != "kafka.server:type=ReplicaManager""#,
                "",
                "{instance=kafka-3,name=kafka} 4 at tsdb-ops-7 in io:2003",
            ),
            (
                r#"{name="kafka"} |~ "tsdb-ops.*io:2003""#,
                "",
                "{instance=kafka-3,name=kafka} 4 at tsdb-ops-7 in io:2003",
            ),
            (r"{name=~`.+`} |~  `error=\w+`", "", "{name=cassandra} 5 error=disk"),
        ],
    )
}

fn security() -> Suite {
    let failed = "Jul  5 10:11:12 host sshd[42]: Invalid user eve from 10.0.0.9 port 22";
    suite(
        "failed logins",
        &format!("{{job=\"security\"}} 1 {failed}\n{{job=\"security\"}} 2 session opened for root"),
        &[
            (
                r#"{job="security"} |~ "Invalid user.*" | regexp "(^(?P<user>\\S+ {1,2}){8})" | regexp "(^(?P<ip>\\S+ {1,2}){10})" | line_format "IP = {{.ip}}\tUSER = {{.user}}" | keep job"#,
                "",
                "{job=security} 1 IP = 10.0.0.9 \tUSER = eve",
            ),
            (r#"{job="security"} |= "session opened" != "sudo: ""#, "", "{job=security} 2 session opened for root"),
        ],
    )
}

fn several_parsers() -> Suite {
    let line = r#"level=debug ts=2020-10-02T10:10:42.092268913Z caller=logging.go:66 traceID=a9d4d8a928d8db1 msg="POST /api/prom/api/v1/query_range (200) 1.5s""#;
    suite(
        "several parsers",
        &format!("{{job=\"loki-ops/query-frontend\"}} 1 {line}"),
        &[
            (
                r#"{job="loki-ops/query-frontend"} | logfmt | line_format "{{.msg}}" | regexp "(?P<method>\\w+) (?P<path>[\\w|/]+) \\((?P<status>\\d+?)\\) (?P<duration>.*)" | keep method, path, status, duration"#,
                "",
                "{duration=1.5s,method=POST,path=/api/prom/api/v1/query_range,status=200} 1 POST /api/prom/api/v1/query_range (200) 1.5s",
            ),
            (
                r#"{job="loki-ops/query-frontend"} | pattern `<_> msg="<method> <path> (<status>) <latency>"` | keep method, path, status, latency"#,
                "",
                &format!("{{latency=1.5s,method=POST,path=/api/prom/api/v1/query_range,status=200}} 1 {line}"),
            ),
        ],
    )
}

fn table() -> Suite {
    let line = r#"level=info ts=2020-10-23T20:32:18.094668233Z caller=metrics.go:81 traceID=1980d41501b57b68 query="{cluster=\"ops\"}\n|= \"x\"" duration=650.22401ms status=200"#;
    suite(
        "lines formatted as a table",
        &format!("{{name=\"querier\"}} 1 {line}"),
        &[(
            r#"{name="querier"} |= "metrics.go" != "loki-canary" | logfmt | query != "" | label_format query="{{ Replace .query \"\\n\" \"\" -1 }}" | line_format "{{ .ts}}\t{{.duration}}\ttraceID = {{.traceID}}\t{{ printf \"%-20.20s\" .query }}|" | keep status"#,
            "",
            "{status=200} 1 2020-10-23T20:32:18.094668233Z\t650.22401ms\ttraceID = 1980d41501b57b68\t{cluster=\"ops\"}|= \"x|",
        )],
    )
}

fn distributor() -> Suite {
    let line = r#"ts=2024-04-05T08:40:13.585911094Z caller=http.go:194 level=debug traceID=23e54a271db607cc orgID=3648 msg="POST /push.v1.PusherService/Push (200) 12.684035ms""#;
    suite(
        "pattern filters as documented",
        &format!("{{service_name=\"distributor\"}} 1 {line}"),
        &[
            (
                r#"{service_name=`distributor`} |> `<_> caller=http.go:194 level=debug <_> msg="POST /push.v1.PusherService/Push <_>`"#,
                "",
                &format!("{{service_name=distributor}} 1 {line}"),
            ),
            (
                r#"{service_name=`distributor`} !> `<_> caller=http.go:194 level=debug <_> msg="POST /push.v1.PusherService/Push <_>`"#,
                "",
                "",
            ),
        ],
    )
}
