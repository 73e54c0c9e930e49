//! Deletions held against what is read: rows that one of them covers are taken out before anybody looks at them, from the
//! disk and from what comes in alike.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use logmesh_logql::{Expr, Interrupt, LogExpr, Predicate, StreamMatcher, parse};
use logmesh_protocol::deletion::{DeletionId, DeletionTable};
use logmesh_protocol::record::Labels;
use logmesh_protocol::rows::{Rows, StreamRows};
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::time::TimeRange;
use logmesh_store::{ReadError, ScanRequest, Store};
use tracing::warn;

/// What this node holds as deleted at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deleted {
    /// The deletions, ready to be held against what is read.
    pub(crate) masks: Arc<Masks>,
    /// Whether they are on this node's disk.
    pub(crate) is_durable: bool,
}

/// All deletions that hold, read once when the table changes.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    tenants: BTreeMap<String, Vec<Rule>>,
    /// All that is known, and whether it was cancelled.
    known: BTreeMap<DeletionId, bool>,
}

#[derive(Clone, Debug)]
struct Rule {
    time: TimeRange,
    log: LogExpr,
    matcher: StreamMatcher,
}

impl Masks {
    /// Returns what `table` says. A query that this node cannot read, for a newer one wrote it, is left out and logged.
    pub(crate) fn new(table: &DeletionTable) -> Self {
        let mut tenants: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        for deletion in table.rows().filter(|deletion| !deletion.is_cancelled) {
            match read_query(&deletion.query) {
                Ok((log, matcher)) => {
                    let rule = Rule { time: deletion.range(), log, matcher };
                    tenants.entry(deletion.tenant.clone()).or_default().push(rule);
                }
                Err(error) => warn!(id = %deletion.id(), error, "a deletion cannot be read and does not hold here"),
            }
        }
        let known = table.rows().map(|deletion| (deletion.id(), deletion.is_cancelled)).collect();
        Self { tenants, known }
    }

    /// Tells whether a deletion is known, as cancelled or not.
    pub(crate) fn know(&self, id: DeletionId, is_cancelled: bool) -> bool {
        self.known.get(&id) == Some(&is_cancelled)
    }

    /// Returns what covers records of a tenant within `time`; nothing if nothing does.
    pub(crate) fn over(&self, tenant: &str, time: TimeRange) -> Option<Mask> {
        let overlaps = |rule: &&Rule| rule.time.start < time.end && time.start < rule.time.end;
        let rules: Vec<Rule> = self.tenants.get(tenant)?.iter().filter(overlaps).cloned().collect();
        let predicates = rules.iter().map(|_| None).collect();
        (!rules.is_empty()).then_some(Mask { rules, predicates })
    }
}

/// Reads the query of a deletion: a log query that only selects, so that each line of a stream is covered or not.
pub(crate) fn read_query(text: &str) -> Result<(LogExpr, StreamMatcher), String> {
    let log = match parse(text).map_err(|error| error.to_string())? {
        Expr::Log(log) => log,
        Expr::Metric(_) => {
            return Err("a metric query names no lines; give a selector, with filters if need be".to_owned());
        }
    };
    Predicate::new(&log).map_err(|error| error.to_string())?;
    let matcher = StreamMatcher::new(&log.selector).map_err(|error| error.to_string())?;
    Ok((log, matcher))
}

/// Deletions of one tenant, ready to be held against rows. One scan's.
#[derive(Debug)]
pub(crate) struct Mask {
    rules: Vec<Rule>,
    /// Compiled when the first stream matches: most scans see none.
    predicates: Vec<Option<Predicate>>,
}

impl Mask {
    /// Tells whether some records of a stream may be covered.
    pub(crate) fn touches(&self, labels: &Labels) -> bool {
        self.rules.iter().any(|rule| rule.matcher.matches(labels))
    }

    /// Tells whether the text of lines is looked at: they must then be read.
    pub(crate) fn looks_at_lines(&self) -> bool {
        self.rules.iter().any(|rule| !rule.log.stages.is_empty())
    }

    /// Takes out of `rows` what is covered. Streams of which nothing is left go too.
    pub(crate) fn apply(&mut self, rows: &mut Rows) {
        let mut covered = BTreeSet::new();
        for stream in &rows.streams {
            for (rule, predicate) in self.rules.iter().zip(&mut self.predicates) {
                if !rule.matcher.matches(&stream.labels) {
                    continue;
                }
                // It was compiled once when the deletion was read.
                let Some(predicate) = compiled(predicate, &rule.log) else { continue };
                covered.extend(predicate.passing(rows, stream, rule.time));
            }
        }
        if !covered.is_empty() {
            *rows = without(rows, &covered);
        }
    }
}

/// Returns those of `streams` that have a record within `range` that is not covered. Reads lines, but only until each stream
/// has one, or nobody waits any more.
pub(super) fn visible(
    store: &Store,
    (tenant, range): (&str, TimeRange),
    segments: &[SegmentId],
    mask: &mut Mask,
    (streams, cancelled): (&BTreeSet<Labels>, &Interrupt),
) -> Result<BTreeSet<Labels>, ReadError> {
    let mut found = BTreeSet::new();
    let request = ScanRequest {
        tenant,
        range,
        segments,
        only: None,
        matches: &|labels| streams.contains(labels),
        newest_first: true,
        lines: mask.looks_at_lines(),
    };
    store.scan(&request, &mut |mut scanned| {
        mask.apply(&mut scanned.rows);
        found.extend(scanned.rows.streams.iter().map(|stream| (*stream.labels).clone()));
        if found.len() == streams.len() || cancelled.is_raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}

fn compiled<'a>(predicate: &'a mut Option<Predicate>, log: &LogExpr) -> Option<&'a mut Predicate> {
    if predicate.is_none() {
        *predicate = Predicate::new(log).ok();
    }
    predicate.as_mut()
}

