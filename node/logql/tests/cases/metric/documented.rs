//! The examples of Loki's documentation of metric queries, over records of our own.

use super::{Case, Group};

pub(crate) const GROUPS: &[Group] = &[("examples of the documentation", RECORDS, CASES)];

const RECORDS: &str = r#"
{job="mysql",host="h1",level="error"} 1 {"msg":"error","duration":"12s"}
{job="mysql",host="h1",level="error"} 2 {"msg":"error: timeout","duration":"20s"}
{job="mysql",host="h2",level="error"} 3 {"msg":"error","duration":"5s"}
{job="mysql",host="h2",level="error"} 4 {"msg":"error","duration":"1m"}
{job="mysql",host="h2",level="info"} 5 {"msg":"ok","duration":"1h"}
{container="ingress-nginx",service="hosted-grafana",cluster="c1"} 1 {"response_latency_seconds":0.25,"path":"/a","request_time":1}
{container="ingress-nginx",service="hosted-grafana",cluster="c1"} 2 {"response_latency_seconds":"-","path":"/a","request_time":3}
{container="ingress-nginx",service="hosted-grafana",cluster="c2"} 3 {"response_latency_seconds":0.5,"path":"/b","request_time":2}
{container="ingress-nginx",service="hosted-grafana",cluster="c2"} 4 no json
{cluster="ops-tools1",container="loki-dev"} 1 caller=metrics.go org_id=29 bytes_processed=100
{cluster="ops-tools1",container="loki-dev"} 2 caller=metrics.go org_id=30 bytes_processed=7
{cluster="ops-tools1",container="loki-dev"} 3 caller=metrics.go org_id=29 bytes_processed=11
{cluster="ops-tools1",container="loki-dev"} 4 caller=other.go org_id=29 bytes_processed=1000
{job="nginx",region="eu"} 1 GET {}
{job="nginx",region="eu"} 2 {"method":"GET","path":"/home"}
{job="nginx",region="eu"} 3 {"method":"GET","path":"/home"}
{job="nginx",region="us"} 4 {"method":"GET","path":"/other"}
{job="nginx",region="us"} 5 {"method":"GET","path":"/home"}
{app="foo",level="warn",zone="z"} 1 a
{app="foo",level="warn",zone="z"} 2 a
{app="foo",level="warn",zone="z"} 3 a
{app="foo",level="error",zone="z"} 4 a
{app="foo",level="error",zone="z"} 5 a
{app="bar",level="warn",zone="z"} 6 a
{job="http-server",app="foo"} 1 {"status":200}
{job="http-server",app="foo"} 2 {"status":200}
{job="http-server",app="foo"} 3 {"status":200}
{job="http-server",app="foo"} 4 {"status":400}
{job="http-server",app="bar"} 5 {"status":500}
{job="events",namespace="dev"} 1 user=foo discarded=true
{job="events",namespace="dev"} 2 user=foo discarded=false
{job="events",namespace="prod"} 3 user=foo discarded=true
{job="events",namespace="prod"} 4 user=foo discarded=true
{job="events",namespace="prod"} 5 user=bar discarded=true
{job="cost-calculator"} 1 user=foo organization=little-org cost=300
{job="cost-calculator"} 2 user=bar organization=big-org cost=600
{job="cost-calculator"} 3 user=bar organization=big-org cost=900
{job="api-server",service="a:c"} 1 err
{job="api-server",service="a:c"} 2 ok
"#;

