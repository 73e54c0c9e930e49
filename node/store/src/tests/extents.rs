//! Seals and adoptions: every batch comes back byte for byte, and what does not fit changes nothing.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use logmesh_protocol::batch::Batch;
use logmesh_protocol::segment::ExtentId;
use logmesh_protocol::seq_set::SeqSet;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::world::{ALWAYS, BatchRows, World, batches, segment};
use crate::columns::Decoder;
use crate::extent::{Filed, Opened, Sealed};
use crate::header::Header;
use crate::keys::{Family, Place};
use crate::weave::Weave;
use crate::{AdoptError, Compression, SealError, Settings};

fn canonical(batches: &[BatchRows]) -> Vec<Vec<u8>> {
    (0..).zip(batches).map(|(seq, batch)| batch.canonical(&segment(0), seq)).collect()
}

/// Seals in memory.
fn sealed(batches: &[BatchRows], compression: Compression) -> Sealed {
    let canonical = canonical(batches);
    let decoded: Vec<Batch<'_>> = canonical.iter().map(|bytes| Batch::decode(bytes).unwrap()).collect();
    let id = ExtentId { segment: segment(0), from: 0, to: u32::try_from(batches.len()).unwrap() };
    Sealed::encode(id, &decoded, vec![7; batches.len()], 400, compression).unwrap()
}

fn rebuilt(opened: Opened) -> Vec<Option<Vec<u8>>> {
    let mut out = Vec::new();
    opened.rebuild(&|_| true, &mut |_, batch| out.push(batch)).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_extent_gives_back_each_batch_byte_for_byte(batches in batches(), compression in select(&Compression::ALL[..])) {
        let expected: Vec<_> = canonical(&batches).into_iter().map(Some).collect();
        let bytes = sealed(&batches, compression).to_bytes();
        prop_assert_eq!(rebuilt(Sealed::from_bytes(&bytes).unwrap().open().unwrap()), expected);
    }

    #[test]
    fn a_header_reads_what_it_writes(batches in batches()) {
        let sealed = sealed(&batches, Compression::Zstd);
        let stored = sealed.header.encode(&mut crate::columns::Encoder::new(Compression::Zstd).unwrap()).unwrap();
        prop_assert_eq!(Header::decode(&stored, &mut Decoder::new().unwrap()), Ok(sealed.header));
    }

    #[test]
    fn a_changed_extent_is_refused(
        batches in batches(),
        compression in select(&Compression::ALL[..]),
        at: usize,
        bit in 0u8..8,
    ) {
        let mut bytes = sealed(&batches, compression).to_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(Sealed::from_bytes(&Bytes::from(bytes.clone())).is_err());
        bytes.truncate(at);
        prop_assert!(Sealed::from_bytes(&Bytes::from(bytes)).is_err());
    }

    #[test]
    fn a_changed_weave_with_a_fitting_hash_never_panics(batches in batches(), at: usize, byte: u8, more in vec(any::<u8>(), 0..4)) {
        let sealed = sealed(&batches, Compression::Zstd);
        let mut weave = sealed.parts().next().unwrap().to_vec();
        let at = at % weave.len();
        weave.splice(at..at + 1, more.into_iter().chain([byte]));
        let _ = Weave::decode(&weave, &sealed.header, &mut Decoder::new().unwrap());
    }

    #[test]
    fn noise_with_a_fitting_digest_is_no_header(raw in vec(any::<u8>(), 0..300)) {
        let mut stored = vec![0; 32 + 16];
        crate::columns::Encoder::new(Compression::Zstd).unwrap().put_column(&mut stored, &raw).unwrap();
        let digest = *blake3::hash(&stored[32..]).as_bytes();
        stored[..32].copy_from_slice(&digest);
        stored.insert(0, 1);
        prop_assert!(Header::decode(&stored, &mut Decoder::new().unwrap()).is_err());
    }

    #[test]
    fn noise_is_no_extent(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Sealed::from_bytes(&Bytes::from(bytes.clone())).is_err());
        let id = ExtentId { segment: segment(0), from: 0, to: 1 };
        prop_assert!(Filed::decode(id, &bytes, &mut Decoder::new().unwrap()).is_err());
    }
}

