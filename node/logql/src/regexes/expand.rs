//! Replacements with references to groups, as Go's `Regexp.Expand` documents them.

use super::Groups;

/// Appends `replacement`: `$name` and `${name}` stand for a group by its name or number, `$$` for a dollar. A name is made of
/// letters, digits and underscores, as many as there are; a group that is not there or did not match is empty. A dollar
/// before anything else stands for itself.
pub(crate) fn expand(groups: &Groups<'_, '_>, replacement: &str, out: &mut String) {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some((name, behind)) = reference(rest) {
            out.push_str(group(groups, name));
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

fn group<'t>(groups: &Groups<'_, 't>, name: &str) -> &'t str {
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit());
    let found = if numeric { name.parse().ok().and_then(|at| groups.get(at)) } else { groups.name(name) };
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::searching;
    use super::*;

    #[test]
    fn replacements_expand_as_in_go() {
        let regex = searching(r"(?P<first>\w)(\w)(x)?").unwrap();
        let groups = regex.groups("ab").unwrap();
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
            expand(&groups, replacement, &mut out);
            assert_eq!(out, wanted, "{replacement}");
        }
    }
}
