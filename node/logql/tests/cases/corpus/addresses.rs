//! The documentation's page "Matching IP addresses": single addresses, ranges and networks, in lines and in labels.

use super::{Suite, suite};

/// A query, what is asked besides, and the answer.
type Case = (&'static str, &'static str, &'static str);

pub(super) fn suites() -> Vec<Suite> {
    vec![addresses()]
}

fn addresses() -> Suite {
    suite("addresses as documented", ADDRESSES_LINES, ADDRESSES_CASES)
}

const ADDRESSES_LINES: &str = r#"
        {x="1"} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc
        {x="1"} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7
        {x="1"} 3 no address
        {x="1"} 4 3.180.71.3 - - x
        {x="1"} 5 93.180.71.3 - - x
        {x="1"} 6 ::1 up
        "#;

const ADDRESSES_CASES: &[Case] = &[
    (r#"{x="1"} |= ip("2001:db8::9")"#, "", "{x=1} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7"),
    (
        r#"{x="1"} |= ip("10.10.15.0/24") or "no address""#,
        "",
        "{x=1} 3 no address\n{x=1} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7",
    ),
    (
        r#"{x="1"} |= "abc" or ip("10.10.15.0/24")"#,
        "",
        "{x=1} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7\n{x=1} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc",
    ),
    (r#"{x="1"} != ip("0.0.0.0/0")"#, "", "{x=1} 6 ::1 up\n{x=1} 3 no address"),
    (
        r#"{x="1"} | logfmt | src = ip("192.168.4.5/16") | src != ip("192.168.4.5") | keep src"#,
        "",
        "{src=192.168.4.21} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7",
    ),
    (
        r#"{x="1"} | logfmt | src = ip("192.168.4.0/24") or v6 = ip("2001:db8::9") | keep src"#,
        "",
        "{src=192.168.4.21} 2 src=192.168.4.21 v6=2001:db8::9 from 10.10.15.7\n{src=192.168.4.5} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc",
    ),
    (
        r#"{x="1"} | logfmt | v6 = ip("2001:db8::1-2001:db8::8") | keep v6"#,
        "",
        "{v6=2001:db8::8} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc",
    ),
    (r#"{x="1"} | logfmt | none = ip("1.2.3.4") | keep none"#, "", ""),
    (
        r#"{x="1"} | logfmt | none != ip("1.2.3.4") | keep none"#,
        "",
        "{none=abc} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc",
    ),
    (
        r#"{x="1"} | logfmt | bad != ip("999.1.1.1")"#,
        "",
        r#"error: parse error at line 1, col 30: ip("999.1.1.1") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} | logfmt | src > ip("1.2.3.4")"#,
        "",
        "error: parse error at line 1, col 26: syntax error: unexpected ip, expecting BYTES or NUMBER or DURATION",
    ),
    (
        r#"{x="1"} | logfmt | src == ip("192.168.4.5") | keep src"#,
        "",
        "error: parse error at line 1, col 27: syntax error: unexpected ip, expecting BYTES or NUMBER or DURATION",
    ),
    (
        r#"{x="1"} |= ip("1.2.3.4-1.2.3.1")"#,
        "",
        r#"error: parse error at line 1, col 15: ip("1.2.3.4-1.2.3.1") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} |= ip("1.2.3.4/33")"#,
        "",
        r#"error: parse error at line 1, col 15: ip("1.2.3.4/33") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} |= ip("abc")"#,
        "",
        r#"error: parse error at line 1, col 15: ip("abc") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} |= ip("")"#,
        "",
        r#"error: parse error at line 1, col 15: ip("") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} |= ip("1.2.3.4-::1")"#,
        "",
        r#"error: parse error at line 1, col 15: ip("1.2.3.4-::1") is neither an IP address nor a range (first-last) nor a network (address/bits)"#,
    ),
    (
        r#"{x="1"} |= ip(`192.168.4.5`)"#,
        "",
        "{x=1} 1 src=192.168.4.5 dst=[2001:db8::1]:443 v6=2001:db8::8 bad=999.1.1.1 none=abc",
    ),
    (r#"{x="1"} |= ip('192.168.4.5')"#, "", r"error: parse error at line 1, col 15: syntax error: unexpected '\''"),
    (r#"{x="1"} | src = ip("192.168.4.5")"#, "", ""),
];
