//! What nodes say to each other, with its versioned codec.
//!
//! | message | answer |
//! |---|---|
//! | `Batches`, `Extent` (beside, see [`crate::envelope`]) | `Held`, if the sender is their origin |
//! | `Ask` | `Held` of each |
//! | `Members` | `Members` if the sender lacks rows, else `MembersKnown` |
//! | `Compare` | `Same`, `Later`, `Members`, or `Differ` |
//! | `Differ` | the next level of `Differ`, in the end as to `Have` |
//! | `Have` | `Want`, `Have`, `Confirm` or `Tree`, as the sets, roots and wishes are |
//! | `Want` | batches or extents |
//! | `Tree` | `Tree` one level lower, in the end `Suspect` |
//! | `Offer` | `Take`, and then the extent |
//! | `Deletions` | `DeletionsKnown`, or `Deletions` where rows are lacking |
//!
//! Each message can be lost, come twice or late: none of them is needed for more than speed, whoever sent it asks again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::deletion::Deletion;
use crate::id::{Boot, NodeId};
use crate::member::MemberRow;
use crate::merkle::Path;
use crate::segment::{ExtentId, SegmentId};
use crate::seq_set::SeqSet;

mod compact;
mod rising;

pub use self::compact::by_journal;

/// What one node says to another, batches and extents excepted, which travel beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The sender holds this of a segment, durably.
    Held {
        /// The segment.
        segment: SegmentId,
        /// What it holds.
        held: SeqSet,
    },
    /// The sender asks what the receiver holds of these, at most [`SEGMENTS_MAX`].
    Ask {
        /// The segments.
        segments: Vec<SegmentId>,
    },
    /// Rows of the sender's member table.
    Members {
        /// The digest of its whole table.
        digest: [u8; 16],
        /// All its rows, or some.
        rows: Vec<MemberRow>,
        /// Whether this answers a message of the same kind, so that it is not answered again.
        answer: bool,
    },
    /// The sender's table has this digest now that it has merged what it was sent: it knows the receiver's row.
    MembersKnown {
        /// The digest of its whole table.
        digest: [u8; 16],
    },
    /// A repair round begins: this is what the sender has of all that both should hold.
    Compare {
        /// Names the round, and salts all its fingerprints.
        salt: Salt,
        /// The digest of the sender's member table: with another one, the two would not compare the same segments.
        members: [u8; 16],
        /// The fingerprint of everything.
        digest: Fingerprint,
        /// Whom the sender takes to have departed.
        suspects: Vec<NodeId>,
    },
    /// Nothing differs.
    Same {
        /// The round.
        salt: Salt,
    },
    /// The sender can vouch for nothing: it has not looked through its disk since it started, or is about to stop.
    Later {
        /// The round.
        salt: Salt,
    },
    /// Something differs; here is the next level.
    Differ {
        /// The round.
        salt: Salt,
        /// What the sender has, one level lower.
        level: Level,
    },
    /// What the sender holds of segments, settled: batches still in flight are left out. At most [`SEGMENTS_MAX`].
    Have {
        /// Salts the roots.
        salt: Salt,
        /// What it wishes to hear.
        wish: Wish,
        /// Each segment.
        #[serde(with = "compact")]
        segments: Vec<Has>,
    },
    /// The sender holds, durably and with the same ids, all that the receiver showed of these segments. At most [`SEGMENTS_MAX`].
    Confirm {
        /// The salt under which it was shown.
        salt: Salt,
        /// What the receiver wished when it showed it: what was shown before a stop began counts for nothing in the stop.
        wish: Wish,
        /// Each segment with the root that was shown.
        #[serde(with = "compact")]
        segments: Vec<(SegmentId, Fingerprint)>,
    },
    /// The sender wants these batches, of at most [`SEGMENTS_MAX`] segments.
    Want {
        /// Which of each segment.
        #[serde(with = "compact")]
        segments: Vec<(SegmentId, SeqSet)>,
    },
    /// Two hold the same seqs of a segment under different ids: nodes of the sender's Merkle tree, at most [`NODES_MAX`].
    Tree {
        /// The segment.
        segment: SegmentId,
        /// Salts the fingerprints.
        salt: Salt,
        /// Nodes, each with its children.
        nodes: Vec<(Path, Vec<(u8, Fingerprint)>)>,
    },
    /// The sender's ids of some batches are not the receiver's: one of the two is damaged, both look.
    Suspect {
        /// The segment.
        segment: SegmentId,
        /// Which of it.
        seqs: SeqSet,
    },
    /// The sender has sealed batches that the receiver holds, and would give it the extent.
    Offer {
        /// The extent.
        extent: ExtentId,
        /// Its size.
        bytes: u64,
    },
    /// The sender would adopt this extent.
    Take {
        /// The extent.
        extent: ExtentId,
    },
    /// Rows of the sender's table of deletions.
    Deletions {
        /// The digest of its whole table.
        digest: [u8; 16],
        /// All its rows, or some.
        rows: Vec<Deletion>,
        /// Whether the receiver is to send its own rows if the tables still differ.
        asks: bool,
    },
    /// The sender's table of deletions has this digest now that it has merged what it was sent.
    DeletionsKnown {
        /// The digest of its whole table.
        digest: [u8; 16],
    },
}

