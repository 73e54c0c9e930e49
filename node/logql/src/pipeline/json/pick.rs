//! Takes single values out of a JSON line by their paths, and a packed line apart. What it looks through is checked here
//! too.

use super::text::unescape;
use super::{JsonFlaw, JsonScanner, Raw, Scan};
use crate::paths::PathStep;
use crate::pipeline::labels::{FieldSink, TooManyFields};

/// Takes nothing, for scans that look for places only.
struct Nobody;

impl FieldSink for Nobody {
    fn wants(&mut self, _: &str) -> Result<bool, TooManyFields> {
        Ok(false)
    }

    fn take(&mut self, _: &str, _: &str) {}

    fn rules_out(&mut self, _: usize) -> Result<bool, TooManyFields> {
        Ok(true)
    }
}

/// Where a value lies in a line; of a path that leads nowhere there is none.
pub(crate) type Place = Option<(usize, usize)>;

impl JsonScanner {
    /// Finds where the values lie to which the paths lead, at most 64 of them; of fields with one name the first.
    pub(crate) fn pick(
        &mut self,
        line: &[u8],
        paths: &[Vec<PathStep>],
        places: &mut Vec<Place>,
    ) -> Result<(), JsonFlaw> {
        places.clear();
        places.resize(paths.len(), None);
        let mut scan = Scan { line, at: 0, depth: 0, scratch: self, sink: &mut Nobody };
        scan.skip_blank();
        if !matches!(scan.peek(), Some(b'{' | b'[')) {
            return Err(JsonFlaw::Object);
        }
        let all = if paths.len() >= 64 { u64::MAX } else { (1 << paths.len()) - 1 };
        Picks { scan: &mut scan, paths, places }.value(all, 0)
    }

    /// Gives every field of the object `line` whose value is a string to `each`; of what is nested none. `line` is known
    /// to be well-formed.
    pub(crate) fn texts(&mut self, line: &[u8], mut each: impl FnMut(&str, &str)) -> Result<(), JsonFlaw> {
        let mut scan = Scan { line, at: 0, depth: 0, scratch: self, sink: &mut Nobody };
        let (mut name, mut text) = (String::new(), String::new());
        scan.skip_blank();
        scan.expect(b'{', JsonFlaw::Object)?;
        loop {
            scan.skip_blank();
            if scan.peek() == Some(b'}') {
                return Ok(());
            }
            let key = scan.string()?;
            scan.skip_blank();
            scan.expect(b':', JsonFlaw::Malformed)?;
            scan.skip_blank();
            if scan.peek() == Some(b'"') {
                let value = scan.string()?;
                name.clear();
                text.clear();
                push_raw(line, key, &mut name);
                push_raw(line, value, &mut text);
                each(&name, &text);
            } else {
                scan.value(false)?;
            }
            scan.skip_blank();
            scan.at += usize::from(scan.peek() == Some(b','));
        }
    }
}

/// Appends the value that lies at `place` as the value of a label: of strings the content, of null nothing, of all else
/// the JSON as it stands.
pub(crate) fn push_value(line: &[u8], (start, end): (usize, usize), out: &mut String) {
    match line.get(start..end).unwrap_or_default() {
        b"null" => {}
        [b'"', content @ .., b'"'] => push_content(content, out),
        other => out.push_str(&String::from_utf8_lossy(other)),
    }
}

fn push_raw(line: &[u8], raw: Raw, out: &mut String) {
    push_content(&line[raw.start..raw.end], out);
}

fn push_content(content: &[u8], out: &mut String) {
    if memchr::memchr(b'\\', content).is_some() {
        unescape(content, out);
    } else {
        out.push_str(&String::from_utf8_lossy(content));
    }
}

/// Walks a document along several paths at once. A set of paths is a mask, one bit a path.
struct Picks<'p, 'l, 's> {
    scan: &'p mut Scan<'l, 's, Nobody>,
    paths: &'p [Vec<PathStep>],
    places: &'p mut Vec<Place>,
}

