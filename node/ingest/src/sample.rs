//! What the tests of all decoders share: bodies as clients send them, and chunks read back.

use logmesh_protocol::record::{Chunk, Labels};
use logmesh_protocol::segment::Window;
use logmesh_protocol::time::Timestamp;

use crate::level::DETECTED_LEVEL;
use crate::{Accepted, Limits};

/// A record as plain as can be: labels as a selector, nanoseconds, metadata, line.
pub(crate) type Row = (String, i64, Vec<(String, String)>, String);

pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

/// Returns the default limits, but that streams keep the labels that were sent.
pub(crate) fn plain_limits() -> Limits {
    Limits { discover_service_name: Vec::new(), ..Limits::default() }
}

/// Reads all chunks again, in the order of the groups, and checks that all counts are true. The level that each record has
/// been given is left out; see [`levels`].
pub(crate) fn rows(accepted: &Accepted) -> Vec<Row> {
    let mut rows = rows_with_levels(accepted);
    rows.iter_mut().for_each(|row| row.2.retain(|(name, _)| name != DETECTED_LEVEL));
    rows
}

/// Returns the level of each record, in the order of [`rows`].
pub(crate) fn levels(accepted: &Accepted) -> Vec<Option<String>> {
    let level = |row: Row| row.2.into_iter().find(|(name, _)| name == DETECTED_LEVEL).map(|(_, value)| value);
    rows_with_levels(accepted).into_iter().map(level).collect()
}

fn rows_with_levels(accepted: &Accepted) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in &accepted.groups {
        let before = rows.len();
        for chunk in &group.chunks {
            let chunk = Chunk::decode(chunk).unwrap();
            for record in chunk.records() {
                let record = record.unwrap();
                assert_eq!(Window::of(record.timestamp), group.window);
                let labels = Labels::from_bytes(chunk.streams[record.stream as usize]).unwrap().to_string();
                let metadata = record.metadata().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                let line = String::from_utf8(record.line.to_vec()).unwrap();
                rows.push((labels, record.timestamp.as_nanos(), metadata.collect(), line));
            }
        }
        assert_eq!((rows.len() - before) as u64, group.record_count);
        assert!(group.record_count > 0, "an empty group");
    }
    assert!(accepted.groups.windows(2).all(|pair| pair[0].window < pair[1].window));
    assert_eq!(rows.len() as u64, accepted.record_count);
    assert_eq!(rows.iter().map(|row| row.3.len() as u64).sum::<u64>(), accepted.lines_bytes);
    rows
}

/// Changes one byte of `body` and cuts it off, as a broken client or network would.
pub(crate) fn broken(body: &[u8], (at, byte): (usize, u8), cut: usize) -> Vec<u8> {
    let mut body = body.to_vec();
    if !body.is_empty() {
        let at = at % body.len();
        body[at] = byte;
        // Half of the bodies stay whole, so that what the changed byte does is seen too.
        if cut.is_multiple_of(2) {
            body.truncate(cut % (body.len() + 1));
        }
    }
    body
}

/// `logproto.PushRequest` and what is in it, by derive: another spelling of the format than the decoder's own.
pub(crate) mod logproto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct PushRequest {
        #[prost(message, repeated, tag = "1")]
        pub(crate) streams: Vec<Stream>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Stream {
        #[prost(string, tag = "1")]
        pub(crate) labels: String,
        #[prost(message, repeated, tag = "2")]
        pub(crate) entries: Vec<Entry>,
        #[prost(uint64, tag = "3")]
        pub(crate) hash: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Entry {
        #[prost(message, optional, tag = "1")]
        pub(crate) timestamp: Option<Time>,
        #[prost(string, tag = "2")]
        pub(crate) line: String,
        #[prost(message, repeated, tag = "3")]
        pub(crate) structured_metadata: Vec<Pair>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Time {
        #[prost(int64, tag = "1")]
        pub(crate) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(crate) nanos: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Pair {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(string, tag = "2")]
        pub(crate) value: String,
    }
}
