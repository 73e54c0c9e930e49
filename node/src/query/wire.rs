//! What a coordinator and the nodes beside the data say to each other.

use bytes::Bytes;
use logmesh_logql::{Part, Partial, PatternPart};
use logmesh_protocol::codec::{self, DecodeError};
use logmesh_protocol::id::NodeId;
use logmesh_protocol::member::MemberRow;
use logmesh_protocol::plan::{OwnScan, SurveyAnswer};
use logmesh_protocol::record::Labels;
use logmesh_protocol::segment::SegmentId;
use logmesh_protocol::seq_set::SeqSet;
use logmesh_protocol::time::TimeRange;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::tail::Follow;
use super::volume::{VolumeAsk, VolumeSeries};

/// What a coordinator asks of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// What do you hold, in this range, of all nodes but these?
    Survey {
        /// The record time.
        range: TimeRange,
        /// Those that answer for themselves.
        except: Vec<NodeId>,
    },
    /// Evaluate this over these batches.
    Scan(Box<Scan>),
    /// Tell what you take in from now on. Answered with one [`Live`](super::tail::Live) a piece, without end.
    Follow(Box<Follow>),
}

/// What to scan, and what to make of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// The tenants. If there are several, each stream bears the name of its tenant as a label.
    pub(crate) tenants: Vec<String>,
    /// What to make of the rows.
    pub(crate) work: Work,
    /// What to scan of what the node itself wrote.
    pub(crate) own: Option<OwnScan>,
    /// What to scan of others' segments.
    pub(crate) assigned: Vec<(SegmentId, SeqSet)>,
}

/// What to make of rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Evaluate the part of a plan that runs beside the data.
    Part(Part),
    /// List the streams that match one of these selectors, all if there is none, or something about them.
    Streams {
        /// The record time.
        range: TimeRange,
        /// Selectors in LogQL.
        selectors: Vec<String>,
        /// What to list.
        list: Listing,
    },
    /// Sum up how much there is of streams.
    Volume(VolumeAsk),
    /// Find out what lines look like.
    Patterns(PatternsAsk),
}

/// Which lines are looked at for patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PatternsAsk {
    /// The record time.
    pub(crate) range: TimeRange,
    /// The time from one sample to the next.
    pub(crate) step: std::time::Duration,
    /// A log query.
    pub(crate) query: String,
}

/// What to list of streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Listing {
    /// The streams.
    Streams,
    /// The names of their labels.
    Names,
    /// The values of the label of this name.
    Values(String),
}

impl Work {
    /// Returns the record time that the work is about.
    pub(crate) fn range(&self) -> TimeRange {
        match self {
            Self::Part(part) => part.range(),
            Self::Streams { range, .. } => *range,
            Self::Volume(ask) => ask.range,
            Self::Patterns(ask) => ask.range,
        }
    }
}

/// What a node answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To [`Ask::Survey`].
    Survey {
        /// The member table of the node, so that the coordinator learns of members that it does not know.
        members: Vec<MemberRow>,
        /// What it holds.
        answer: SurveyAnswer,
    },
    /// To [`Ask::Scan`].
    Scanned(Box<Scanned>),
    /// The work could not be done; the same work fails elsewhere too.
    Failed(String),
    /// To [`Ask::Scan`]: the node cannot vouch for what it wrote. Since the survey it has lost its disk, or has left, or it is about
    /// to end. The work is to be planned anew. (To a coordinator that does not know this answer the node is silent.)
    Unvouched,
}

/// What came of a scan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scanned {
    /// The result.
    pub(crate) outcome: Outcome,
    /// What should have been scanned but does not hash to its id, or is not there.
    pub(crate) damaged: Vec<(SegmentId, SeqSet)>,
    /// Bytes of lines and columns that were looked at.
    pub(crate) bytes: u64,
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// Rows that passed all filters.
    pub(crate) rows_kept: u64,
    /// Sealed blocks that were expanded.
    pub(crate) blocks: u64,
}

/// The result of a scan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Of [`Work::Part`].
    Partial(Partial),
    /// Of [`Work::Streams`] if it lists streams.
    Streams(Vec<Labels>),
    /// Of [`Work::Streams`] if it lists names or values.
    Texts(Vec<String>),
    /// Of [`Work::Volume`].
    Volume(Vec<VolumeSeries>),
    /// Of [`Work::Patterns`].
    Patterns(PatternPart),
}

/// Returns the bytes of a question.
pub(crate) fn encode_ask(ask: &Ask) -> Bytes {
    codec::encode(VERSION, ask).into()
}

/// Reads a question.
pub(crate) fn decode_ask(bytes: &[u8]) -> Result<Ask, DecodeError> {
    codec::decode_large(VERSION, bytes)
}

