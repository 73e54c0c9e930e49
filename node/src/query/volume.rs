//! How much there is of streams: their records, and the bytes of the lines of these, without looking at a line. Counted
//! beside the data and added up by the coordinator.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::time::{TimeRange, Timestamp};
use serde::{Deserialize, Serialize};

/// Which volume is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeAsk {
    /// The record time.
    pub(crate) range: TimeRange,
    /// The streams, by a selector in LogQL; all if there is none.
    pub(crate) selector: Option<String>,
    /// The time from one sum to the next; one sum over the whole range if there is none.
    pub(crate) step: Option<Duration>,
    /// What is summed up together.
    pub(crate) grouping: Grouping,
}

/// What is summed up together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grouping {
    /// Each stream for itself.
    Streams,
    /// Streams with equal values of these labels.
    Values(Vec<String>),
    /// For each of these labels, or of all if none is named, the streams that have it. Its value is empty in the answer.
    Names(Option<Vec<String>>),
}

/// The volume of a group, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeSeries {
    /// The labels of the group. An empty value stands for any.
    pub(crate) group: Vec<(String, String)>,
    /// The sums that are not zero, with the steps that they belong to, in order.
    pub(crate) cells: Vec<(u32, VolumeCell)>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeCell {
    /// Bytes of lines.
    pub(crate) bytes: u64,
    /// Records.
    pub(crate) entries: u64,
    /// Runs of a stream within one block, which is the closest there is to Loki's chunks.
    pub(crate) chunks: u64,
}

impl VolumeSeries {
    /// Returns about how many bytes it takes on the way between two nodes.
    pub(super) fn size_bytes(&self) -> usize {
        group_bytes(&self.group) + self.cells.len() * CELL_BYTES
    }
}

fn group_bytes(group: &[(String, String)]) -> usize {
    group.iter().map(|(name, value)| name.len() + value.len() + LENGTHS_BYTES).sum()
}

impl VolumeCell {
    /// Returns both together.
    pub(crate) fn plus(self, other: VolumeCell) -> VolumeCell {
        VolumeCell {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
            chunks: self.chunks.saturating_add(other.chunks),
        }
    }
}

/// Adds volumes up: rows beside the data, and series of several nodes at the coordinator.
pub(crate) struct VolumeMerge {
    ask: VolumeAsk,
    groups: HashMap<Vec<(String, String)>, HashMap<u32, VolumeCell>>,
    groups_bytes: usize,
    cells: usize,
}

impl VolumeMerge {
    /// Returns sums of nothing yet.
    pub(crate) fn new(ask: &VolumeAsk) -> Self {
        Self { ask: ask.clone(), groups: HashMap::new(), groups_bytes: 0, cells: 0 }
    }

    /// Adds rows that lie within the range. Their lines may be left out.
    pub(crate) fn add_rows(&mut self, rows: &Rows) -> Result<(), String> {
        for stream in &rows.streams {
            let cells = self.cells_of(rows, stream);
            for group in groups_of(&stream.labels, &self.ask.grouping) {
                self.add_cells(group, &cells)?;
            }
        }
        Ok(())
    }

    /// Adds the series of a node.
    pub(crate) fn add_series(&mut self, series: Vec<VolumeSeries>) -> Result<(), String> {
        series.into_iter().try_for_each(|one| self.add_cells(one.group, &one.cells))
    }

    /// Returns the sums, ordered by their groups.
    pub(crate) fn finish(self) -> Vec<VolumeSeries> {
        let series = self.groups.into_iter().map(|(group, cells)| {
            let mut cells: Vec<_> = cells.into_iter().collect();
            cells.sort_unstable_by_key(|(step, _)| *step);
            VolumeSeries { group, cells }
        });
        let mut series: Vec<_> = series.collect();
        series.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        series
    }

