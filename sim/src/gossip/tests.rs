//! The model is held to the times that real chitchat is held to; leaving heartbeats out changes nothing.

use logmesh_protocol::segment::Window;
use rand::SeedableRng;

use super::*;

/// Of each mesh: nodes, datagrams lost of a thousand; then in milliseconds, within what time half of the others, nine tenths of
/// them, and usually the last notice that one is gone, and know a fact. Real chitchat is held to these figures by
/// `node/gossip/tests/conformance.rs`.
const TIMES: &str = include_str!("times.csv");

#[test]
fn its_times_are_those_that_chitchat_is_held_to() {
    let mut lines: Vec<String> = TIMES.lines().take(1).map(str::to_owned).collect();
    for (count, lost_per_mille) in [(3, 0), (5, 0), (20, 0), (20, 200)] {
        let (mut noticing, mut spreading) = (Times::default(), Times::default());
        for seed in 0..RUNS {
            let mut mesh = Mesh::new(count, lost_per_mille, seed);
            mesh.run_for(WARM_UP);
            mesh.gossip.tell(0, Boot::from_bytes([1; 16]), Announcement { full: true, ..Announcement::default() }, 0);
            let version = mesh.gossip.minds[0].versions[0];
            spreading.add(mesh.times(1..count, |mind| mind.versions[0] == version));
            mesh.run_for(2_000);
            let last = count - 1;
            mesh.gossip.stop(last);
            noticing.add(mesh.times(0..last, |mind| !mind.standings[usize::from(last)].is_live));
        }
        let figures = [noticing.figures(), spreading.figures()].concat();
        let figures: Vec<String> = figures.iter().map(u64::to_string).collect();
        lines.push(format!("{count},{lost_per_mille},{}", figures.join(",")));
    }
    assert_eq!(
        lines,
        TIMES.lines().collect::<Vec<_>>(),
        "if the model was changed on purpose, these are its times now"
    );
}

#[test]
fn heartbeats_that_were_left_out_are_made_up_for() {
    // The counts of heartbeats run over meanwhile.
    let noticing = |is_ever_calm: bool| {
        let mut mesh = Mesh::new(20, 0, 1);
        mesh.gossip.told.iter_mut().for_each(|told| told.pulse = i16::MAX - 1_000);
        mesh.gossip.calm_not_before = if is_ever_calm { 0 } else { i32::MAX };
        mesh.run_for(3 * WARM_UP);
        assert_eq!(mesh.gossip.calm.is_some(), is_ever_calm);
        assert!(mesh.gossip.told.iter().all(|told| told.pulse < 1_000), "they have run over");
        mesh.gossip.stop(19);
        mesh.times(0..19, |mind| !mind.standings[19].is_live)
    };
    assert_eq!(noticing(true), noticing(false));
}

#[test]
fn heartbeats_that_nobody_remembers_are_made_up_for_by_the_later_ones() {
    let noticed = |is_ever_calm: bool| {
        let mut noticing = Times::default();
        for seed in 0..4 {
            let mut mesh = Mesh::new(60, 0, seed);
            mesh.gossip.calm_not_before = if is_ever_calm { 0 } else { i32::MAX };
            mesh.run_for(5 * WARM_UP);
            assert_eq!(mesh.gossip.calm.as_ref().is_some_and(Calm::has_forgotten), is_ever_calm);
            mesh.gossip.stop(59);
            noticing.add(mesh.times(0..59, |mind| !mind.standings[59].is_live));
        }
        noticing.figures()
    };
    for (with, without) in noticed(true).into_iter().zip(noticed(false)) {
        assert!(with.abs_diff(without) * 50 <= without, "{with} ms instead of {without} ms");
    }
}

