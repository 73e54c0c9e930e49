//! Finds what a person who mistyped a name most likely meant.

/// Returns the known name that is nearest to `typed`, if any is near enough to be worth saying. Names are dotted; a last
/// part that is right but stands in the wrong section is near.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = typed.chars().count().max(3) / 3 + 1;
    known
        .map(|name| (distance_of_names(typed, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, n)| n)
}

fn distance_of_names(typed: &str, name: &str) -> usize {
    let last = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    // One more than the distance of the last parts: the section was wrong, which is a mistake too.
    distance(typed, name).min(distance(&last(typed), &last(name)) + 1)
}

/// Levenshtein's distance: how many letters to insert, drop or change.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["node.data", "mesh.copies", "mesh.retention", "limits.line_bytes_max"];
        for (typed, expected) in [
            ("mesh.copis", Some("mesh.copies")),
            ("copies", Some("mesh.copies")),
            ("node.retention", Some("mesh.retention")),
            ("limits.line_byte_max", Some("limits.line_bytes_max")),
            ("completely.different", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), expected, "{typed}");
        }
    }

    #[test]
    fn distances() {
        for (from, to, expected) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
            assert_eq!(distance(to, from), expected, "{to} {from}");
        }
    }
}
