//! Replacements with references to groups, as Go's `Regexp.Expand` documents them.

use regex::Captures;

/// Appends `replacement`: `$name` and `${name}` stand for a group by its name or number, `$$` for a dollar. A name is made of
/// letters, digits and underscores, as many as there are; a group that is not there or did not match is empty. A dollar
/// before anything else stands for itself.
pub(crate) fn expand(captures: &Captures<'_>, replacement: &str, out: &mut String) {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some((name, behind)) = reference(rest) {
            out.push_str(group(captures, name));
            rest = behind;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
}

/// Returns the name behind a dollar, and what follows it.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let braced = rest.strip_prefix('{');
    let text = braced.unwrap_or(rest);
    let len = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, behind) = text.split_at(len);
    let behind = if braced.is_some() { behind.strip_prefix('}')? } else { behind };
    (!name.is_empty()).then_some((name, behind))
}

fn group<'t>(captures: &Captures<'t>, name: &str) -> &'t str {
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit());
    let found = if numeric { name.parse().ok().and_then(|at| captures.get(at)) } else { captures.name(name) };
    found.map_or("", |found| found.as_str())
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn replacements_expand_as_in_go() {
        let regex = Regex::new(r"(?P<first>\w)(\w)(x)?").unwrap();
        let captures = regex.captures("ab").unwrap();
        let cases = [
            ("$1-$2", "a-b"),
            ("${2}${first}", "ba"),
            ("$first!", "a!"),
            ("$1x|$9|$3|$nosuch", "|||"),
            ("$$1 $0", "$1 ab"),
            ("$", "$"),
            ("a$ $- ${} ${1 ${1-}", "a$ $- ${} ${1 ${1-}"),
            ("$é${é}.", "."),
            ("$99999999999999999999", ""),
        ];
        for (replacement, wanted) in cases {
            let mut out = String::new();
            expand(&captures, replacement, &mut out);
            assert_eq!(out, wanted, "{replacement}");
        }
    }
}