#[test]
fn what_nobody_is_at_is_forgotten_and_all_else_stays_what_it_was() {
    let boot = Boot::from_bytes([1; 16]);
    let mut mesh = Mesh::new(3, 0, 1);
    let heads = |number: u32| Announcement { heads: [((Window(0), 0), number)].into(), ..Announcement::default() };
    // One hears all, another is left behind, a third knows nothing.
    for number in 1..=5_000 {
        mesh.gossip.tell(0, boot, heads(number), 0);
        let version = mesh.gossip.minds[0].versions[0];
        mesh.gossip.minds[1].versions[0] = version;
        if number == 100 {
            mesh.gossip.minds[2].versions[0] = version;
        }
        let told = |mind: usize| &mesh.gossip.told[0].of(mesh.gossip.minds[mind].versions[0]).1.heads;
        assert_eq!((told(0), told(1)), (&heads(number).heads, &heads(number).heads));
        assert!(number < 100 || told(2) == &heads(100).heads);
        let news = mesh.gossip.news(1, 0);
        assert_eq!(news.iter().map(|(_, peer)| &peer.said.heads).collect::<Vec<_>>(), [&heads(number).heads]);
        assert!(mesh.gossip.news(1, 0).is_empty());
    }
    assert!(mesh.gossip.minds[0].versions[0] < 1_000);
}

/// How long something took, for each node that it reached, in milliseconds.
#[derive(Default)]
struct Times {
    each: Vec<u64>,
    last: Vec<u64>,
}

impl Times {
    fn add(&mut self, run: Vec<u64>) {
        self.last.extend(run.iter().max());
        self.each.extend(run);
    }

    /// Returns within what time half of the nodes were reached, nine tenths of them, and usually the last.
    fn figures(mut self) -> [u64; 3] {
        self.each.sort_unstable();
        self.last.sort_unstable();
        let (each, last) = (self.each, self.last);
        [each[each.len() / 2], each[each.len() * 9 / 10], last[last.len() / 2]]
    }
}

struct Mesh {
    gossip: Gossip,
    rng: ChaCha8Rng,
    lost_per_mille: u32,
    millis: u64,
    phases: Vec<u64>,
}

impl Mesh {
    fn new(count: u16, lost_per_mille: u32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut gossip = Gossip::default();
        (0..count).for_each(|slot| gossip.add(slot == 0));
        (0..count).for_each(|slot| gossip.start(slot, Boot::from_bytes([1; 16]), true, 0));
        let phases = (0..count).map(|_| rng.random_range(0..250)).collect();
        Self { gossip, rng, lost_per_mille, millis: 1_000, phases }
    }

    fn run_for(&mut self, millis: u64) {
        (0..millis).for_each(|_| self.step());
    }

    /// Returns how long it takes until it holds of the mind of each of some.
    fn times(&mut self, slots: std::ops::Range<u16>, holds: impl Fn(&Mind) -> bool) -> Vec<u64> {
        let mut times = vec![None; slots.len()];
        let begin = self.millis;
        while times.contains(&None) {
            self.step();
            for (slot, time) in slots.clone().zip(&mut times) {
                if time.is_none() && holds(&self.gossip.minds[usize::from(slot)]) {
                    *time = Some(self.millis - begin);
                }
            }
        }
        times.into_iter().flatten().collect()
    }

    fn step(&mut self) {
        self.millis += 1;
        for slot in 0..self.phases.len() as u16 {
            if self.gossip.minds[usize::from(slot)].is_up && self.millis % 250 == self.phases[usize::from(slot)] {
                self.tick(slot);
            }
        }
    }

    fn tick(&mut self, slot: u16) {
        let now = self.millis * 1_000_000;
        for called in self.gossip.tick(slot, now, &mut self.rng) {
            let mut arrived = 0;
            while arrived < 3 && self.rng.random_range(0..1000) >= self.lost_per_mille {
                arrived += 1;
            }
            self.gossip.perform(Gossip::exchange(slot, called, arrived), now);
        }
    }
}

const RUNS: u64 = 100;
/// Long enough for the usual interval to be learned, in milliseconds.
const WARM_UP: u64 = 30_000;
