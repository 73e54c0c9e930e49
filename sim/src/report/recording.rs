//! What a run was like: everything that a report shows, as plain figures. Its JSON is what `--json` prints; `sim/README.md`
//! describes it.

use serde::Serialize;

use super::quantiles::Quantiles;

/// A run. Times are seconds since its beginning.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recording {
    /// What the scenario is called.
    pub scenario: String,
    /// What it shows.
    pub about: String,
    /// From what all chance was drawn.
    pub seed: u64,
    /// How many nodes should hold each batch.
    pub copies: u8,
    /// How many copies clients waited for.
    pub ack_copies: u8,
    /// How long clients wrote; what comes after is convergence.
    pub lasts_s: f64,
    /// When the last fault was over.
    pub calm_from_s: f64,
    /// The time between two moments.
    pub step_s: f64,
    /// What happened, in the words of the scenario.
    pub marks: Vec<Mark>,
    /// How it went on the whole.
    pub outcome: Outcome,
    /// How it went from moment to moment.
    pub moments: Vec<Moment>,
    /// How each node fared.
    pub nodes: Vec<NodeTrack>,
    /// How long all acknowledgements took.
    #[serde(skip)]
    pub acks: Quantiles,
}

/// Something that happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mark {
    /// The sentence of the timeline.
    pub text: String,
    /// When it began.
    pub from_s: f64,
    /// When it was over.
    pub to_s: f64,
    /// The places of the nodes concerned in the list of nodes.
    pub nodes: Vec<usize>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The promises that were broken, in sentences; none is as it should be.
    pub broken: Vec<String>,
    /// How long after the last write and fault all holders held the same.
    pub converged_after_s: Option<f64>,
    /// Why they did not in the time there was.
    pub unconverged: Option<String>,
    /// Acknowledged batches that are on no disk any more, those of lost disks included.
    pub lost: u64,
    /// Acknowledged batches.
    pub acknowledged: u64,
    /// A hash of all that happened: equal seeds give equal ones.
    pub trace: String,
    /// How many events the simulator went through.
    pub events: u64,
}

/// What happened since the moment before, and how things stand.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Moment {
    /// When this is.
    pub at_s: f64,
    /// Writes acknowledged.
    pub accepted: u64,
    /// Writes refused, or for which there was no node.
    pub refused: u64,
    /// How long acknowledgements took, in milliseconds: median, 99th percentile, longest.
    pub ack_ms: Option<[f64; 3]>,
    /// Acknowledgements by how many copies they told of.
    pub copies_told: Vec<u64>,
    /// Acknowledged batches by how many disks have them now.
    pub copies: Vec<u64>,
    /// Bytes of new batches sent by their origins.
    pub push_bytes: u64,
    /// Bytes of batches and extents sent besides.
    pub repair_bytes: u64,
    /// Bytes of messages between the machines.
    pub message_bytes: u64,
    /// Whether all holders hold the same, if that was looked at.
    pub is_converged: Option<bool>,
    /// Answers that said that they are complete, and were.
    pub answers_complete: u32,
    /// Answers that said that they are not, and were not.
    pub answers_incomplete: u32,
    /// Answers that were complete and did not know.
    pub answers_unsure: u32,
    /// Answers that said that they are complete, and were not.
    pub answers_wrong: u32,
    /// The most batches that an answer lacked.
    pub missing: u64,
    /// How long ago the oldest batch that an answer lacked had been acknowledged.
    pub staleness_s: f64,
}

/// How one node fared, moment by moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NodeTrack {
    /// Its name.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// How it was.
    pub state: Vec<NodeState>,
    /// Writes it acknowledged.
    pub accepted: Vec<u32>,
    /// Writes it refused.
    pub refused: Vec<u32>,
    /// Bytes of batches and extents that it sent, its own new batches left out.
    pub repair_bytes: Vec<u64>,
    /// Bytes of batches on its disk.
    pub disk_bytes: Vec<u64>,
}

/// How a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It is not a member: it has not joined, or has left, or was forgotten.
    #[default]
    Absent,
    /// It is up and sees most of the others.
    Up,
    /// It is up and sees fewer than half of those that are up.
    CutOff,
    /// It is up and refuses clients.
    Refusing,
    /// It is down.
    Down,
}

impl Recording {
    /// Returns when the recording ends.
    pub fn end_s(&self) -> f64 {
        self.moments.last().map_or(self.lasts_s, |moment| moment.at_s)
    }
}

impl Moment {
    /// Returns how many acknowledged batches are on fewer disks than they should be.
    pub fn short(&self, copies: u8) -> u64 {
        self.copies.iter().take(usize::from(copies)).sum()
    }
}
