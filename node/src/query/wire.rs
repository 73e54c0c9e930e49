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

/// Returns an answer cut into frames that the net carries.
pub(crate) fn encode_answer(answer: &Answer) -> Vec<Bytes> {
    let whole = Bytes::from(codec::encode(VERSION, answer));
    let pieces = whole.len().div_ceil(PIECE_BYTES);
    (0..pieces).map(|at| whole.slice(at * PIECE_BYTES..whole.len().min((at + 1) * PIECE_BYTES))).collect()
}

/// Puts an answer together from its frames; never holds more than [`codec::LARGE_BYTES_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Pieces(Vec<u8>);

impl Pieces {
    /// Adds the next frame.
    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<(), AnswerError> {
        if self.0.len() + piece.len() > codec::LARGE_BYTES_MAX {
            return Err(AnswerError::TooLarge);
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }

    /// Reads the whole.
    pub(crate) fn finish(self) -> Result<Answer, AnswerError> {
        Ok(codec::decode_large(VERSION, &self.0)?)
    }
}

/// Frames that are no answer.
#[derive(Debug, Error)]
pub(crate) enum AnswerError {
    /// Larger than this node takes.
    #[error("the answer is larger than {} bytes", codec::LARGE_BYTES_MAX)]
    TooLarge,
    /// It does not read.
    #[error("the answer does not read: {0}")]
    Malformed(#[from] DecodeError),
}

const VERSION: u8 = 2;
/// Small enough that other streams of the connection are not held up, large enough to cost nothing.
const PIECE_BYTES: usize = 256 << 10;