/// What the sender has of what both should hold, at one level of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// All days.
    Days(#[serde(with = "rising")] Vec<(u32, Fingerprint)>),
    /// All windows of these days.
    Windows {
        /// The days, the newest [`DAYS_MAX`] that differ.
        #[serde(with = "rising")]
        days: Vec<u32>,
        /// Their windows.
        #[serde(with = "rising")]
        windows: Vec<(u32, Fingerprint)>,
    },
    /// All segments of these windows, as [`Message::Have`] shows them: said at once where that is cheaper than one more level.
    Held {
        /// The windows, the newest [`WINDOWS_MAX`] that differ.
        #[serde(with = "rising")]
        windows: Vec<u32>,
        /// All that the sender holds in them and both should hold.
        #[serde(with = "compact")]
        segments: Vec<Has>,
    },
    /// All segments of these windows.
    Segments {
        /// The windows, the newest [`WINDOWS_MAX`] that differ.
        #[serde(with = "rising")]
        windows: Vec<u32>,
        /// Their segments: each id cut short, and the fingerprint of id and root.
        segments: Vec<(ShortName, Fingerprint)>,
    },
    /// The sender does not know these segments, and the receiver should say what it has of them.
    Unknown {
        /// In these windows.
        #[serde(with = "rising")]
        windows: Vec<u32>,
        /// As the receiver called them.
        segments: Vec<ShortName>,
    },
}

/// What a node holds of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Has {
    /// The segment.
    pub segment: SegmentId,
    /// What it holds, without what is still in flight.
    pub held: SeqSet,
    /// The root over exactly that, salted; none while something is in flight.
    pub root: Option<Fingerprint>,
}

/// What somebody who says what it has wishes to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Nothing: it answers.
    Nothing,
    /// Whether the receiver has more.
    More,
    /// Whether the receiver has all of it, so that the sender may let go.
    Confirm,
    /// As [`Wish::Confirm`], and the receiver should take it even if it is no holder: the sender is about to end this start of its.
    Take(Boot),
}

impl Wish {
    /// Tells whether the sender is about to stop.
    pub fn is_take(self) -> bool {
        matches!(self, Self::Take(_))
    }
}

/// Names a repair round and salts what is sent in it. Drawn afresh for each.
pub type Salt = [u8; 8];

/// A digest cut short for the wire.
pub type Fingerprint = [u8; 8];

/// A segment's id cut short for the wire. Two ids that look alike do not do so again in the next round, under another salt.
pub type ShortName = [u8; 4];

impl compact::OfSegment for Has {
    type Rest = (SeqSet, Option<Fingerprint>);

    fn split(&self) -> (SegmentId, Self::Rest) {
        (self.segment, (self.held.clone(), self.root))
    }

    fn join(segment: SegmentId, (held, root): Self::Rest) -> Self {
        Self { segment, held, root }
    }
}

/// Returns the message as bytes.
pub fn encode(message: &Message) -> Bytes {
    codec::encode(VERSION, message).into()
}

/// Reads what [`encode`] wrote, within the limits of [`codec`].
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    codec::decode(VERSION, bytes)
}

/// The most segments that one `Ask` or `Have` names; what is more waits for the next.
pub const SEGMENTS_MAX: usize = 256;

/// The most days that one round looks into; older ones wait for the next round.
pub const DAYS_MAX: usize = 64;

/// The most windows that one round looks into; older ones wait for the next round.
pub const WINDOWS_MAX: usize = 96;

/// The most fingerprints of segments in one message: 256 KiB.
pub const FINGERPRINTS_MAX: usize = 32_768;

/// The most nodes of a Merkle tree in one message; further differences are found once these are mended.
pub const NODES_MAX: usize = 64;

