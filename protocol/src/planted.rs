//! Bugs on purpose, for the simulator alone: whoever lets one of them pass does not look. Built only with the feature `planted`, which
//! no node has; without it each hook is the constant `false`.

use std::cell::Cell;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An append is acknowledged before the store has said that it is durable.
    AcknowledgedBeforeDurable,
    /// A peer's batches are said to be held while they are still being stored.
    HeldBeforeDurable,
    /// What was sent and not held is never sent again.
    NeverSentAgain,
    /// The last number of a long run is left out of a difference of sets.
    OffByOne,
    /// The first source that is found is taken to have all that is wanted.
    WrongSource,
    /// A batch that two nodes hold is given to both to be scanned.
    AssignedTwice,
    /// Heads are not told.
    HeadsUntold,
    /// What cannot be stored leaves a hole, and its part goes on.
    HoleInPart,
    /// A confirmation is taken to hold for all that came later.
    RootCachedTooLong,
    /// A stand-in never hands over.
    StandInKeeps,
    /// A stand-in lets go as soon as one holder has shown that it holds all.
    DroppedTooEarly,
    /// A member that was away once is taken to be away for ever.
    ViewIgnored,
    /// A node that stopped in order is taken to be stopped when it runs again.
    CleanForEver,
    /// What was set aside as damaged is forgotten at the next start.
    QuarantineForgotten,
    /// Segments expire an hour early.
    ExpiredEarly,
    /// The digest of a window is over the first of its segments alone.
    DigestOfTheFirst,
    /// Who is away is left out of placement.
    MovedByLiveness,
    /// A node that hears nobody refuses to write.
    RefusesAlone,
    /// What lies on the disk is never read again.
    NeverScrubbed,
    /// A deletion that was taken back holds again when somebody who does not know that tells of it.
    CancellationUndone,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 20] = [
        Bug::AcknowledgedBeforeDurable,
        Bug::HeldBeforeDurable,
        Bug::NeverSentAgain,
        Bug::OffByOne,
        Bug::WrongSource,
        Bug::AssignedTwice,
        Bug::HeadsUntold,
        Bug::HoleInPart,
        Bug::RootCachedTooLong,
        Bug::StandInKeeps,
        Bug::DroppedTooEarly,
        Bug::ViewIgnored,
        Bug::CleanForEver,
        Bug::QuarantineForgotten,
        Bug::ExpiredEarly,
        Bug::DigestOfTheFirst,
        Bug::MovedByLiveness,
        Bug::RefusesAlone,
        Bug::NeverScrubbed,
        Bug::CancellationUndone,
    ];
}

/// Plants a bug in all machines that this thread drives from now on, or takes it out.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Tells whether this bug is planted.
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}