/// Returns an answer as frames that the net carries. A large one comes as several answers, each of about [`PART_BYTES`], so
/// that neither side ever holds one message as large as all of a result.
pub(crate) fn encode_answer(answer: Answer) -> Vec<Bytes> {
    let mut frames = Vec::new();
    for part in split(answer) {
        let whole = codec::encode(VERSION, &part);
        let mut pieces = whole.chunks(PIECE_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            let kind = if pieces.peek().is_some() { Kind::More } else { Kind::Last };
            frames.push([&[kind as u8], piece].concat().into());
        }
    }
    frames
}

/// Returns the frame that says no more than that the work goes on.
pub(crate) fn progress() -> Bytes {
    Bytes::from_static(&[Kind::Progress as u8])
}

/// What a frame is, said by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A piece of an answer, of which more follows.
    More = 0,
    /// The last piece of an answer.
    Last = 1,
    /// A sign of life.
    Progress = 2,
}

/// Returns the answers that an answer travels as. Only the first of several tells what the scan has cost.
fn split(answer: Answer) -> Vec<Answer> {
    let Answer::Scanned(scanned) = answer else { return vec![answer] };
    let Scanned { outcome, damaged, bytes, rows, rows_kept, blocks } = *scanned;
    let text_bytes = |text: &String| text.len() + 8;
    let streams_bytes = |labels: &Labels| labels.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
    let outcomes: Vec<Outcome> = match outcome {
        Outcome::Partial(partial) => partial.split(PART_BYTES).into_iter().map(Outcome::Partial).collect(),
        Outcome::Streams(list) => cut(list, streams_bytes).into_iter().map(Outcome::Streams).collect(),
        Outcome::Texts(list) => cut(list, text_bytes).into_iter().map(Outcome::Texts).collect(),
        Outcome::Volume(list) => cut(list, VolumeSeries::size_bytes).into_iter().map(Outcome::Volume).collect(),
        Outcome::Patterns(part) => part.split(PART_BYTES).into_iter().map(Outcome::Patterns).collect(),
    };
    let free = |outcome| Scanned { outcome, damaged: Vec::new(), bytes: 0, rows: 0, rows_kept: 0, blocks: 0 };
    let mut parts: Vec<Scanned> = outcomes.into_iter().map(free).collect();
    if let Some(first) = parts.first_mut() {
        (first.damaged, first.bytes, first.rows) = (damaged, bytes, rows);
        (first.rows_kept, first.blocks) = (rows_kept, blocks);
    }
    parts.into_iter().map(|scanned| Answer::Scanned(Box::new(scanned))).collect()
}

/// Cuts a list into several of about [`PART_BYTES`]; there is always one.
fn cut<T>(list: Vec<T>, bytes_of: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for item in list {
        let more = bytes_of(&item);
        if bytes > 0 && bytes + more > PART_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        parts.last_mut().expect("there is always one").push(item);
    }
    parts
}

/// Puts answers together from their frames; never holds more than [`codec::LARGE_BYTES_MAX`] of one.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    answer: Vec<u8>,
    taken_bytes: usize,
}

impl Pieces {
    /// Adds the next frame. Returns an answer with the last of its frames.
    pub(crate) fn add(&mut self, frame: &[u8]) -> Result<Option<Answer>, AnswerError> {
        self.taken_bytes += frame.len();
        let (kind, piece) = frame.split_first().ok_or(AnswerError::Unknown)?;
        if self.taken_bytes > ANSWERS_BYTES_MAX || self.answer.len() + piece.len() > codec::LARGE_BYTES_MAX {
            return Err(AnswerError::TooLarge);
        }
        self.answer.extend_from_slice(piece);
        match *kind {
            kind if kind == Kind::More as u8 => Ok(None),
            kind if kind == Kind::Progress as u8 && piece.is_empty() => Ok(None),
            kind if kind == Kind::Last as u8 => {
                Ok(Some(codec::decode_large(VERSION, &std::mem::take(&mut self.answer))?))
            }
            _ => Err(AnswerError::Unknown),
        }
    }

    /// Tells whether no answer has begun that has not ended.
    pub(crate) fn is_whole(&self) -> bool {
        self.answer.is_empty()
    }
}

/// Frames that are no answer.
#[derive(Debug, Error)]
pub(crate) enum AnswerError {
    /// More than this node takes.
    #[error(
        "the result of one node has more than {ANSWERS_BYTES_MAX} bytes; select less, or ask for fewer or longer steps"
    )]
    TooLarge,
    /// A frame of no known kind.
    #[error("a frame of no known kind")]
    Unknown,
    /// It does not read.
    #[error("the answer does not read: {0}")]
    Malformed(#[from] DecodeError),
}

