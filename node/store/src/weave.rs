//! The weave: how the rows of an extent's blocks, in order of stream and time, go back to the batches they came from.
//!
//! It keeps how each batch is cut into chunks, for each tenant the streams of the records as they arrived (as runs), and for
//! the few streams whose records did not arrive in order of time the order in which they did.

use std::collections::BTreeMap;

use bytes::Bytes;
use logmesh_protocol::batch::{BATCH_BYTES_MAX, encode as encode_batch};
use logmesh_protocol::record::ChunkWriter;
use logmesh_protocol::time::Timestamp;
use logmesh_protocol::varint::{put_i64, put_u64};

use crate::block::BlockRows;
use crate::columns::{Column, ColumnError, Decoder, Encoder, take_count, take_number, take_u32};
use crate::gather::{Gathered, Row, Shape, TenantRows};
use crate::header::Header;

/// The weave of an extent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Weave {
    shapes: Vec<Shape>,
    tenants: Vec<TenantWeave>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct TenantWeave {
    /// Stream and how many records of it arrived in a row.
    runs: Vec<(u32, u32)>,
    /// For streams that arrived out of order: the place in the sorted stream of each record as it arrived.
    orders: BTreeMap<u32, Vec<u32>>,
}

impl Weave {
    /// Returns the weave of what was gathered.
    pub(crate) fn of(gathered: &Gathered<'_>) -> Self {
        let tenants = gathered.tenants.iter().map(TenantWeave::of).collect();
        Self { shapes: gathered.shapes.clone(), tenants }
    }

    /// Returns the stored form.
    pub(crate) fn encode(&self, encoder: &mut Encoder) -> Result<Vec<u8>, ColumnError> {
        let (mut shapes, mut streams, mut lengths, mut orders) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        put_u64(&mut shapes, self.shapes.len() as u64);
        for shape in &self.shapes {
            put_u64(&mut shapes, u64::from(shape.tenant));
            put_u64(&mut shapes, shape.chunks.len() as u64);
            shape.chunks.iter().for_each(|count| put_u64(&mut shapes, u64::from(*count)));
        }
        put_u64(&mut shapes, self.tenants.len() as u64);
        for tenant in &self.tenants {
            put_u64(&mut shapes, tenant.runs.len() as u64);
            for (stream, length) in &tenant.runs {
                put_u64(&mut streams, u64::from(*stream));
                put_u64(&mut lengths, u64::from(*length));
            }
            put_u64(&mut orders, tenant.orders.len() as u64);
            for (stream, order) in &tenant.orders {
                put_u64(&mut orders, u64::from(*stream));
                put_u64(&mut orders, order.len() as u64);
                let mut expected = 0i64;
                for place in order {
                    put_i64(&mut orders, i64::from(*place) - expected);
                    expected = i64::from(*place) + 1;
                }
            }
        }
        let mut out = vec![VERSION];
        for column in [&shapes, &streams, &lengths, &orders] {
            encoder.put_column(&mut out, column)?;
        }
        Ok(out)
    }

    /// Reads the stored form and checks that it fits `header`, so that nothing in it points nowhere.
    pub(crate) fn decode(stored: &[u8], header: &Header, decoder: &mut Decoder) -> Result<Self, ColumnError> {
        let Some((&VERSION, mut input)) = stored.split_first() else { return Err(ColumnError::Version) };
        let mut take = || decoder.expand(&Column::take(&mut input)?, COLUMN_RAW_BYTES_MAX);
        let (shapes, streams, lengths, orders) = (take()?, take()?, take()?, take()?);
        let (shapes, columns) = (&mut &shapes[..], &mut [&streams[..], &lengths[..], &orders[..]]);
        let count = take_count(shapes)?;
        let batches = (0..count).map(|_| take_shape(shapes)).collect::<Result<Vec<_>, _>>()?;
        // Each run takes a byte of `streams`, so its count is held against that; a tenant takes a byte of `shapes`.
        let tenant_count = take_u32(shapes)? as usize;
        if tenant_count > shapes.len() {
            return Err(ColumnError::Length);
        }
        let tenants = (0..tenant_count).map(|_| TenantWeave::take(shapes, columns)).collect::<Result<Vec<_>, _>>()?;
        let empty = input.is_empty() && shapes.is_empty() && columns.iter().all(|column| column.is_empty());
        let weave = Self { shapes: batches, tenants };
        if empty { weave.check(header).map(|()| weave) } else { Err(ColumnError::Length) }
    }

