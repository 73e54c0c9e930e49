//! Where in a JSON line the fields lie that `| json` finds: clients that ask for a single field have to name its path, and the
//! flattened name does not tell it (`a_b` may be `a.b` or a key of its own).

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::pipeline::push_sanitized;

/// Calls `found` for each field that `| json` takes out of `line`, with its name as a label and the keys that lead to it, from
/// the outermost in. Of a line that is no object nothing is told.
pub fn json_field_paths(line: &str, found: &mut dyn FnMut(&str, &[&str])) {
    if let Ok(Node::Object(fields)) = serde_json::from_str::<Node>(line) {
        walk(&fields, &mut String::new(), &mut Vec::new(), found);
    }
}

/// A JSON value as far as its fields go. Reading one is bounded in depth by serde_json.
enum Node {
    Scalar,
    Array,
    Object(Vec<(String, Node)>),
}

fn walk<'n>(
    fields: &'n [(String, Node)],
    name: &mut String,
    path: &mut Vec<&'n str>,
    found: &mut dyn FnMut(&str, &[&str]),
) {
    let prefix = name.len();
    for (key, value) in fields {
        if prefix > 0 {
            name.push('_');
        }
        push_sanitized(name, key.as_bytes());
        path.push(key);
        match value {
            Node::Scalar => found(name, path),
            Node::Array => {}
            Node::Object(fields) => walk(fields, name, path, found),
        }
        path.pop();
        name.truncate(prefix);
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Array)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: &[(&str, &[&str])]) {
        let mut paths = Vec::new();
        json_field_paths(line, &mut |name, path| {
            paths.push((name.to_owned(), path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()));
        });
        let want: Vec<_> = want
            .iter()
            .map(|(name, path)| ((*name).to_owned(), path.iter().map(|key| (*key).to_owned()).collect()))
            .collect();
        assert_eq!(paths, want, "{line}");
    }

    #[test]
    fn each_field_has_the_keys_that_lead_to_it_in_their_order() {
        check(
            r#"{"z":1,"nested":{"method":"GET","deep-er":{"url":null}},"list":[{"a":1}],"9":true,"a.b":-1.5,"":"x","\u0061":0}"#,
            &[
                ("z", &["z"]),
                ("nested_method", &["nested", "method"]),
                ("nested_deep_er_url", &["nested", "deep-er", "url"]),
                ("_9", &["9"]),
                ("a_b", &["a.b"]),
                ("", &[""]),
                ("a", &["a"]),
            ],
        );
        for line in ["", "words", "7", "[1]", "{\"a\":", &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200))] {
            check(line, &[]);
        }
    }
}
