//! Gathers the records of batches and puts them in order of stream and time: for a seal, and for a scan of the tail.

use std::collections::HashMap;

use logmesh_protocol::batch::Batch;
use logmesh_protocol::record::ChunkError;

/// The records of several batches, by tenant.
pub(crate) struct Gathered<'a> {
    /// The tenants, in the order of their first batches.
    pub(crate) tenants: Vec<TenantRows<'a>>,
    /// How the batches are cut, in their order.
    pub(crate) shapes: Vec<Shape>,
}

/// How one batch is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The place of its tenant.
    pub(crate) tenant: u32,
    /// How many records each chunk has.
    pub(crate) chunks: Vec<u32>,
}

/// One record, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The place of the stream in [`TenantRows::streams`].
    pub(crate) stream: u32,
    pub(crate) timestamp: i64,
    pub(crate) metadata: &'a [u8],
    pub(crate) line: &'a [u8],
}

/// The records of one tenant.
pub(crate) struct TenantRows<'a> {
    pub(crate) tenant: &'a str,
    /// The canonical label bytes, sorted.
    pub(crate) streams: Vec<&'a [u8]>,
    /// The records as they arrived.
    pub(crate) rows: Vec<Row<'a>>,
    /// The places in `rows` in order of stream, then time, then arrival.
    pub(crate) order: Vec<u32>,
    /// Where each stream ends in `order`.
    pub(crate) stream_ends: Vec<u32>,
}

impl<'a> Gathered<'a> {
    /// Gathers the records of `batches`.
    pub(crate) fn from_batches(batches: &[Batch<'a>]) -> Result<Self, ChunkError> {
        let mut gathering: Vec<Gathering<'a>> = Vec::new();
        let mut shapes = Vec::with_capacity(batches.len());
        for batch in batches {
            let known = gathering.iter().position(|other| other.tenant == batch.tenant);
            let at = known.unwrap_or_else(|| {
                gathering.push(Gathering { tenant: batch.tenant, ..Gathering::default() });
                gathering.len() - 1
            });
            let chunks = gathering[at].add(batch)?;
            shapes.push(Shape { tenant: u32::try_from(at).expect("batches are few"), chunks });
        }
        Ok(Self { tenants: gathering.into_iter().map(Gathering::sort).collect(), shapes })
    }
}

#[derive(Default)]
struct Gathering<'a> {
    tenant: &'a str,
    stream_at: HashMap<&'a [u8], u32>,
    streams: Vec<&'a [u8]>,
    rows: Vec<Row<'a>>,
}

impl<'a> Gathering<'a> {
    fn add(&mut self, batch: &Batch<'a>) -> Result<Vec<u32>, ChunkError> {
        let mut counts = Vec::with_capacity(batch.chunks.len());
        let mut places = Vec::new();
        for chunk in &batch.chunks {
            places.clear();
            for labels in &chunk.streams {
                let streams = &mut self.streams;
                places.push(*self.stream_at.entry(labels).or_insert_with(|| {
                    streams.push(labels);
                    u32::try_from(streams.len() - 1).expect("a batch is bounded")
                }));
            }
            for record in chunk.records() {
                let record = record?;
                self.rows.push(Row {
                    stream: places[record.stream as usize],
                    timestamp: record.timestamp.as_nanos(),
                    metadata: record.metadata,
                    line: record.line,
                });
            }
            counts.push(chunk.record_count());
        }
        Ok(counts)
    }

    fn sort(mut self) -> TenantRows<'a> {
        let mut by_labels: Vec<u32> = (0..u32::try_from(self.streams.len()).expect("batches are bounded")).collect();
        by_labels.sort_unstable_by_key(|at| self.streams[*at as usize]);
        let mut rank = vec![0u32; self.streams.len()];
        for (place, at) in (0u32..).zip(&by_labels) {
            rank[*at as usize] = place;
        }
        let mut ends = vec![0u32; self.streams.len()];
        for row in &mut self.rows {
            row.stream = rank[row.stream as usize];
            ends[row.stream as usize] += 1;
        }
        let mut next = Vec::with_capacity(ends.len());
        let mut end = 0;
        for count in &mut ends {
            next.push(end);
            end += *count;
            *count = end;
        }
        let mut order = vec![0u32; self.rows.len()];
        for (at, row) in (0u32..).zip(&self.rows) {
            let place = &mut next[row.stream as usize];
            order[*place as usize] = at;
            *place += 1;
        }
        let mut start = 0;
        for end in &ends {
            let stream = &mut order[start..*end as usize];
            let time = |at: &u32| self.rows[*at as usize].timestamp;
            // Most streams arrive in order; asking is far cheaper than sorting.
            if !stream.is_sorted_by_key(time) {
                stream.sort_by_key(time);
            }
            start = *end as usize;
        }
        let streams = by_labels.iter().map(|at| self.streams[*at as usize]).collect();
        TenantRows { tenant: self.tenant, streams, rows: self.rows, order, stream_ends: ends }
    }
}