const CASES: &[Case] = &[
    (
        r#"count_over_time({job="mysql"}[5m])"#,
        "at 10",
        "{host=h1,job=mysql,level=error} 2\n{host=h2,job=mysql,level=error} 2\n{host=h2,job=mysql,level=info} 1",
    ),
    (
        r#"sum by (host) (rate({job="mysql"} |= "error" != "timeout" | json | duration > 10s [1m]))"#,
        "at 10",
        "{host=h1} 0.016666666666666666\n{host=h2} 0.016666666666666666",
    ),
    (r#"count_over_time({job="mysql",host="h1"}[5m] offset 5m)"#, "at 310", "{host=h1,job=mysql,level=error} 2"),
    (r#"count_over_time({job="mysql",host="h1"}[5m] offset 5m)"#, "at 10", ""),
    (
        "quantile_over_time(\n\t0.99,\n\t{container=\"ingress-nginx\",service=\"hosted-grafana\"}\n\t| json\n\t| unwrap response_latency_seconds\n\t| __error__=\"\"[1m]\n\t) by (cluster)",
        "at 10",
        "{cluster=c1} 0.25\n{cluster=c2} 0.5",
    ),
    (
        r#"quantile_over_time(0.99, {cluster="c1",container="ingress-nginx"} | json | __error__ = "" | unwrap request_time [1m]) by (path)"#,
        "at 10",
        "{path=/a} 2.9799999999999995",
    ),
    (
        r#"sum by (org_id) (sum_over_time({cluster="ops-tools1",container="loki-dev"} |= "metrics.go" | logfmt | unwrap bytes_processed [1m]))"#,
        "at 10",
        "{org_id=29} 111\n{org_id=30} 7",
    ),
    (r#"topk(10,sum(rate({job="nginx"}[5s])) by (region))"#, "at 5", "{region=eu} 0.6\n{region=us} 0.4"),
    (r#"sum(count_over_time({job="mysql"}[5m])) by (level)"#, "at 10", "{level=error} 4\n{level=info} 1"),
    (
        r#"avg(rate(({job="nginx"} |= "GET" != "{}" | json | path="/home")[10s])) by (region)"#,
        "at 10",
        "{region=eu} 0.2\n{region=us} 0.1",
    ),
    ("1 + 1", "at 10", "2"),
    (r#"sum(rate({app="foo"}[5s])) * 2"#, "at 5", "{} 3.6"),
    (r#"sum(rate({app="foo", level="warn"}[1m])) / sum(rate({app="foo", level="error"}[1m]))"#, "at 10", "{} 1.5"),
    (r#"rate({app=~"foo|bar",zone="z"}[10s]) and rate({app="bar"}[10s])"#, "at 10", "{app=bar,level=warn,zone=z} 0.1"),
    ("2 * 3 % 2", "at 10", "0"),
    ("1 >= 1", "at 10", "1"),
    (r#"count_over_time({zone="z"}[1m]) > 2"#, "at 10", "{app=foo,level=warn,zone=z} 3"),
    (
        r#"count_over_time({zone="z"}[1m]) > bool 2"#,
        "at 10",
        "{app=bar,level=warn,zone=z} 0\n{app=foo,level=error,zone=z} 0\n{app=foo,level=warn,zone=z} 1",
    ),
    (
        r#"sum without(app) (count_over_time({app="foo",zone="z"}[1m])) > sum without(app) (count_over_time({app="bar",zone="z"}[1m]))"#,
        "at 10",
        "{level=warn,zone=z} 3",
    ),
    (
        r#"sum without(app) (count_over_time({app="foo",zone="z"}[1m])) > bool sum without(app) (count_over_time({app="bar",zone="z"}[1m]))"#,
        "at 10",
        "{level=warn,zone=z} 1",
    ),
    (
        "sum by (app, status) (\n  rate(\n    {job=\"http-server\"}\n      | json\n      [5m]\n  )\n)\n/ on (app) group_left\nsum by (app) (\n  rate(\n    {job=\"http-server\"}\n      | json\n      [5m]\n  )\n)",
        "at 10",
        "{app=bar,status=500} 1\n{app=foo,status=200} 0.75\n{app=foo,status=400} 0.25",
    ),
    (
        "sum by (user, namespace) (\n  rate(\n    {job=\"events\"}\n      | logfmt\n      | discarded=\"true\"\n      [5m]\n  )\n)\n* on (user) group_left(organization)\nmax_over_time(\n  {job=\"cost-calculator\"}\n    | logfmt\n    | unwrap cost\n    [5m]\n) by (user, organization)",
        "at 10",
        "{namespace=dev,organization=little-org,user=foo} 1\n{namespace=prod,organization=big-org,user=bar} 3\n{namespace=prod,organization=little-org,user=foo} 2",
    ),
    (
        "label_replace(rate({job=\"api-server\",service=\"a:c\"} |= \"err\" [1s]), \"foo\", \"$1\",\n  \"service\", \"(.*):.*\")",
        "at 1",
        "{foo=a,job=api-server,service=a:c} 1",
    ),
    (
        "sum(count_over_time({namespace=\"traefik\"}[5m])) # will return nothing\n  or\nvector(0) # will return 0",
        "at 10",
        "{} 0",
    ),
    ("sum(count_over_time({namespace=\"traefik\"}[5m])) # will return nothing", "at 10", ""),
    (r#"absent_over_time({job="mysql"}[5m])"#, "at 10", ""),
    (r#"absent_over_time({job="nothing"}[5m])"#, "at 10", "{job=nothing} 1"),
    (
        r#"max_over_time({container="ingress-nginx"} | json | unwrap request_time | __error__="" [1m]) by (cluster)"#,
        "at 10",
        "{cluster=c1} 3\n{cluster=c2} 2",
    ),
    (r#"count_over_time({foo="bar"}[1m]) > 10"#, "at 10", ""),
];
