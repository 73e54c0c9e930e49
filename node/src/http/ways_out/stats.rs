//! What a query cost, in the shape of Loki's `stats`: every field that a client may read is there, and is zero where this
//! house has nothing of the kind.

use std::time::Instant;

use logmesh_logql::QueryResult;
use serde_json::{Value, json};

use crate::query::Gathered;

/// What a query cost so far.
pub(super) struct Costs {
    begun: Instant,
    bytes: u64,
    rows: u64,
    rows_kept: u64,
    blocks: u64,
    nodes: u64,
    returned: u64,
}

impl Costs {
    /// Begins to count.
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), bytes: 0, rows: 0, rows_kept: 0, blocks: 0, nodes: 0, returned: 0 }
    }

    /// Notes what the nodes looked at.
    pub(super) fn scanned(&mut self, gathered: &Gathered) {
        self.bytes += gathered.bytes;
        self.rows += gathered.rows;
        self.rows_kept += gathered.rows_kept;
        self.blocks += gathered.blocks;
        self.nodes += gathered.nodes;
    }

    /// Notes how many entries or series the answer has.
    pub(super) fn returned(&mut self, result: &QueryResult) {
        self.returned = match result {
            QueryResult::Streams(streams) => streams.iter().map(|stream| stream.entries.len()).sum(),
            QueryResult::Matrix(series) => series.len(),
            QueryResult::Vector(samples) => samples.len(),
            QueryResult::Scalar { .. } => 1,
        } as u64;
    }

    /// Returns the figures (Loki documentation, "Loki HTTP API", "Statistics").
    pub(super) fn to_json(&self) -> Value {
        let seconds = self.begun.elapsed().as_secs_f64();
        let per_second = |count: u64| (count as f64 / seconds.max(1e-9)) as u64;
        let chunk = json!({
            "headChunkBytes": 0, "headChunkLines": 0, "headChunkStructuredMetadataBytes": 0,
            "decompressedBytes": self.bytes, "decompressedLines": self.rows, "decompressedStructuredMetadataBytes": 0,
            "compressedBytes": 0, "postFilterLines": self.rows_kept, "totalDuplicates": 0,
        });
        let store = json!({
            "totalChunksRef": self.blocks, "totalChunksDownloaded": self.blocks, "chunksDownloadTime": 0,
            "chunkRefsFetchTime": 0, "congestionControlLatency": 0, "pipelineWrapperFilteredLines": 0,
            "queryReferencedStructuredMetadata": false, "chunk": chunk,
        });
        let ingester_store = json!({
            "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "chunkRefsFetchTime": 0,
            "congestionControlLatency": 0, "pipelineWrapperFilteredLines": 0,
            "queryReferencedStructuredMetadata": false,
            "chunk": {
                "headChunkBytes": 0, "headChunkLines": 0, "headChunkStructuredMetadataBytes": 0,
                "decompressedBytes": 0, "decompressedLines": 0, "decompressedStructuredMetadataBytes": 0,
                "compressedBytes": 0, "postFilterLines": 0, "totalDuplicates": 0,
            },
        });
        json!({
            "summary": {
                "bytesProcessedPerSecond": per_second(self.bytes),
                "linesProcessedPerSecond": per_second(self.rows),
                "totalBytesProcessed": self.bytes,
                "totalLinesProcessed": self.rows,
                "totalPostFilterLines": self.rows_kept,
                "totalStructuredMetadataBytesProcessed": 0,
                "totalEntriesReturned": self.returned,
                "execTime": seconds,
                "queueTime": 0,
                "subqueries": 0,
                "splits": 0,
                "shards": self.nodes,
            },
            "querier": { "store": store },
            "ingester": {
                "totalReached": self.nodes, "totalChunksMatched": 0, "totalBatches": 0,
                "totalLinesSent": 0, "store": ingester_store,
            },
            "cache": {
                "chunk": cache(), "index": cache(), "result": cache(), "statsResult": cache(), "volumeResult": cache(),
                "seriesResult": cache(), "labelResult": cache(), "instantMetricResult": cache(),
            },
            "index": { "totalChunks": 0, "postFilterChunks": 0, "shardsDuration": 0, "usedBloomFilters": false },
        })
    }
}

fn cache() -> Value {
    json!({
        "entriesFound": 0, "entriesRequested": 0, "entriesStored": 0, "bytesReceived": 0, "bytesSent": 0,
        "requests": 0, "downloadTime": 0, "queryLengthServed": 0,
    })
}
