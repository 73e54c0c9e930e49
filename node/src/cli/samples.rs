//! How numbers are shown at the terminal and to programs: the answers to metric queries.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Deserialize;

use super::entries::{Output, local_time};
use super::output::{Colour, Paint, printable, table};

/// A series over a range.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

/// A series at one instant.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    metric: BTreeMap<String, String>,
    value: Point,
}

/// Seconds, and a number as text.
#[derive(Debug, Deserialize)]
pub(super) struct Point(f64, String);

/// One number with its labels.
pub(super) struct Row<'a> {
    labels: &'a BTreeMap<String, String>,
    point: &'a Point,
}

/// Returns the numbers of series, series by series.
pub(super) fn of_matrix(series: &[Series]) -> Vec<Row<'_>> {
    series.iter().flat_map(|one| one.values.iter().map(|point| Row { labels: &one.metric, point })).collect()
}

/// Returns the numbers of a vector.
pub(super) fn of_vector(samples: &[Sample]) -> Vec<Row<'_>> {
    samples.iter().map(|sample| Row { labels: &sample.metric, point: &sample.value }).collect()
}

/// Returns the number of a scalar.
pub(super) fn of_scalar<'a>(point: &'a Point, none: &'a BTreeMap<String, String>) -> Vec<Row<'a>> {
    vec![Row { labels: none, point }]
}

/// Prints numbers: as a table with a column for each label, bare, or as JSON objects.
pub(super) fn print(out: &mut impl Write, rows: &[Row<'_>], (output, paint): (Output, Paint)) -> io::Result<()> {
    match output {
        Output::Raw => rows.iter().try_for_each(|row| writeln!(out, "{}", row.point.1)),
        Output::Jsonl => rows.iter().try_for_each(|row| {
            let object = serde_json::json!({ "timestamp": row.point.0, "labels": row.labels, "value": row.point.1 });
            writeln!(out, "{object}")
        }),
        Output::Default if rows.is_empty() => Ok(()),
        Output::Default => out.write_all(as_table(rows, paint).as_bytes()),
    }
}

fn as_table(rows: &[Row<'_>], paint: Paint) -> String {
    let names: BTreeSet<&str> = rows.iter().flat_map(|row| row.labels.keys().map(String::as_str)).collect();
    let head = ["time"].into_iter().chain(names.iter().copied()).chain(["value"]);
    let mut cells = vec![head.map(|name| paint.paint(Colour::Dim, &printable(name))).collect::<Vec<_>>()];
    for row in rows {
        let time = local_time((row.point.0 * 1e9) as i64);
        let labels = names.iter().map(|name| row.labels.get(*name).map(|value| printable(value)).unwrap_or_default());
        let labels = labels.map(|label| paint.paint(Colour::Blue, &label));
        let value = row.point.1.clone();
        cells.push([paint.paint(Colour::Dim, &time)].into_iter().chain(labels).chain([value]).collect());
    }
    table(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: Output, expected: &[&str]) {
        let series: Vec<Series> = serde_json::from_str(
            r#"[{"metric":{"app":"web","code":"500"},"values":[[1.5,"2"],[2.5,"31"]]},{"metric":{"app":"b\u001b"},"values":[[1.5,"NaN"]]}]"#,
        )
        .unwrap();
        let mut out = Vec::new();
        print(&mut out, &of_matrix(&series), (output, Paint::plain())).unwrap();
        let text = String::from_utf8(out).unwrap();
        // Times are local: they are cut off.
        let lines: Vec<&str> =
            text.lines().map(|line| line.split_once("  ").map_or(line, |(_, rest)| rest.trim_start())).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn numbers_are_shown_as_a_table_with_a_column_for_each_label() {
        check(Output::Default, &["app  code  value", "web  500   2", "web  500   31", "b\u{fffd}         NaN"]);
    }

    #[test]
    fn programs_get_numbers_bare_or_as_objects() {
        check(Output::Raw, &["2", "31", "NaN"]);
        check(
            Output::Jsonl,
            &[
                r#"{"labels":{"app":"web","code":"500"},"timestamp":1.5,"value":"2"}"#,
                r#"{"labels":{"app":"web","code":"500"},"timestamp":2.5,"value":"31"}"#,
                r#"{"labels":{"app":"b\u001b"},"timestamp":1.5,"value":"NaN"}"#,
            ],
        );
    }
}