const VERSION: u8 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::id::{Boot, JournalId};
    use crate::segment::Window;

    fn segment() -> SegmentId {
        let journal = JournalId { node: NodeId::from_bytes([1; 32]), boot: Boot::from_bytes([2; 16]) };
        SegmentId { window: Window(300), journal, part: 4 }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(message: &Message, expected: &str) {
        let ids = format!("fb2c01{}{}", "01".repeat(32), "02".repeat(16));
        assert_eq!(hex(&encode(message)), expected.replace("SEGMENT", &format!("{ids}04")), "{message:?}");
        assert_eq!(decode(&encode(message)).as_ref(), Ok(message));
    }

    #[test]
    fn the_bytes_of_version_three_stay_as_they_are() {
        let held = SeqSet::from_range(0..7);
        let (salt, root) = ([9; 8], [3; 8]);
        let extent = ExtentId { segment: segment(), from: 1, to: 3 };
        check(&Message::Held { segment: segment(), held: held.clone() }, "0300SEGMENT020007");
        check(&Message::Ask { segments: vec![segment()] }, "030101SEGMENT");
        check(&Message::MembersKnown { digest: [5; 16] }, &format!("0303{}", "05".repeat(16)));
        let compare = Message::Compare { salt, members: [5; 16], digest: [6; 8], suspects: Vec::new() };
        check(&compare, &format!("0304{}{}{}00", "09".repeat(8), "05".repeat(16), "06".repeat(8)));
        check(&Message::Same { salt }, &format!("0305{}", "09".repeat(8)));
        check(&Message::Later { salt }, &format!("0306{}", "09".repeat(8)));
        let level = Level::Segments { windows: vec![8], segments: vec![([7; 4], [6; 8])] };
        check(
            &Message::Differ { salt, level },
            &format!("0307{}03010801{}{}", "09".repeat(8), "07".repeat(4), "06".repeat(8)),
        );
        let has = Has { segment: segment(), held: held.clone(), root: Some(root) };
        let other = SegmentId { window: Window(299), part: 5, ..segment() };
        let more = Has { segment: other, held: held.clone(), root: None };
        let journal = format!("{}{}", "01".repeat(32), "02".repeat(16));
        let shown = format!("0201{journal}fb2c0104020007 01{}00fcffffffff0502000700", "03".repeat(8)).replace(' ', "");
        let salted = "09".repeat(8);
        let have = Message::Have { salt, wish: Wish::Confirm, segments: vec![has.clone(), more.clone()] };
        check(&have, &format!("0308{salted}02{shown}"));
        let level = Level::Held { windows: vec![299, 300], segments: vec![has, more] };
        check(&Message::Differ { salt, level }, &format!("0307{salted}0202fb2b0101{shown}"));
        let boot = "09".repeat(16);
        let confirm =
            Message::Confirm { salt, wish: Wish::Take(Boot::from_bytes([9; 16])), segments: vec![(segment(), root)] };
        check(&confirm, &format!("0309{salted}03{boot}0101{journal}fb2c0104{}", "03".repeat(8)));
        let want = Message::Want { segments: vec![(segment(), held.clone())] };
        check(&want, &format!("030a0101{journal}fb2c0104020007"));
        let tree = Message::Tree { segment: segment(), salt, nodes: vec![(Path::ROOT, vec![(2, [6; 8])])] };
        check(&tree, &format!("030bSEGMENT{}0104000102{}", "09".repeat(8), "06".repeat(8)));
        check(&Message::Suspect { segment: segment(), seqs: held }, "030cSEGMENT020007");
        check(&Message::Offer { extent, bytes: 9 }, "030dSEGMENT010309");
        check(&Message::Take { extent }, "030eSEGMENT0103");
        let deletions = Message::Deletions { digest: [5; 16], rows: Vec::new(), asks: true };
        check(&deletions, &format!("030f{}0001", "05".repeat(16)));
        check(&Message::DeletionsKnown { digest: [5; 16] }, &format!("0310{}", "05".repeat(16)));
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0u8..18) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION, tag], &bytes[..]].concat());
        }

        #[test]
        fn truncated_messages_are_refused(seqs in proptest::collection::btree_set(0u32..1000, 0..20), cut in 0usize..200) {
            let whole = encode(&Message::Want { segments: vec![(segment(), seqs.into_iter().collect())] });
            let cut = cut % whole.len();
            prop_assert_eq!(decode(&whole[..cut]).is_err(), true);
        }
    }
}
