//! The tenant of a request.

use axum::http::HeaderMap;

use super::refusal::Refused;

/// Returns the tenant that `X-Scope-OrgID` names, `default` where it is absent.
///
/// A name has 1 to 150 characters of letters, digits and `!-_.*'()`, and is neither `.` nor `..`: what Loki allows
/// (Loki documentation, "Manage tenant isolation").
pub(super) fn tenant(headers: &HeaderMap) -> Result<String, Refused> {
    let Some(value) = headers.get("x-scope-orgid") else { return Ok("default".to_owned()) };
    let name = value.to_str().unwrap_or("");
    if name.contains('|') {
        return Err(Refused::bad_request("X-Scope-OrgID: several tenants in one request are not supported"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    if name.is_empty() || name.len() > 150 || !name.bytes().all(allowed) || name == "." || name == ".." {
        let sentence = "X-Scope-OrgID: a tenant has 1 to 150 letters, digits or !-_.*'() and is neither . nor ..";
        return Err(Refused::bad_request(sentence));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-scope-orgid", axum::http::HeaderValue::from_bytes(name.as_bytes()).unwrap());
        tenant(&headers).ok()
    }

    #[test]
    fn a_tenant_is_named_as_loki_allows() {
        assert_eq!(tenant(&HeaderMap::new()).ok().as_deref(), Some("default"));
        assert_eq!(check("team-a_1.x"), Some("team-a_1.x".to_owned()));
        for bad in ["", "a|b", "a b", "é", ".", "..", "a/b", &"x".repeat(151)] {
            assert_eq!(check(bad), None, "{bad:?}");
        }
    }
}
