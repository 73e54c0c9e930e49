//! The tenant of a request.

use std::collections::BTreeSet;

use axum::http::HeaderMap;

use super::refusal::Refused;

/// Returns the tenant that `X-Scope-OrgID` names, `default` where it is absent. For requests that are about one tenant only.
pub(super) fn tenant(headers: &HeaderMap) -> Result<String, Refused> {
    let mut tenants = tenants(headers)?;
    match tenants.pop() {
        Some(tenant) if tenants.is_empty() => Ok(tenant),
        _ => Err(Refused::bad_request("X-Scope-OrgID: only reads may name several tenants, and tail is none of them")),
    }
}

/// Returns the tenants that `X-Scope-OrgID` names, with `|` between them, each once; `default` where it is absent.
///
/// A name has 1 to 150 characters of letters, digits and `!-_.*'()`, and is neither `.` nor `..`: what Loki allows
/// (Loki documentation, "Manage tenant isolation").
pub(super) fn tenants(headers: &HeaderMap) -> Result<Vec<String>, Refused> {
    let Some(value) = headers.get("x-scope-orgid") else { return Ok(vec!["default".to_owned()]) };
    let names: BTreeSet<&str> = value.to_str().unwrap_or("").split('|').collect();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    let good = |name: &str| (1..=150).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != "..";
    if !names.iter().all(|name| good(name)) {
        let sentence = "X-Scope-OrgID: a tenant has 1 to 150 letters, digits or !-_.*'() and is neither . nor ..";
        return Err(Refused::bad_request(sentence));
    }
    if names.len() > TENANTS_MAX {
        return Err(Refused::bad_request(format!("X-Scope-OrgID: more than {TENANTS_MAX} tenants in one request")));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// The most tenants of one read, for each is scanned by itself. A guess.
const TENANTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-scope-orgid", axum::http::HeaderValue::from_bytes(name.as_bytes()).unwrap());
        headers
    }

    fn check(name: &str) -> Option<String> {
        tenant(&headers(name)).ok()
    }

    #[test]
    fn a_tenant_is_named_as_loki_allows() {
        assert_eq!(tenant(&HeaderMap::new()).ok().as_deref(), Some("default"));
        assert_eq!(check("team-a_1.x"), Some("team-a_1.x".to_owned()));
        for bad in ["", "a|b", "a b", "é", ".", "..", "a/b", &"x".repeat(151)] {
            assert_eq!(check(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_read_may_name_several_tenants_each_once() {
        assert_eq!(tenants(&headers("b|a|b")).unwrap(), ["a", "b"]);
        assert_eq!(check("a|a"), Some("a".to_owned()));
        let many: Vec<String> = (0..=TENANTS_MAX).map(|number| number.to_string()).collect();
        for bad in ["a|", "|", "a|b c", "a||b", "a|..", &many.join("|")] {
            assert!(tenants(&headers(bad)).is_err(), "{bad:?}");
        }
    }
}