/// One store for all cases: opening one takes longer than all else.
static SHARED: LazyLock<World> = LazyLock::new(World::new);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sealing_changes_no_frame_and_no_row(batches in batches(), part in 1000u32.., cut in 0usize..9) {
        let (world, segment) = (&*SHARED, segment(part));
        world.store.drop_segment(&segment).unwrap();
        world.append(&segment, 0, &batches);
        let count = u32::try_from(batches.len()).unwrap();
        let (ids, rows) = (world.frames(&segment, 0..count), world.rows("default", &[segment], ALWAYS).0);
        let cut = u32::try_from(cut % batches.len()).unwrap();
        world.store.seal(&segment, cut..count).unwrap();
        let expected: Vec<String> = {
            let ours = batches.iter().filter(|batch| batch.tenant == "default");
            let mut texts: Vec<String> = ours.flat_map(BatchRows::texts).collect();
            texts.sort();
            texts
        };
        prop_assert_eq!(&rows, &expected);
        prop_assert_eq!(world.rows("default", &[segment], ALWAYS).0, expected);
        prop_assert_eq!(world.frames(&segment, 0..count), ids);
        // Once more, with what is sealed folded in.
        world.store.seal(&segment, 0..count).unwrap();
        prop_assert_eq!(world.frames(&segment, 0..count).len(), batches.len());
        prop_assert_eq!(world.rows("default", &[segment], ALWAYS).0, rows);
        prop_assert!(world.store.verify(&segment).unwrap().is_empty());
    }
}