    /// Checks the weave against the counts of `header`.
    fn check(&self, header: &Header) -> Result<(), ColumnError> {
        if self.shapes.len() != header.sizes.len() || self.tenants.len() != header.tenants.len() {
            return Err(ColumnError::Index);
        }
        let mut records = vec![0u64; self.tenants.len()];
        for shape in &self.shapes {
            let total = records.get_mut(shape.tenant as usize).ok_or(ColumnError::Index)?;
            *total += shape.chunks.iter().map(|count| u64::from(*count)).sum::<u64>();
        }
        for ((tenant, totals), records) in self.tenants.iter().zip(header.stream_totals()).zip(records) {
            let mut seen = vec![0u64; totals.len()];
            for (stream, length) in &tenant.runs {
                *seen.get_mut(*stream as usize).ok_or(ColumnError::Index)? += u64::from(*length);
            }
            let fits = seen.iter().zip(&totals).all(|(seen, total)| *seen == u64::from(*total));
            if !fits || seen.iter().sum::<u64>() != records {
                return Err(ColumnError::Index);
            }
            for (stream, order) in &tenant.orders {
                if totals.get(*stream as usize).is_none_or(|total| *total as usize != order.len()) {
                    return Err(ColumnError::Index);
                }
            }
        }
        Ok(())
    }

    /// Rebuilds the canonical bytes of each batch of `header` that `wanted` names by its place, in order, and gives them to
    /// `sink`: `None` for one that needs a block which is not there.
    pub(crate) fn rebuild(
        &self,
        header: &Header,
        blocks: &[Option<BlockRows>],
        wanted: &dyn Fn(usize) -> bool,
        sink: &mut dyn FnMut(usize, Option<Vec<u8>>),
    ) -> Result<(), ColumnError> {
        let mut threads: Vec<Thread<'_>> =
            (0..self.tenants.len()).map(|tenant| Thread::new(self, header, blocks, tenant)).collect();
        for (place, shape) in self.shapes.iter().enumerate() {
            let thread = &mut threads[shape.tenant as usize];
            if !wanted(place) {
                shape.chunks.iter().for_each(|count| thread.skip(*count));
                continue;
            }
            let seq = header.id.from + u32::try_from(place).expect("places are seqs");
            let tenant = &header.tenants[shape.tenant as usize];
            let chunks = thread.take_chunks(&shape.chunks, &tenant.streams)?;
            sink(place, chunks.map(|chunks| encode_batch(&header.id.segment, seq, &tenant.tenant, &chunks)));
        }
        Ok(())
    }
}

impl TenantWeave {
    fn of(tenant: &TenantRows<'_>) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for row in &tenant.rows {
            match runs.last_mut() {
                Some((stream, length)) if *stream == row.stream => *length += 1,
                _ => runs.push((row.stream, 1)),
            }
        }
        let (mut orders, mut start) = (BTreeMap::new(), 0);
        for (stream, end) in (0u32..).zip(&tenant.stream_ends) {
            let sorted = &tenant.order[start..*end as usize];
            start = *end as usize;
            if sorted.is_sorted() {
                continue;
            }
            let mut by_arrival: Vec<u32> = (0..u32::try_from(sorted.len()).expect("rows are bounded")).collect();
            by_arrival.sort_unstable_by_key(|place| sorted[*place as usize]);
            orders.insert(stream, by_arrival);
        }
        Self { runs, orders }
    }

    fn take(shapes: &mut &[u8], [streams, lengths, orders]: &mut [&[u8]; 3]) -> Result<Self, ColumnError> {
        let run_count = take_u32(shapes)? as usize;
        if run_count > streams.len() {
            return Err(ColumnError::Length);
        }
        let mut weave = Self { runs: Vec::with_capacity(run_count), orders: BTreeMap::new() };
        for _ in 0..run_count {
            weave.runs.push((take_u32(streams)?, take_u32(lengths)?));
        }
        for _ in 0..take_count(orders)? {
            let stream = take_u32(orders)?;
            let order = take_order(orders)?;
            if weave.orders.insert(stream, order).is_some() {
                return Err(ColumnError::Index);
            }
        }
        Ok(weave)
    }
}

/// Takes an order of the places from zero; each must come once.
fn take_order(input: &mut &[u8]) -> Result<Vec<u32>, ColumnError> {
    let count = take_count(input)?;
    let (mut order, mut seen, mut expected) = (Vec::with_capacity(count), vec![false; count], 0i64);
    for _ in 0..count {
        let zigzag = take_number(input)?;
        let place = expected.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        let place = u32::try_from(place).map_err(|_| ColumnError::Index)?;
        let seen = seen.get_mut(place as usize).ok_or(ColumnError::Index)?;
        if std::mem::replace(seen, true) {
            return Err(ColumnError::Index);
        }
        order.push(place);
        expected = i64::from(place) + 1;
    }
    Ok(order)
}