    fn add_cells(&mut self, group: Vec<(String, String)>, cells: &[(u32, VolumeCell)]) -> Result<(), String> {
        let groups = self.groups.len();
        let sums = match self.groups.entry(group) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if groups >= GROUPS_MAX => {
                return Err(format!("more than {GROUPS_MAX} series match; narrow the selector or name targetLabels"));
            }
            Entry::Vacant(entry) => {
                self.groups_bytes += group_bytes(entry.key());
                entry.insert(HashMap::new())
            }
        };
        if self.groups_bytes > GROUPS_BYTES_MAX {
            let narrow = "narrow the selector or name targetLabels";
            return Err(format!(
                "the labels of the series that match have more than {GROUPS_BYTES_MAX} bytes; {narrow}"
            ));
        }
        for (step, cell) in cells {
            let before = sums.len();
            let sum = sums.entry(*step).or_default();
            *sum = sum.plus(*cell);
            self.cells += sums.len() - before;
        }
        if self.cells > CELLS_MAX {
            return Err(format!("the volume would have more than {CELLS_MAX} points; ask for a longer step"));
        }
        Ok(())
    }

    /// Cuts the rows of a stream, which are in order of time, at the steps.
    fn cells_of(&self, rows: &Rows, stream: &StreamRows) -> Vec<(u32, VolumeCell)> {
        let timestamps = &rows.timestamps[stream.rows.clone()];
        let mut cells = Vec::new();
        let mut from = 0;
        while let Some(first) = timestamps.get(from) {
            let (step, end) = self.step_of(*first);
            let to = from + timestamps[from..].partition_point(|time| end.is_none_or(|end| *time < end)).max(1);
            let (first, last) = (stream.rows.start + from, stream.rows.start + to - 1);
            let bytes = (rows.line_range(last).end - rows.line_range(first).start) as u64;
            cells.push((step, VolumeCell { bytes, entries: (to - from) as u64, chunks: 1 }));
            from = to;
        }
        cells
    }

    /// Returns the step that an instant belongs to, and where that ends if it ever does.
    fn step_of(&self, time: Timestamp) -> (u32, Option<Timestamp>) {
        let Some(step) = self.ask.step else { return (0, None) };
        let step = i128::try_from(step.as_nanos().max(1)).unwrap_or(i128::MAX);
        let start = i128::from(self.ask.range.start.as_nanos());
        let at = (i128::from(time.as_nanos()) - start).max(0) / step;
        let end = i64::try_from(start.saturating_add((at + 1).saturating_mul(step)));
        (u32::try_from(at).unwrap_or(u32::MAX), end.ok().map(Timestamp::from_nanos))
    }
}

fn groups_of(labels: &Labels, grouping: &Grouping) -> Vec<Vec<(String, String)>> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    match grouping {
        Grouping::Streams => vec![labels.iter().map(owned).collect()],
        Grouping::Values(names) => {
            vec![labels.iter().filter(|(name, _)| names.iter().any(|wanted| wanted == name)).map(owned).collect()]
        }
        Grouping::Names(names) => {
            let wanted = |name: &str| names.as_ref().is_none_or(|names| names.iter().any(|other| other == name));
            let found = labels.iter().filter(|(name, _)| wanted(name));
            found.map(|(name, _)| vec![(name.to_owned(), String::new())]).collect()
        }
    }
}