#[test]
fn extents_of_all_versions_are_read() {
    let batches = [BatchRows::plain(0, 0, 3), BatchRows::plain(1, 3, 2)];
    let expected: Vec<_> = canonical(&batches).into_iter().map(Some).collect();
    for (version, compression) in
        [(BLOCKS_ONE, Compression::Zstd), (BLOCKS_TWO, Compression::Zstd), (BLOCKS_TWO_LZ4, Compression::Lz4)]
    {
        let bytes: Vec<u8> = version.split_whitespace().flat_map(hex).collect();
        let now = sealed(&batches, compression).to_bytes();
        let now: Vec<String> = now.iter().map(|byte| format!("{byte:02x}")).collect();
        let read = Sealed::from_bytes(&Bytes::from(bytes)).and_then(Sealed::open);
        assert!(read.is_ok(), "now it would be {}", now.concat());
        assert_eq!(rebuilt(read.unwrap()), expected);
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Sealed by the first version; never to be changed. Nor are those below.
const BLOCKS_ONE: &str = "
    01ce000000016f03e32ba657649a89e5af6aa0c442f96afa68cc3ae5af67631d730821ca34c217fb16d83be0000017fb16d92a4b2800c1
    01990128b52ffd20c185040024080007530001020000000000023b17c4a2c24666090ada5d66092034b1e367cebbf3ec0f0a83cacaf0c8
    5fa2ad700707010764656661756c74021103617070056170702d30047a6f6e650161310162a0f4770ee6cbc0b267d0e2470ce4007a282b
    457b8f1edcc7ff18827365bf0ddd7300808080be87b68bfb2f80a0d9e61d000203020400204b517333a0130dd00201091228b52ffd2009
    490000020001030001020102020b28b52ffd20021100000001020b28b52ffd20021100000302010a28b52ffd2001090000000109091228
    b52ffd200949000080c0f9ef0c02020202050e28b52ffd20052900001717171717733628b52ffd20736d010004026c696e652030206f66
    206120706c61696e2062617463686c696e65203132333404006016a01c5058aacc3c00000000";

const BLOCKS_TWO: &str = "
    01ce00000001cc9306d4171f1d5464e4a4a2bb6e92de3ae6f06edc65da962985ed62f5c2bb8f17fb16d83be0000017fb16d92a4b2800c1
    01990128b52ffd20c185040024080007530001020000000000023b17c4a2c24666090ada5d66092034b1e367cebbf3ec0f0a83cacaf0c8
    5fa2ad700707010764656661756c74021103617070056170702d30047a6f6e650161310163d9baa98cdea1287f3bb1bf4b892221e308ac
    0d7363d506b19e46c5af0d5fdae17300808080be87b68bfb2f80a0d9e61d000203020400204b517333a0130dd00201091228b52ffd2009
    490000020001030001020102020b28b52ffd20021100000001020b28b52ffd20021100000302010a28b52ffd2001090000000209000912
    28b52ffd200949000080c0f9ef0c02020202050e28b52ffd20052900001717171717733628b52ffd20736d010004026c696e652030206f
    66206120706c61696e2062617463686c696e65203132333404006016a01c5058aacc3c00000000";
const BLOCKS_TWO_LZ4: &str = "
    01ce0000000108013d706d8ede58476d8dbb2e3f63f001cb8d3fd983be9888b331165b8a381a17fb16d83be0000017fb16d92a4b2800c1
    01990128b52ffd20c185040024080007530001020000000000023b17c4a2c24666090ada5d66092034b1e367cebbf3ec0f0a83cacaf0c8
    5fa2ad700707010764656661756c74021103617070056170702d30047a6f6e650161310161427807a9f25ec195eed15603898a30a152a1
    c38a4c67ab361f12e1a72aa302977300808080be87b68bfb2f80a0d9e61d000203020400204b517333a0130dd00201091228b52ffd2009
    490000020001030001020102020b28b52ffd20021100000001020b28b52ffd20021100000302010a28b52ffd2001090000000209010912
    28b52ffd200949000080c0f9ef0c02020202050e28b52ffd200529000017171717177334f1086c696e652030206f66206120706c61696e
    20626174636817001f311700031f321700031f331700031834170050626174636800000000";

fn plain(count: i64) -> Vec<BatchRows> {
    (0..count).map(|nth| BatchRows::plain((nth % 3) as u8, nth * 20, 20)).collect()
}

fn extent(from: u32, to: u32) -> ExtentId {
    ExtentId { segment: segment(0), from, to }
}

#[test]
fn an_adopted_extent_replaces_the_tail_and_smaller_extents_and_adds_what_was_missing() {
    for extent_file_bytes_min in [0, usize::MAX] {
        let settings =
            Settings { disk_reserve_bytes: 0, extent_file_bytes_min, block_bytes: 400, ..Settings::default() };
        let (origin, holder) = (World::with(settings.clone()), World::with(settings));
        origin.append(&segment(0), 0, &plain(8));
        origin.store.seal(&segment(0), 1..7).unwrap();
        let bytes = origin.store.extent_bytes(&extent(1, 7)).unwrap();
        // The holder has some in the tail, some sealed otherwise, and lacks 4.
        holder.append(&segment(0), 0, &plain(4));
        holder.store.seal(&segment(0), 1..3).unwrap();
        holder.append(&segment(0), 5, &plain(8)[5..]);
        let stored = holder.store.adopt(&extent(1, 7), &bytes).unwrap();
        assert_eq!(stored.iter().map(|stored| stored.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(holder.store.extents(&segment(0)), origin.store.extents(&segment(0)));
        assert_eq!(holder.store.ledger(&segment(0)), origin.store.ledger(&segment(0)));
        let (holder, recovered) = holder.reopen();
        assert_eq!(recovered.segments[0].extents, vec![Range { start: 1, end: 7 }]);
        assert_eq!(holder.frames(&segment(0), 0..8), origin.frames(&segment(0), 0..8));
        let rows = |world: &World| world.rows("default", &[segment(0)], ALWAYS).0;
        assert_eq!(rows(&holder).len(), 160);
        assert_eq!(rows(&holder), rows(&origin));
        // Again, and a part of it: held already.
        assert_eq!(holder.store.adopt(&extent(1, 7), &bytes).unwrap().len(), 6);
        assert_eq!(holder.store.adopt(&extent(2, 4), &Bytes::new()).unwrap().len(), 2);
    }
}

fn compressing(compression: Compression) -> World {
    World::with(Settings { disk_reserve_bytes: 0, block_bytes: 400, compression, ..Settings::default() })
}

/// Returns what an extent takes as it travels.
fn bytes_of(world: &World, id: &ExtentId) -> usize {
    world.store.extent_bytes(id).unwrap().len()
}

#[test]
fn what_another_sealed_is_kept_as_it_is_whatever_the_own_compression() {
    for (theirs, ours) in [(Compression::Lz4, Compression::Zstd), (Compression::Zstd, Compression::Lz4)] {
        let (origin, holder) = (compressing(theirs), compressing(ours));
        origin.append(&segment(0), 0, &plain(8));
        let rows = origin.rows("default", &[segment(0)], ALWAYS).0;
        origin.store.seal(&segment(0), 0..8).unwrap();
        let bytes = origin.store.extent_bytes(&extent(0, 8)).unwrap();
        holder.store.adopt(&extent(0, 8), &bytes).unwrap();
        let (holder, _) = holder.reopen();
        assert_eq!(holder.store.extent_bytes(&extent(0, 8)).unwrap(), bytes);
        assert_eq!(holder.store.verify(&segment(0)).unwrap(), SeqSet::new());
        for world in [&origin, &holder] {
            assert_eq!(world.rows("default", &[segment(0)], ALWAYS).0, rows);
        }
    }
}

#[test]
fn another_compression_holds_from_the_next_seal_on() {
    let mut world = compressing(Compression::Zstd);
    // The same lines twice: what they take tells how they were compressed.
    world.append(&segment(0), 0, &plain(4));
    world.append(&segment(0), 4, &plain(4));
    world.store.seal(&segment(0), 0..4).unwrap();
    let before = world.store.extent_bytes(&extent(0, 4)).unwrap();
    world.settings.compression = Compression::Lz4;
    let (world, _) = world.reopen();
    world.store.seal(&segment(0), 4..8).unwrap();
    assert_eq!(world.store.extent_bytes(&extent(0, 4)).unwrap(), before);
    assert!(bytes_of(&world, &extent(4, 8)) > bytes_of(&world, &extent(0, 4)) + 50);
    assert_eq!(world.rows("default", &[segment(0)], ALWAYS).0.len(), 160);
    // Folding both into one reads each as it is.
    world.store.seal(&segment(0), 0..8).unwrap();
    assert_eq!(world.frames(&segment(0), 0..8).len(), 8);
}

#[test]
fn an_extent_that_differs_or_overlaps_changes_nothing() {
    let (origin, holder) = (World::new(), World::new());
    origin.append(&segment(0), 0, &plain(6));
    origin.store.seal(&segment(0), 0..4).unwrap();
    let bytes = origin.store.extent_bytes(&extent(0, 4)).unwrap();
    let mut other = plain(6);
    other[2] = BatchRows::plain(9, 0, 1);
    holder.append(&segment(0), 0, &other);
    let before = holder.store.ledger(&segment(0));
    let differs = AdoptError::Differs([2].into_iter().collect::<SeqSet>());
    assert_eq!(holder.store.adopt(&extent(0, 4), &bytes), Err(differs));
    holder.store.seal(&segment(0), 3..5).unwrap();
    assert_eq!(holder.store.adopt(&extent(0, 4), &bytes), Err(AdoptError::Overlaps));
    assert_eq!(holder.store.adopt(&extent(0, 3), &bytes), Err(AdoptError::Malformed));
    assert_eq!(holder.store.ledger(&segment(0)), before);
    assert_eq!(holder.frames(&segment(0), 0..6).len(), 6);
}

#[test]
fn only_what_is_whole_is_sealed() {
    let world = World::new();
    world.append(&segment(0), 0, &plain(3));
    world.append(&segment(0), 4, &plain(2));
    for range in [0..4, 3..4, 2..2, 9..12] {
        assert_eq!(world.store.seal(&segment(0), range), Err(SealError::Incomplete));
    }
    world.store.seal(&segment(0), 0..2).unwrap();
    assert_eq!(world.store.seal(&segment(0), 1..3), Err(SealError::Incomplete));
    assert_eq!(world.store.extents(&segment(0)).unwrap().len(), 1);
}

#[test]
fn a_dropped_segment_is_gone_and_its_neighbours_are_not() {
    let world = World::with(Settings { disk_reserve_bytes: 0, extent_file_bytes_min: 0, ..Settings::default() });
    for part in 0..3 {
        world.append(&segment(part), 0, &plain(4));
        world.store.seal(&segment(part), 0..3).unwrap();
    }
    world.store.drop_segment(&segment(1)).unwrap();
    let files = world.store.db().rocks.live_files().unwrap();
    assert_eq!(files.iter().filter(|file| file.column_family_name == "blocks").count(), 2);
    let (world, recovered) = world.reopen();
    let left: Vec<_> = recovered.segments.iter().map(|found| found.segment).collect();
    assert_eq!(left, [segment(0), segment(2)]);
    assert_eq!(world.rows("default", &[segment(0), segment(1), segment(2)], ALWAYS).0.len(), 160);
}

#[test]
fn a_file_whose_header_was_never_written_is_swept_at_the_next_start() {
    let world = World::with(Settings { disk_reserve_bytes: 0, extent_file_bytes_min: 0, ..Settings::default() });
    world.append(&segment(0), 0, &plain(4));
    world.store.seal(&segment(0), 0..2).unwrap();
    let db = world.store.db();
    // As after a crash between the two steps of a seal; once of other batches, once of the same.
    for id in [extent(2, 4), extent(0, 2)] {
        let place = Place { id, generation: db.next_generation(), family: Family::Blocks };
        db.ingest(&[(place.key(0), b"weave"), (place.key(1), b"block")]).unwrap();
    }
    let files = |world: &World| {
        let files = world.store.db().rocks.live_files().unwrap();
        files.iter().filter(|file| file.column_family_name == "blocks").count()
    };
    assert_eq!(files(&world), 3);
    let (world, _) = world.reopen();
    assert_eq!(files(&world), 1);
    assert_eq!(world.frames(&segment(0), 0..4).len(), 4);
}

#[test]
fn a_scan_still_reads_a_segment_that_is_dropped_meanwhile() {
    let world = World::with(Settings {
        disk_reserve_bytes: 0,
        extent_file_bytes_min: 0,
        block_bytes: 400,
        ..Settings::default()
    });
    world.append(&segment(0), 0, &plain(6));
    world.store.seal(&segment(0), 0..6).unwrap();
    let mut rows = 0;
    let request = crate::ScanRequest {
        tenant: "default",
        range: ALWAYS,
        segments: &[segment(0)],
        only: None,
        matches: &|_| true,
        newest_first: false,
        lines: true,
    };
    let outcome = world.store.scan(&request, &mut |scanned| {
        if rows == 0 {
            world.store.drop_segment(&segment(0)).unwrap();
        }
        rows += scanned.rows.len();
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!((rows, outcome.unwrap().damaged), (120, Vec::new()));
    assert!(world.store.db().rocks.live_files().unwrap().iter().all(|file| file.column_family_name != "blocks"));
}
