//! The Merkle tree over the batches of one segment, and the digest that joins segments to windows, days and a whole mesh.
//!
//! Equal contents give equal roots, whatever the order of arrival; unequal roots are descended, sixteen children a step, to
//! the batches that differ. The tree holds the batch ids themselves, once, and must never cost more than about 3 MiB for a
//! full segment together with the sizes in the [ledger](crate::ledger).

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::BatchId;

/// A BLAKE3 hash over batches: of a tree's node, or of several trees.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns 8 bytes for the wire. `salt` must be drawn afresh for each session: then two unequal digests that look equal
    /// once (one case in 2^64) do not look equal again.
    pub fn salted(&self, salt: u64) -> [u8; 8] {
        let mut input = [0; 40];
        input[..8].copy_from_slice(&salt.to_le_bytes());
        input[8..].copy_from_slice(&self.0);
        let hash = blake3::keyed_hash(SALTED_KEY, &input);
        *hash.as_bytes().first_chunk().expect("a hash has more than 8 bytes")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Joins the digests of parts (segments of a window, windows of a day, days of a mesh) to one. The parts must come in order of
/// their keys, each key once; a part that holds nothing must be left out, so that empty and absent are the same.
pub fn combine<K: AsRef<[u8]>>(parts: impl IntoIterator<Item = (K, Digest)>) -> Digest {
    let mut hasher = blake3::Hasher::new_keyed(COMBINED_KEY);
    for (key, digest) in parts {
        let key = key.as_ref();
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(&digest.0);
    }
    Digest(*hasher.finalize().as_bytes())
}

/// A node of the tree. Level 4 is the root, level 1 lies above the batches, level 0 are the batches, and there `index` is
/// the seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    /// The height above the batches.
    pub level: u8,
    /// The place among the nodes of this level.
    pub index: u16,
}

impl Path {
    /// The root of every tree.
    pub const ROOT: Path = Path { level: LEVELS, index: 0 };

    /// Returns the node beneath; none beneath a batch, beyond the sixteenth child, or from a path that is in no tree.
    pub fn child(self, child: u8) -> Option<Path> {
        let within = self.is_sound() && self.level > 0 && child < FAN_OUT;
        within.then(|| Path { level: self.level - 1, index: self.index * u16::from(FAN_OUT) + u16::from(child) })
    }

    /// Returns the seqs beneath; empty for a path that is in no tree.
    pub fn seqs(self) -> Range<u32> {
        if !self.is_sound() {
            return 0..0;
        }
        let width = 1u32 << (FAN_OUT_BITS * u32::from(self.level));
        let from = u32::from(self.index) * width;
        from..from + width
    }

    /// Tells whether there is such a node in a tree: a path that a peer sent may be anything.
    pub fn is_sound(self) -> bool {
        self.level <= LEVELS && u32::from(self.index) < LEAVES_MAX >> (FAN_OUT_BITS * u32::from(self.level))
    }

    fn of(level: u8, seq: u16) -> Path {
        Path { level, index: (u32::from(seq) >> (FAN_OUT_BITS * u32::from(level))) as u16 }
    }
}

/// The tree over a segment's batch ids: sparse, and incremental. Changes are hashed when somebody asks, so that of many batches that come
/// one after the other their path is hashed once.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Level 1, with the batch ids beneath.
    groups: BTreeMap<u16, Group>,
    /// Levels 2 and 3.
    inner: [BTreeMap<u16, Hashed>; 2],
    root: Hashed,
}

/// The digest of a node, unless something beneath it has changed since it was last hashed.
type Hashed = OnceCell<Digest>;

/// Up to sixteen batches that lie beside each other.
#[derive(Clone, Debug, Default)]
struct Group {
    /// Which of the sixteen are there.
    present: u16,
    /// Their ids, in order, without gaps.
    ids: Vec<BatchId>,
    digest: Hashed,
}

impl Tree {
    /// Returns the tree over nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the tree over `batches`. Of two batches with one seq the last counts; seqs from [`LEAVES_MAX`] on are left out.
    pub fn build(batches: impl IntoIterator<Item = (u32, BatchId)>) -> Self {
        let mut tree = Self::new();
        for (seq, id) in batches {
            tree.insert(seq, &id);
        }
        tree
    }

    /// Puts a batch in the place `seq`, instead of what was there. Tells whether the tree has changed; it has not if `seq` is
    /// [`LEAVES_MAX`] or more.
    pub fn insert(&mut self, seq: u32, id: &BatchId) -> bool {
        let Ok(seq) = u16::try_from(seq) else { return false };
        let changed = self.place(seq, *id);
        if changed {
            self.forget_path(seq);
        }
        changed
    }