/// The most groups of one answer, as many as streams are listed at the most.
const GROUPS_MAX: usize = 100_000;
/// The most bytes of the labels of all groups; the query fails beyond it. A guess: 670 bytes for each of the most groups.
const GROUPS_BYTES_MAX: usize = 64 << 20;
/// The most sums of one answer.
const CELLS_MAX: usize = 2 << 20;
/// What a sum takes on the way: four numbers, each of up to ten bytes and mostly of less than half.
const CELL_BYTES: usize = 20;
/// What the lengths of a name and a value take on the way, at the most.
const LENGTHS_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn labels(text: &str) -> Labels {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        Labels::new(text.split(',').map(pair))
    }

    /// Rows of streams, each of its times and lengths of lines.
    fn rows(streams: &[(&str, &[(i64, u32)])]) -> Rows {
        let mut rows = Rows::default();
        let mut end = 0;
        for (text, records) in streams {
            let start = rows.timestamps.len();
            for (time, length) in *records {
                rows.timestamps.push(Timestamp::from_nanos(*time));
                end += length;
                rows.line_ends.push(end);
            }
            rows.streams.push(StreamRows { labels: Arc::new(labels(text)), rows: start..rows.timestamps.len() });
        }
        rows
    }

    fn check(grouping: Grouping, step: Option<u64>, want: &[&str]) {
        let range = TimeRange { start: Timestamp::from_nanos(10), end: Timestamp::from_nanos(100) };
        let ask = VolumeAsk { range, selector: None, step: step.map(Duration::from_nanos), grouping };
        let blocks = [
            rows(&[("app=a,env=x", &[(10, 1), (19, 2), (20, 4)]), ("app=b,env=x", &[(99, 8)])]),
            rows(&[("app=a,env=y", &[(10, 16)]), ("app=a,env=x", &[(20, 32)])]),
        ];
        let mut whole = VolumeMerge::new(&ask);
        let mut merged = VolumeMerge::new(&ask);
        for block in &blocks {
            whole.add_rows(block).unwrap();
            let mut part = VolumeMerge::new(&ask);
            part.add_rows(block).unwrap();
            merged.add_series(part.finish()).unwrap();
        }
        let (whole, merged) = (whole.finish(), merged.finish());
        assert_eq!(whole, merged);
        let shown: Vec<String> = whole
            .iter()
            .map(|one| {
                let group: Vec<String> = one.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let cells = one
                    .cells
                    .iter()
                    .map(|(step, cell)| format!(" {step}:{}b/{}e/{}c", cell.bytes, cell.entries, cell.chunks));
                group.join(",") + &cells.collect::<String>()
            })
            .collect();
        assert_eq!(shown, want);
    }

    #[test]
    fn volumes_add_up_whoever_counted_them() {
        let app = || vec!["app".to_owned()];
        check(
            Grouping::Streams,
            None,
            &["app=a,env=x 0:39b/4e/2c", "app=a,env=y 0:16b/1e/1c", "app=b,env=x 0:8b/1e/1c"],
        );
        check(Grouping::Values(app()), None, &["app=a 0:55b/5e/3c", "app=b 0:8b/1e/1c"]);
        check(Grouping::Values(app()), Some(10), &["app=a 0:19b/3e/2c 1:36b/2e/2c", "app=b 8:8b/1e/1c"]);
        check(Grouping::Names(Some(vec!["env".to_owned()])), None, &["env= 0:63b/6e/4c"]);
        check(Grouping::Names(None), None, &["app= 0:63b/6e/4c", "env= 0:63b/6e/4c"]);
        check(Grouping::Values(vec!["none".to_owned()]), None, &[" 0:63b/6e/4c"]);
    }

    #[test]
    fn the_labels_of_all_groups_are_bounded_beside_the_data_and_where_they_come_together() {
        let range = TimeRange { start: Timestamp::from_nanos(0), end: Timestamp::from_nanos(100) };
        let ask = VolumeAsk { range, selector: None, step: None, grouping: Grouping::Streams };
        let series = |number: usize| VolumeSeries {
            group: vec![("number".to_owned(), format!("{number:030000}"))],
            cells: vec![(0, VolumeCell::default())],
        };
        let half = || (0..GROUPS_BYTES_MAX / 60_000).map(series);
        let mut merge = VolumeMerge::new(&ask);
        assert_eq!(merge.add_series(half().collect()), Ok(()));
        assert_eq!(merge.add_series(half().collect()), Ok(()), "the same again takes no more");
        let others = (GROUPS_BYTES_MAX / 60_000..GROUPS_BYTES_MAX / 30_000 + 1).map(series);
        let refused = merge.add_series(others.collect()).unwrap_err();
        assert!(refused.contains("narrow the selector"), "{refused}");
    }
}