/// Returns the rows that are not `covered`.
fn without(rows: &Rows, covered: &BTreeSet<usize>) -> Rows {
    let mut kept = Rows { metadata: rows.metadata.clone(), ..Rows::default() };
    let mut lines = Vec::new();
    let mut end = 0;
    for stream in &rows.streams {
        let first = kept.timestamps.len();
        for row in stream.rows.clone().filter(|row| !covered.contains(row)) {
            kept.timestamps.push(rows.timestamps[row]);
            let place = rows.line_range(row);
            end += place.len();
            // The text may have been left out because nobody looks at it; the lengths are there all the same.
            lines.extend_from_slice(rows.lines.get(place).unwrap_or_default());
            kept.line_ends.push(u32::try_from(end).expect("no longer than before"));
            kept.metadata_at.extend(rows.metadata_at.get(row));
        }
        let rows = first..kept.timestamps.len();
        if !rows.is_empty() {
            kept.streams.push(StreamRows { labels: stream.labels.clone(), rows });
        }
    }
    kept.lines = Bytes::from(lines);
    kept
}

#[cfg(test)]
mod tests {
    use logmesh_protocol::deletion::Deletion;
    use logmesh_protocol::id::NodeId;
    use logmesh_protocol::time::Timestamp;

    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn masks(deletions: &[(&str, i64, i64)]) -> Masks {
        let mut table = DeletionTable::new();
        table.merge(deletions.iter().map(|(query, start, end)| Deletion {
            tenant: "t".to_owned(),
            query: (*query).to_owned(),
            start: at(*start),
            end: at(*end),
            created: at(100),
            node: NodeId::from_bytes([1; 32]),
            is_cancelled: false,
        }));
        Masks::new(&table)
    }

    /// Two streams: `a` with lines at 1, 2, 3, and `b` with lines at 2, 4.
    fn rows() -> Rows {
        let labels = |app: &str| Arc::new(Labels::new([("app".to_owned(), app.to_owned())]));
        Rows {
            streams: vec![
                StreamRows { labels: labels("a"), rows: 0..3 },
                StreamRows { labels: labels("b"), rows: 3..5 },
            ],
            timestamps: [1, 2, 3, 2, 4].map(at).to_vec(),
            lines: Bytes::from_static(b"onetwothreefive5"),
            line_ends: vec![3, 6, 11, 15, 16],
            ..Rows::default()
        }
    }

    fn check(deletions: &[(&str, i64, i64)], expected: &[(&str, i64, &str)]) {
        let mut rows = rows();
        let time = TimeRange { start: at(0), end: at(50) };
        if let Some(mut mask) = masks(deletions).over("t", time) {
            mask.apply(&mut rows);
        }
        let mut left = Vec::new();
        for stream in &rows.streams {
            for row in stream.rows.clone() {
                let line = std::str::from_utf8(rows.line(row)).unwrap();
                left.push((stream.labels.value("app").unwrap(), rows.timestamps[row].as_nanos(), line));
            }
        }
        assert_eq!(left, expected, "{deletions:?}");
    }

    const ALL: &[(&str, i64, &str)] =
        &[("a", 1, "one"), ("a", 2, "two"), ("a", 3, "three"), ("b", 2, "five"), ("b", 4, "5")];

    #[test]
    fn what_a_deletion_covers_is_left_out_and_nothing_else() {
        check(&[], ALL);
        check(&[("{app=\"c\"}", 0, 99)], ALL);
        check(&[("{app=\"a\"}", 5, 99)], ALL);
        // Both ends are covered.
        check(&[("{app=\"a\"}", 2, 3)], &[ALL[0], ALL[3], ALL[4]]);
        check(&[("{app=\"a\"}", 0, 99)], &ALL[3..]);
        check(&[("{app=~\".+\"} |= \"t\"", 0, 99)], &[ALL[0], ALL[3], ALL[4]]);
        check(&[("{app=\"a\"} |= \"one\"", 0, 99), ("{app=\"b\"}", 4, 4)], &[ALL[1], ALL[2], ALL[3]]);
        check(&[("{app=~\".+\"}", 0, 99)], &[]);
    }

    #[test]
    fn a_mask_is_only_for_what_it_may_cover() {
        let masks = masks(&[("{app=\"a\"}", 10, 20), ("{app=\"b\"} |= \"x\"", 30, 40)]);
        let over = |start, end| masks.over("t", TimeRange { start: at(start), end: at(end) });
        assert!(over(0, 10).is_none() && over(21, 30).is_none() && masks.over("other", rows_time()).is_none());
        let first = over(20, 25).unwrap();
        let labels = rows().streams[0].labels.clone();
        assert!(first.touches(&labels));
        assert!(!over(25, 50).unwrap().touches(&labels));
    }

    fn rows_time() -> TimeRange {
        TimeRange { start: at(0), end: at(99) }
    }

    #[test]
    fn a_metric_query_deletes_nothing() {
        assert!(read_query("rate({app=\"a\"}[5m])").unwrap_err().contains("metric"));
        assert!(read_query("{app=").is_err());
    }
}