    /// Takes out the batch `seq` and returns its id.
    pub fn remove(&mut self, seq: u32) -> Option<BatchId> {
        let (short, group, at) = self.locate(seq)?;
        let found = self.groups.get_mut(&group)?;
        let id = found.ids.remove(at);
        found.present &= !bit(short);
        if found.present == 0 {
            self.groups.remove(&group);
        }
        self.forget_path(short);
        Some(id)
    }

    /// Returns the id of the batch `seq`.
    pub fn id(&self, seq: u32) -> Option<BatchId> {
        let (_, group, at) = self.locate(seq)?;
        Some(self.groups[&group].ids[at])
    }

    /// Returns the batches, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, BatchId)> {
        self.groups.iter().flat_map(|(index, group)| {
            let from = u32::from(*index) * u32::from(FAN_OUT);
            children_of(group.present).map(move |child| from + u32::from(child)).zip(group.ids.iter().copied())
        })
    }

    /// Returns the digest of the whole. The empty tree has one too.
    pub fn root(&self) -> Digest {
        *self.root.get_or_init(|| self.hash(Path::ROOT))
    }

    /// Returns the children of a node that are there, in order, each with its digest; beneath level 1 the digests are the batch
    /// ids. Empty for level 0 and for a path that is in no tree.
    pub fn children(&self, path: Path) -> Vec<(u8, Digest)> {
        if !path.is_sound() || path.level == 0 {
            return Vec::new();
        }
        if path.level == 1 {
            let Some(group) = self.groups.get(&path.index) else { return Vec::new() };
            return children_of(group.present).zip(group.ids.iter().map(|id| Digest(*id.as_bytes()))).collect();
        }
        let first = path.index * u16::from(FAN_OUT);
        let beneath = first..=first + u16::from(FAN_OUT - 1);
        let child = |index: &u16| (index % u16::from(FAN_OUT)) as u8;
        let digest = |index: &u16, known: &Hashed| {
            let beneath = Path { level: path.level - 1, index: *index };
            (child(index), *known.get_or_init(|| self.hash(beneath)))
        };
        match path.level {
            2 => self.groups.range(beneath).map(|(index, group)| digest(index, &group.digest)).collect(),
            level => self.inner[usize::from(level) - 3].range(beneath).map(|(at, known)| digest(at, known)).collect(),
        }
    }

    /// Returns how many batches of the group of `seq` lie before it: its place in a vector that is kept beside.
    pub(crate) fn rank(&self, seq: u32) -> usize {
        let group = self.groups.get(&((seq / u32::from(FAN_OUT)) as u16));
        group.map_or(0, |group| (group.present & (bit(seq as u16) - 1)).count_ones() as usize)
    }

    /// Returns the seq as it is kept, its group, and its place within; none if it is not there.
    fn locate(&self, seq: u32) -> Option<(u16, u16, usize)> {
        let short = u16::try_from(seq).ok()?;
        let index = short / u16::from(FAN_OUT);
        let group = self.groups.get(&index)?;
        (group.present & bit(short) != 0).then(|| (short, index, self.rank(seq)))
    }

    fn place(&mut self, seq: u16, id: BatchId) -> bool {
        let at = self.rank(u32::from(seq));
        let group = self.groups.entry(seq / u16::from(FAN_OUT)).or_default();
        if group.present & bit(seq) == 0 {
            group.present |= bit(seq);
            group.ids.insert(at, id);
            return true;
        }
        std::mem::replace(&mut group.ids[at], id) != id
    }

    /// What lies on the way to a batch is hashed anew when it is asked for; a node with nothing beneath is taken out.
    fn forget_path(&mut self, seq: u16) {
        if let Some(group) = self.groups.get_mut(&Path::of(1, seq).index) {
            group.digest.take();
        }
        for level in 2..LEVELS {
            let path = Path::of(level, seq);
            let first = path.index * u16::from(FAN_OUT);
            let beneath = first..=first + u16::from(FAN_OUT - 1);
            let (groups, [second, third]) = (&self.groups, &mut self.inner);
            let (nodes, is_empty) = match level {
                2 => (&mut *second, groups.range(beneath).next().is_none()),
                _ => (third, second.range(beneath).next().is_none()),
            };
            if is_empty {
                nodes.remove(&path.index);
            } else {
                nodes.entry(path.index).or_default().take();
            }
        }
        self.root.take();
    }

    /// Hashes a node from what lies directly beneath.
    fn hash(&self, path: Path) -> Digest {
        node_digest(path, self.children(path).into_iter())
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Tree {}

/// Hashes a node: its level, its place, which children it has, and their digests. The key keeps it apart from every batch id,
/// which are hashes without a key.
fn node_digest(path: Path, children: impl Iterator<Item = (u8, Digest)>) -> Digest {
    let mut input = [0; 5 + 32 * FAN_OUT as usize];
    let mut present = 0u16;
    let mut end = 5;
    for (child, digest) in children {
        present |= 1 << child;
        input[end..end + 32].copy_from_slice(&digest.0);
        end += 32;
    }
    input[0] = path.level;
    input[1..3].copy_from_slice(&path.index.to_le_bytes());
    input[3..5].copy_from_slice(&present.to_le_bytes());
    Digest(*blake3::keyed_hash(NODE_KEY, &input[..end]).as_bytes())
}

fn bit(seq: u16) -> u16 {
    1 << (seq % u16::from(FAN_OUT))
}

fn children_of(present: u16) -> impl Iterator<Item = u8> {
    (0..FAN_OUT).filter(move |child| present & (1 << child) != 0)
}

/// The most batches that a tree, and so a segment, may have.
pub const LEAVES_MAX: u32 = 65_536;

/// How many children a node has at most.
const FAN_OUT: u8 = 16;
const FAN_OUT_BITS: u32 = 4;
const LEVELS: u8 = 4;

/// Keys instead of derived keys: a derived key costs a second hash for each node.
const NODE_KEY: &[u8; 32] = b"logmesh merkle: node, version 1.";
const COMBINED_KEY: &[u8; 32] = b"logmesh merkle: union, version 1";
const SALTED_KEY: &[u8; 32] = b"logmesh merkle: salted version 1";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    use super::*;

    fn id(seed: u32) -> BatchId {
        BatchId::of(&seed.to_le_bytes())
    }

    fn tree(batches: &BTreeMap<u32, u32>) -> Tree {
        Tree::build(batches.iter().map(|(seq, seed)| (*seq, id(*seed))))
    }

    /// What two nodes do whose roots differ: ask for children, keep those that differ, until batches are reached.
    fn descend(a: &Tree, b: &Tree) -> BTreeSet<u32> {
        let mut differing = BTreeSet::new();
        let mut paths = if a.root() == b.root() { Vec::new() } else { vec![Path::ROOT] };
        while let Some(path) = paths.pop() {
            let of = |tree: &Tree| tree.children(path).into_iter().collect::<BTreeMap<u8, Digest>>();
            let (a, b) = (of(a), of(b));
            for child in (0..FAN_OUT).filter(|child| a.get(child) != b.get(child)) {
                match path.child(child).unwrap() {
                    Path { level: 0, index } => _ = differing.insert(u32::from(index)),
                    beneath => paths.push(beneath),
                }
            }
        }
        differing
    }

    proptest! {
        #[test]
        fn the_root_ignores_how_the_tree_came_to_be(
            history in vec((0u32..300, 0u32..3, any::<bool>()), 0..80), far in 0u32..LEAVES_MAX
        ) {
            let (mut tree, mut model) = (Tree::new(), BTreeMap::new());
            for (seq, seed, removes) in history.into_iter().map(|(seq, seed, removes)| ((seq * 7919 + far) % LEAVES_MAX, seed, removes)) {
                if removes {
                    prop_assert_eq!(tree.remove(seq), model.remove(&seq));
                } else {
                    prop_assert_eq!(tree.insert(seq, &id(seed)), model.insert(seq, id(seed)) != Some(id(seed)));
                }
                prop_assert_eq!(tree.id(seq), model.get(&seq).copied());
                // What was hashed before a change must not be told after it.
                if seed == 0 {
                    prop_assert_eq!(tree.root(), Tree::build(model.clone()).root());
                }
            }
            prop_assert_eq!(tree.iter().collect::<BTreeMap<_, _>>(), model.clone());
            prop_assert_eq!(tree.inner.each_ref().map(BTreeMap::len), Tree::build(model.clone()).inner.each_ref().map(BTreeMap::len));
            prop_assert_eq!(tree, Tree::build(model));
        }

        #[test]
        fn the_descent_finds_what_differs_and_nothing_else(
            a in btree_map(0u32..LEAVES_MAX, 0u32..2, 0..60), changes in btree_map(0u32..LEAVES_MAX, 0u32..3, 0..5)
        ) {
            let mut b = a.clone();
            for (at, (seq, change)) in changes.into_iter().enumerate() {
                // Half of the changes fall on batches that are there.
                let seq = a.keys().nth(at).copied().filter(|_| at % 2 == 0).unwrap_or(seq);
                if change == 2 { b.remove(&seq) } else { b.insert(seq, change) };
            }
            let differing = (0..LEAVES_MAX).filter(|seq| a.get(seq) != b.get(seq)).collect::<BTreeSet<_>>();
            prop_assert_eq!(tree(&a).root() == tree(&b).root(), differing.is_empty());
            prop_assert_eq!(descend(&tree(&a), &tree(&b)), differing);
        }

        #[test]
        fn no_path_of_a_peer_panics(level: u8, index: u16, child: u8) {
            let path = Path { level, index };
            let children = Tree::build([(5, id(1)), (LEAVES_MAX - 1, id(2))]).children(path);
            prop_assert!(path.is_sound() || children.is_empty());
            let beneath = path.child(child);
            prop_assert!(beneath.is_none_or(|beneath| path.seqs().contains(&beneath.seqs().start)));
        }

        #[test]
        fn a_union_differs_where_any_key_or_digest_does(a in btree_map(vec(any::<u8>(), 0..3), 0u8..3, 0..5), b in btree_map(vec(any::<u8>(), 0..3), 0u8..3, 0..5)) {
            let union = |parts: &BTreeMap<Vec<u8>, u8>| combine(parts.iter().map(|(key, byte)| (key, Digest([*byte; 32]))));
            prop_assert_eq!(union(&a) == union(&b), a == b);
        }

        #[test]
        fn a_salt_changes_what_the_wire_shows(a: [u8; 32], b: [u8; 32], salt: u64) {
            let (a, b) = (Digest(a), Digest(b));
            prop_assert_eq!(a.salted(salt) == b.salted(salt), a == b);
            prop_assert_ne!(a.salted(salt), a.salted(salt.wrapping_add(1)));
        }
    }

    #[test]
    fn the_place_of_a_batch_is_part_of_the_root() {
        let roots: BTreeSet<Digest> =
            [0, 1, 16, 17, 256, 4096, 65_535].map(|seq| Tree::build([(seq, id(1))]).root()).into();
        assert_eq!(roots.len(), 7);
    }

    #[test]
    fn a_batch_cannot_pass_for_a_group() {
        let low = Tree::build([(0, id(1)), (1, id(2))]);
        let group = low.children(Path { level: 2, index: 0 })[0].1;
        let forged = Tree::build([(0, BatchId::from_bytes(*group.as_bytes()))]);
        assert_ne!(forged.children(Path { level: 2, index: 0 })[0].1, group);
        assert_ne!(forged.root(), low.root());
    }

    #[test]
    fn the_roots_of_version_one_stay_as_they_are() {
        let tree = Tree::build((0..20).map(|seq| (seq, id(seq))));
        assert_eq!(tree.root().to_string(), "eb58801a303d8e49809acd7df4eeb71c55945a4033ccd9c06ae61f388dc3232a");
        assert_eq!(
            combine([(b"a", tree.root())]).to_string(),
            "a629f2c7b875e88c443664bbb8011dc0bbdd807e37b46678cf26cfe2d7ce9d7d"
        );
        assert_eq!(tree.root().salted(7), [111, 5, 78, 117, 183, 125, 193, 204]);
    }

    #[test]
    fn seqs_beyond_the_bound_are_refused() {
        let mut tree = Tree::new();
        assert!(!tree.insert(LEAVES_MAX, &id(1)));
        assert_eq!((tree.remove(LEAVES_MAX), tree.id(u32::MAX)), (None, None));
        assert_eq!(Tree::build([(LEAVES_MAX, id(1))]), Tree::new());
    }

    #[test]
    fn a_full_tree_holds_each_id_once() {
        let tree = Tree::build((0..LEAVES_MAX).map(|seq| (seq, id(seq))));
        let kept: usize = tree.groups.values().map(|group| group.ids.capacity() * size_of::<BatchId>()).sum();
        let nodes = tree.groups.len() * size_of::<Group>() + (256 + 16) * size_of::<Digest>();
        assert!(kept + nodes < 2_400 << 10, "{kept} + {nodes} bytes");
    }
}
