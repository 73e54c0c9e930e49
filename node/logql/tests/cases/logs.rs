//! Selectors, line filters, limits, directions, duplicates.

use crate::check::check;

const WEB: &str = r#"
{app="web",env="prod"} 1 GET /index 200
{app="web",env="prod"} 2 GET /login 500 error
{app="web",env="dev"} 3 POST /login 302
{app="db"} 4 slow query: 12s
{app="db"} 5 error: timeout
{app="web",env="prod"} 6 a.c literal
{app="web",env="prod"} 7 abc literal
"#;

#[test]
fn selectors() {
    check(WEB, &[(r#"{app="db"}"#, "", "{app=db} 5 error: timeout\n{app=db} 4 slow query: 12s")]);
}