fn take_shape(input: &mut &[u8]) -> Result<Shape, ColumnError> {
    let tenant = take_u32(input)?;
    let count = take_count(input)?;
    let chunks = (0..count).map(|_| take_u32(input)).collect::<Result<_, _>>()?;
    Ok(Shape { tenant, chunks })
}

/// Where a rebuild stands within the records of one tenant.
struct Thread<'a> {
    weave: &'a TenantWeave,
    /// The rows in order of stream and time; `None` for those of a block that is not there.
    rows: Vec<Option<Row<'a>>>,
    /// The place in `rows` of each stream's first row.
    starts: Vec<usize>,
    /// How many records of each stream were taken.
    taken: Vec<usize>,
    run: usize,
    run_taken: u32,
    /// For each stream, in which chunk it was last used and its place there.
    local: Vec<(u32, u32)>,
    chunk: u32,
}

impl<'a> Thread<'a> {
    fn new(weave: &'a Weave, header: &'a Header, blocks: &'a [Option<BlockRows>], tenant: usize) -> Self {
        let stream_count = header.tenants[tenant].streams.len();
        let mut rows = Vec::new();
        let mut starts = vec![usize::MAX; stream_count];
        for (entry, block) in header.blocks.iter().zip(blocks).filter(|(entry, _)| entry.tenant as usize == tenant) {
            let mut at = 0;
            for (stream, count) in (entry.first_stream..).zip(&entry.stream_rows) {
                let start = &mut starts[stream as usize];
                *start = (*start).min(rows.len());
                let range = at..at + *count as usize;
                at = range.end;
                match block {
                    Some(block) => rows.extend(range.map(|at| Some(block.row(at, stream)))),
                    None => rows.extend(range.map(|_| None)),
                }
            }
        }
        Self {
            weave: &weave.tenants[tenant],
            rows,
            starts,
            taken: vec![0; stream_count],
            run: 0,
            run_taken: 0,
            local: vec![(0, 0); stream_count],
            chunk: 0,
        }
    }

    /// Takes up to `limit` records of the current run: its stream, and how many.
    fn take_run(&mut self, limit: u32) -> (u32, u32) {
        let (stream, length) = self.weave.runs[self.run];
        let count = limit.min(length - self.run_taken);
        self.run_taken += count;
        if self.run_taken == length {
            (self.run, self.run_taken) = (self.run + 1, 0);
        }
        (stream, count)
    }

    fn skip(&mut self, mut count: u32) {
        while count > 0 {
            let (stream, taken) = self.take_run(count);
            self.taken[stream as usize] += taken as usize;
            count -= taken;
        }
    }

    /// Takes the records of a batch. `None` if a row is not there; the next batch begins at the right place all the same.
    fn take_chunks(&mut self, counts: &[u32], streams: &[Bytes]) -> Result<Option<Vec<Bytes>>, ColumnError> {
        let (mut chunks, mut whole, mut bytes) = (Vec::with_capacity(counts.len()), true, 0);
        for count in counts {
            let mut writer = ChunkWriter::new();
            self.chunk += 1;
            let mut left = *count;
            while left > 0 {
                let (stream, taken) = self.take_run(left);
                left -= taken;
                for _ in 0..taken {
                    whole = self.take_record(stream as usize, streams, &mut writer)? && whole;
                    if bytes + writer.bytes_len() > BATCH_BYTES_MAX + BATCH_SLACK_BYTES {
                        return Err(ColumnError::TooLarge);
                    }
                }
            }
            bytes += writer.bytes_len();
            chunks.push(Bytes::from(writer.finish()));
        }
        Ok(whole.then_some(chunks))
    }

    /// Takes the next record of `stream`. Tells whether it is there.
    fn take_record(&mut self, stream: usize, streams: &[Bytes], out: &mut ChunkWriter) -> Result<bool, ColumnError> {
        let nth = self.taken[stream];
        self.taken[stream] += 1;
        let order = if self.weave.orders.is_empty() { None } else { self.weave.orders.get(&(stream as u32)) };
        let place = order.map_or(nth, |order| order[nth] as usize);
        let Some(row) = self.rows[self.starts[stream] + place] else { return Ok(false) };
        let (used_in, local) = &mut self.local[stream];
        if *used_in != self.chunk {
            (*used_in, *local) = (self.chunk, out.stream(&streams[stream]));
        }
        let line = std::str::from_utf8(row.line).map_err(|_| ColumnError::Index)?;
        out.push(*local, Timestamp::from_nanos(row.timestamp), row.metadata, line);
        Ok(true)
    }
}

const VERSION: u8 = 1;

/// At most 16 Mi records in an extent of 64 MiB, two bytes each as a rule.
const COLUMN_RAW_BYTES_MAX: usize = 64 << 20;

/// What [`ChunkWriter::bytes_len`] may overstate.
const BATCH_SLACK_BYTES: usize = 1 << 20;