impl Picks<'_, '_, '_> {
    /// Reads a value, to which the first `depth` steps of the paths in `active` lead.
    fn value(&mut self, active: u64, depth: usize) -> Result<(), JsonFlaw> {
        let start = self.scan.at;
        let deeper = self.select(active, |path| path.len() > depth);
        match self.scan.peek() {
            Some(b'{') if deeper != 0 => self.object(deeper, depth)?,
            Some(b'[') if deeper != 0 => self.array(deeper, depth)?,
            _ => self.scan.value(false)?,
        }
        for at in bits(active & !deeper) {
            self.places[at].get_or_insert((start, self.scan.at));
        }
        Ok(())
    }

    fn object(&mut self, active: u64, depth: usize) -> Result<(), JsonFlaw> {
        self.scan.enter()?;
        let mut name = String::new();
        let mut seen = 0;
        self.items(b'}', |picks| {
            let key = picks.scan.string()?;
            name.clear();
            push_raw(picks.scan.line, key, &mut name);
            picks.scan.skip_blank();
            picks.scan.expect(b':', JsonFlaw::Malformed)?;
            picks.scan.skip_blank();
            // A field that comes twice is found where it is first.
            let here =
                picks.select(active & !seen, |path| matches!(&path[depth], PathStep::Key(wanted) if *wanted == name));
            seen |= here;
            picks.value(here, depth + 1)
        })
    }

    fn array(&mut self, active: u64, depth: usize) -> Result<(), JsonFlaw> {
        self.scan.enter()?;
        let mut index = 0;
        self.items(b']', |picks| {
            let here = picks.select(active, |path| path[depth] == PathStep::Index(index));
            index += 1;
            picks.value(here, depth + 1)
        })
    }

    /// Reads items with commas between them, up to `close`.
    fn items(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), JsonFlaw>) -> Result<(), JsonFlaw> {
        self.scan.skip_blank();
        if self.scan.peek() == Some(close) {
            self.scan.leave();
            return Ok(());
        }
        loop {
            self.scan.skip_blank();
            item(self)?;
            self.scan.skip_blank();
            match self.scan.peek() {
                Some(b',') => self.scan.at += 1,
                Some(byte) if byte == close => {
                    self.scan.leave();
                    return Ok(());
                }
                _ if close == b'}' => return Err(JsonFlaw::Object),
                _ => return Err(JsonFlaw::Array),
            }
        }
    }

    fn select(&self, mask: u64, wanted: impl Fn(&[PathStep]) -> bool) -> u64 {
        bits(mask).filter(|at| wanted(&self.paths[*at])).fold(0, |mask, at| mask | (1 << at))
    }
}

/// Returns the places of the bits that are set.
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(at)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};
    use serde_json::Value;

    use super::*;
    use crate::paths::parse_path;

    fn pick(line: &str, paths: &[&str]) -> Result<Vec<Option<String>>, JsonFlaw> {
        let paths: Vec<Vec<PathStep>> = paths.iter().map(|path| parse_path(path).expect(path)).collect();
        let mut places = Vec::new();
        JsonScanner::default().pick(line.as_bytes(), &paths, &mut places)?;
        let text = |place: (usize, usize)| {
            let mut out = String::new();
            push_value(line.as_bytes(), place, &mut out);
            out
        };
        Ok(places.into_iter().map(|place| place.map(text)).collect())
    }

    #[test]
    fn paths_lead_to_values() {
        let line = r#"{"a":{"b":[1,{"c":"x\"y"}],"b":2},"n":null,"t":true,"d.e":"f","é":"g","a":5}"#;
        let cases = [
            ("a.b", Some("[1,{\"c\":\"x\\\"y\"}]")),
            ("a.b[0]", Some("1")),
            ("a.b[1].c", Some("x\"y")),
            ("a[\"b\"][1][\"c\"]", Some("x\"y")),
            ("a.b[2]", None),
            ("a.b.c", None),
            ("n", Some("")),
            ("t", Some("true")),
            ("t.x", None),
            ("d.e", None),
            ("[\"d.e\"]", Some("f")),
            ("é", Some("g")),
            ("a", Some(r#"{"b":[1,{"c":"x\"y"}],"b":2}"#)),
        ];
        let paths: Vec<&str> = cases.iter().map(|(path, _)| *path).collect();
        let found = pick(line, &paths).unwrap();
        for ((path, wanted), found) in cases.iter().zip(&found) {
            assert_eq!(found.as_deref(), *wanted, "{path}");
        }
        assert_eq!(pick("[[1],2]", &["[0][0]", "[1]"]), Ok(vec![Some("1".to_owned()), Some("2".to_owned())]));
        assert_eq!(pick("{\"a\":1} x", &["a"]), Ok(vec![Some("1".to_owned())]));
        assert_eq!(pick("7", &["a"]), Err(JsonFlaw::Object));
    }

    proptest! {
        #[test]
        fn what_is_no_json_for_a_whole_parser_is_none_here(noise in "[{}\\[\\]:,\"a1 .e\\-\\\\nult]{0,16}", wrapped: bool) {
            let line = if wrapped { format!("{{\"a\":{noise}}}") } else { noise };
            let first = serde_json::Deserializer::from_str(&line).into_iter::<Value>().next();
            let sound = matches!(first, Some(Ok(Value::Object(_) | Value::Array(_))));
            let too_large = matches!(first, Some(Err(error)) if error.to_string().contains("out of range"));
            prop_assert_eq!(too_large || pick(&line, &["a.a", "a[0].a", "[1]"]).is_ok() == sound, true, "{}", line);
        }

        #[test]
        fn noise_does_no_harm(bytes: Vec<u8>) {
            let _ = JsonScanner::default().texts(&bytes, |_, _| {});
            let _ = JsonScanner::default().pick(&bytes, &[vec![PathStep::Index(0)]], &mut Vec::new());
        }
    }
}