const VERSION: u8 = 3;
/// About how large the answers are into which a large one is split.
const PART_BYTES: usize = 8 << 20;
/// The most that a node takes of another's answers to one question; the query fails beyond it. What a result may hold in memory
/// (`ENTRIES_BYTES_MAX`, `CELLS_MAX`, `PANES_MAX`, `VALUES_MAX` of LogQL, the limits of volumes and patterns) is less.
const ANSWERS_BYTES_MAX: usize = 256 << 20;
/// Small enough that other streams of the connection are not held up, large enough to cost nothing.
const PIECE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use logmesh_logql::SeriesPart;

    use super::super::volume::VolumeCell;
    use super::*;

    fn scanned(outcome: Outcome) -> Answer {
        Answer::Scanned(Box::new(Scanned { outcome, damaged: Vec::new(), bytes: 7, rows: 6, rows_kept: 5, blocks: 4 }))
    }

    /// Sends an answer over, with signs of life between its frames, and returns what arrives.
    fn travel(answer: Answer) -> Vec<Scanned> {
        let (mut pieces, mut arrived) = (Pieces::default(), Vec::new());
        for frame in encode_answer(answer) {
            assert!(frame.len() <= PIECE_BYTES + 1);
            assert!(pieces.add(&progress()).unwrap().is_none());
            match pieces.add(&frame).unwrap() {
                Some(Answer::Scanned(scanned)) => arrived.push(*scanned),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
        assert!(pieces.is_whole());
        arrived
    }

    #[test]
    fn large_results_travel_in_parts_and_lose_nothing() {
        // More than one message may have: it would not travel whole.
        let series = |number: usize| SeriesPart {
            labels: Labels::new([("number".to_owned(), number.to_string())]),
            first: 0,
            counts: vec![u64::MAX; 10_000],
            bytes: Vec::new(),
            panes: Vec::new(),
        };
        let sent: Vec<SeriesPart> = (0..800).map(series).collect();
        let parts = travel(scanned(Outcome::Partial(Partial::Metric { leaves: vec![sent.clone()] })));
        assert!(parts.len() > 8, "{}", parts.len());
        assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 6);
        let mut arrived = Vec::new();
        for part in parts {
            let Outcome::Partial(Partial::Metric { leaves }) = part.outcome else { panic!("numbers were sent") };
            arrived.extend(leaves.into_iter().flatten());
        }
        assert_eq!(arrived, sent);
    }

    #[test]
    fn long_lists_travel_in_parts_and_short_ones_whole() {
        let sent: Vec<String> = (0..20_000).map(|at| format!("{at:01000}")).collect();
        let parts = travel(scanned(Outcome::Texts(sent.clone())));
        assert_eq!(parts.len(), 3);
        let texts = |part: Scanned| if let Outcome::Texts(texts) = part.outcome { texts } else { Vec::new() };
        assert_eq!(parts.into_iter().flat_map(texts).collect::<Vec<_>>(), sent);
        assert_eq!(travel(scanned(Outcome::Streams(Vec::new()))).len(), 1);
        assert_eq!(travel(scanned(Outcome::Partial(Partial::Log { streams: vec![], entries: vec![] }))).len(), 1);
    }

    #[test]
    fn volumes_travel_in_parts_and_lose_nothing() {
        let series = |number: usize| VolumeSeries {
            group: vec![("number".to_owned(), number.to_string())],
            cells: (0..2_000).map(|step| (step, VolumeCell { bytes: u64::MAX, entries: 1, chunks: 1 })).collect(),
        };
        let sent: Vec<VolumeSeries> = (0..1_000).map(series).collect();
        let parts = travel(scanned(Outcome::Volume(sent.clone())));
        assert!(parts.len() > 2, "{}", parts.len());
        let volumes = |part: Scanned| if let Outcome::Volume(series) = part.outcome { series } else { Vec::new() };
        assert_eq!(parts.into_iter().flat_map(volumes).collect::<Vec<_>>(), sent);
        assert_eq!(travel(scanned(Outcome::Volume(Vec::new()))).len(), 1);
        assert_eq!(travel(scanned(Outcome::Patterns(PatternPart::default()))).len(), 1);
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        for frame in [&[][..], &[3, 1], &[2, 1], &[1], &[1, 1, 2, 3]] {
            assert!(Pieces::default().add(frame).is_err(), "{frame:?}");
        }
        let mut pieces = Pieces::default();
        let endless = vec![Kind::More as u8; PIECE_BYTES];
        let refused = (0..1_000).find_map(|_| pieces.add(&endless).err());
        assert!(matches!(refused, Some(AnswerError::TooLarge)), "{refused:?}");
    }
}
