//! Scenarios: a mesh, its work and what befalls it, as a person writes them in a TOML file.
//!
//! Everything is read and checked before the run: what comes out of here names only nodes that are there, at times that are
//! within the run, doing what is possible then.

use std::ops::Range;
use std::time::Duration;

use logmesh_protocol::config::Config;
use toml::de::DeTable;

pub use self::mistake::{Mistake, Mistakes};
pub use self::play::{Progress, play};
pub use self::sentence::Act;
use self::table::{Given, Table};
pub use self::unit::Span;
use self::who::{Names, is_name};

mod course;
mod mistake;
mod play;
mod sentence;
mod settings;
mod staging;
mod table;
pub mod unit;
mod who;

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// From what all chance is drawn, unless the command says otherwise.
    pub seed: u64,
    /// How long clients write and faults happen.
    pub lasts: Duration,
    /// How long the mesh has at most to converge afterwards.
    pub settles: Duration,
    /// The nodes, those that join later among them; elsewhere they are named by their places in this list.
    pub nodes: Vec<PlannedNode>,
    /// What all links are like that `links` does not name.
    pub network: Quality,
    /// Links that are different.
    pub links: Vec<Link>,
    /// What the disks are like.
    pub disk: DiskPlan,
    /// What clients do.
    pub work: Work,
    /// The settings of all nodes; zone and weight are each node's own.
    pub config: Config,
    /// What happens, in order.
    pub timeline: Vec<Step>,
    /// The sentences of the timeline, as they were written.
    pub sentences: Vec<Sentence>,
}

/// A node of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its failure domain; may be empty.
    pub zone: String,
    /// Its share of the data.
    pub weight: u8,
    /// Whether it is there from the beginning.
    pub is_founder: bool,
}

/// What a link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// How long a parcel takes.
    pub latency: Span,
    /// How many of a thousand parcels are lost.
    pub loss_per_mille: u32,
    /// How many of a thousand parcels come twice.
    pub doubled_per_mille: u32,
    /// The bytes that pass in a second; none if that does not matter.
    pub bytes_per_second: Option<u64>,
}

/// The links between two zones, both ways, or within one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The names of the zones.
    pub between: [String; 2],
    /// What these links are like.
    pub quality: Quality,
}

/// What a disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskPlan {
    /// How long an fsync takes: half of them no longer than the middle of the three, one in a hundred longer than the last.
    pub fsync: [Duration; 3],
    /// The bytes that are read or written in a second.
    pub bytes_per_second: u64,
}

/// What clients do.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Batches a second at each node that is written to.
    pub rate: f64,
    /// The bytes of a batch.
    pub batch_bytes: u64,
    /// How many copies a client waits for.
    pub copies: u8,
    /// Who is written to while it is up.
    pub to: Vec<usize>,
    /// How many tenants send at once; each makes a batch of its own.
    pub tenants: u16,
    /// How often a client that was refused or not answered asks the next node.
    pub retries: u8,
    /// In what time the rate swings once between a fifth and nine fifths, if it does.
    pub swings: Option<Duration>,
    /// Queries over everything a second, in the whole mesh.
    pub queries: f64,
}

/// Something that begins at one time and perhaps ends at another.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When it begins.
    pub at: Duration,
    /// When it ends, if it does.
    pub until: Option<Duration>,
    /// What happens.
    pub act: Act,
    /// The sentence that says so.
    pub sentence: usize,
}

/// A sentence of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Its words.
    pub text: String,
    /// When what it tells begins, and ends.
    pub from: Duration,
    /// When the last of it is over.
    pub to: Duration,
    /// The nodes concerned.
    pub nodes: Vec<usize>,
}

impl Scenario {
    /// Reads a scenario from the `text` of `file`, and changes settings afterwards as `set` says (`copies=2`).
    pub fn read(file: &str, text: &str, set: &[String]) -> Result<Self, Mistakes> {
        let refuse = |list| Mistakes::new(file, text, list);
        if text.len() > FILE_BYTES_MAX {
            let what = format!("a scenario has at most {FILE_BYTES_MAX} bytes");
            return Err(Mistakes::new(file, "", vec![Mistake::new(0..0, "", what)]));
        }
        let document = DeTable::parse(text).map_err(|error| {
            refuse(vec![Mistake::new(error.span().unwrap_or(0..0), "", error.message().trim().replace('\n', ", "))])
        })?;
        let mut root = Table::new("", document.span(), document.get_ref());
        let read = read_root(text, &mut root);
        let mistakes = root.finish();
        let mut scenario = read.filter(|_| mistakes.is_empty()).ok_or_else(|| refuse(mistakes))?;
        for change in set {
            settings::change(&mut scenario, change).map_err(|mistake| Mistakes::new("--set", change, vec![mistake]))?;
        }
        scenario.check().map_err(|what| refuse(vec![Mistake::new(0..0, "", what)]))?;
        Ok(scenario)
    }

    /// Returns when the last fault is over.
    pub fn calm_from(&self) -> Duration {
        self.sentences.iter().map(|sentence| sentence.to).max().unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        if self.calm_from() > self.lasts {
            let [calm, lasts] = [self.calm_from(), self.lasts].map(course::shown);
            return Err(format!("the timeline goes on until {calm}, and the run is over after {lasts}"));
        }
        let batches =
            self.work.rate * f64::from(self.work.tenants) * self.work.to.len() as f64 * self.lasts.as_secs_f64();
        if batches <= BATCHES_MAX {
            Ok(())
        } else {
            Err(format!("{batches:.0} batches would be written; {BATCHES_MAX} are the most"))
        }
    }
}

/// Reads all there is; none if something indispensable is missing, which is noted.
fn read_root(text: &str, root: &mut Table<'_>) -> Option<Scenario> {
    let name = root.read("name", |given| line_of(given, NAME_BYTES_MAX));
    root.lacks("name", "\"A rack goes dark\"");
    let about = root.read("about", |given| line_of(given, ABOUT_BYTES_MAX)).unwrap_or_default();
    let seed = root.read("seed", |given| given.number((0, i64::MAX as u64))).unwrap_or(1);
    let lasts = root.parse("duration", "\"30m\"", within(LASTS_MAX));
    root.lacks("duration", "\"30m\"");
    let settles = root.parse("settle", "\"10m\"", within(LASTS_MAX)).unwrap_or(SETTLES);
    let nodes = root.read("nodes", |given| given.array());
    root.lacks("nodes", "[{ names = \"a1..a3\", zone = \"a\" }]");
    let nodes = read_nodes(root, nodes?);
    let names = Names::new(&nodes);
    let network = section(root, "network", |table| read_quality(table, NETWORK)).unwrap_or(NETWORK);
    let links = root.read("links", |given| given.array()).unwrap_or_default();
    let links = links.iter().filter_map(|given| read_link(root, given, &names, network)).collect();
    let disk = section(root, "disk", read_disk).unwrap_or(DISK);
    let work = section(root, "workload", |table| read_work(table, &names)).unwrap_or_else(|| Work::usual(&nodes));
    let mut config = Config::default();
    if let Some(copies) = root.read("copies", |given| given.number((1, u64::from(u8::MAX)))) {
        config.copies = u8::try_from(copies).unwrap_or(u8::MAX);
    }
    section(root, "settings", |table| settings::read(table, &mut config));
    let said = root.read("timeline", |given| given.array()).unwrap_or_default();
    let lasts = lasts?;
    let (timeline, sentences) = read_timeline(text, root, &said, (&names, &nodes, lasts));
    let scenario = Scenario {
        name: name?,
        about,
        seed,
        lasts,
        settles,
        nodes,
        network,
        links,
        disk,
        work,
        config,
        timeline,
        sentences,
    };
    Some(scenario)
}

/// Reads a table of the root; none if there is none.
fn section<T>(root: &mut Table<'_>, key: &'static str, read: impl FnOnce(&mut Table<'_>) -> T) -> Option<T> {
    let mut table = root.read(key, |given| given.table())?;
    let value = read(&mut table);
    root.mistakes.extend(table.finish());
    Some(value)
}

fn read_nodes(root: &mut Table<'_>, given: Vec<Given<'_>>) -> Vec<PlannedNode> {
    let mut nodes: Vec<PlannedNode> = Vec::new();
    for given in given {
        let mut table = match given.table() {
            Ok(table) => table,
            Err(mistake) => {
                root.mistakes.push(mistake);
                continue;
            }
        };
        let names = table.take("names");
        table.lacks("names", "\"a1..a3\"");
        let zone = table.read("zone", name_of).unwrap_or_default();
        let weight = table.read("weight", |given| given.number((1, 255))).unwrap_or(1) as u8;
        let is_founder = !table.read("later", |given| given.flag()).unwrap_or(false);
        let declared = names.map(|names| who::declared(&names, &mut table.mistakes)).unwrap_or_default();
        for (name, at) in declared {
            if nodes.iter().any(|node| node.name == name) {
                table.mistakes.push(Mistake::new(
                    at,
                    &format!("{}.names", given.path),
                    format!("there are two nodes `{name}`"),
                ));
            } else if nodes.len() >= NODES_MAX {
                table.mistakes.push(Mistake::new(
                    at,
                    &format!("{}.names", given.path),
                    format!("{NODES_MAX} nodes are the most"),
                ));
                break;
            } else {
                nodes.push(PlannedNode { name, zone: zone.clone(), weight, is_founder });
            }
        }
        root.mistakes.extend(table.finish());
    }
    if !nodes.iter().any(|node| node.is_founder) && root.mistakes.is_empty() {
        root.mistakes.push(Mistake::new(0..0, "nodes", "somebody must be there from the beginning"));
    }
    nodes
}

fn read_quality(table: &mut Table<'_>, usual: Quality) -> Quality {
    let share = unit::per_mille;
    Quality {
        latency: table.parse("latency", "\"0.2ms..3ms\"", unit::span).unwrap_or(usual.latency),
        loss_per_mille: table.parse("loss", "\"0.5%\"", share).unwrap_or(usual.loss_per_mille),
        doubled_per_mille: table.parse("doubled", "\"0.5%\"", share).unwrap_or(usual.doubled_per_mille),
        bytes_per_second: table.parse("bandwidth", "\"1Gbit/s\"", unit::bandwidth).or(usual.bytes_per_second),
    }
}

fn read_disk(table: &mut Table<'_>) -> DiskPlan {
    let even = |(least, slow): Span| [least, (least + slow) / 2, slow];
    DiskPlan {
        fsync: table.parse("fsync", "\"0.2ms..15ms\"", unit::span).map_or(DISK.fsync, even),
        bytes_per_second: table.parse("bandwidth", "\"500MB/s\"", unit::bandwidth).unwrap_or(DISK.bytes_per_second),
    }
}

fn read_link(root: &mut Table<'_>, given: &Given<'_>, names: &Names, usual: Quality) -> Option<Link> {
    let mut table = given.table().map_err(|mistake| root.mistakes.push(mistake)).ok()?;
    let ends = table.read("between", |given| {
        let ends = given.array()?;
        let [one, other] = &ends[..] else {
            return Err(given.wrong("two ends are wanted").hint("such as [\"a\", \"b\"]"));
        };
        Ok([names.zone(one)?, names.zone(other)?])
    });
    table.lacks("between", "[\"a\", \"b\"]");
    let quality = read_quality(&mut table, usual);
    root.mistakes.extend(table.finish());
    Some(Link { between: ends?, quality })
}

impl Work {
    fn usual(nodes: &[PlannedNode]) -> Self {
        Self {
            rate: 1.0,
            batch_bytes: 16 << 10,
            copies: 2,
            to: (0..nodes.len()).collect(),
            tenants: 1,
            retries: 2,
            swings: None,
            queries: 0.2,
        }
    }
}

fn read_work(table: &mut Table<'_>, names: &Names) -> Work {
    let usual = Work { to: names.all(), ..Work::usual(&[]) };
    let size = |text: &str| match unit::bytes(text)? {
        bytes if (1..=BATCH_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!("a batch has from 1 to {BATCH_BYTES_MAX} bytes")),
    };
    let copies = table.read("copies", |given| given.number((1, u64::from(u8::MAX))));
    Work {
        rate: table.parse("rate", "\"1/s\"", unit::rate).unwrap_or(usual.rate),
        batch_bytes: table.parse("batch", "\"16KiB\"", size).unwrap_or(usual.batch_bytes),
        copies: copies.map_or(usual.copies, |copies| copies as u8),
        to: table.read("to", |given| names.read(given)).unwrap_or(usual.to),
        tenants: table.read("tenants", |given| given.number((1, 100))).map_or(usual.tenants, |tenants| tenants as u16),
        retries: table.read("retries", |given| given.number((0, 10))).map_or(usual.retries, |retries| retries as u8),
        swings: table.parse("swings", "\"24h\"", within(LASTS_MAX)),
        queries: table.parse("queries", "\"0.2/s\"", unit::rate).unwrap_or(usual.queries),
    }
}

fn read_timeline(
    text: &str,
    root: &mut Table<'_>,
    said: &[Given<'_>],
    (names, nodes, lasts): (&Names, &[PlannedNode], Duration),
) -> (Vec<Step>, Vec<Sentence>) {
    if said.len() > SENTENCES_MAX {
        root.mistakes.push(said[SENTENCES_MAX].wrong(format!("{SENTENCES_MAX} sentences are the most")));
        return Default::default();
    }
    let mut read = Vec::new();
    for given in said {
        let sentence = given.text("\"at 10m crash a1 for 5m\"").and_then(|words| {
            let place = |range: Range<usize>| place_within(text, given, words, range);
            sentence::read(words, names).map_err(|wrong| wrong.mistake(&given.path, place))
        });
        match sentence {
            Ok(sentence) => read.push((sentence, given)),
            Err(mistake) => root.mistakes.push(mistake),
        }
    }
    course::lay_out(&read, nodes, lasts).unwrap_or_else(|mistakes| {
        root.mistakes.extend(mistakes);
        Default::default()
    })
}

/// Returns where in the file a part of a text value stands; all of it where escapes keep the two from matching.
fn place_within(text: &str, given: &Given<'_>, words: &str, range: Range<usize>) -> Range<usize> {
    let start = given.span.start + 1;
    match text.get(start..).is_some_and(|rest| rest.starts_with(words)) {
        true => start + range.start..start + range.end,
        false => given.span.clone(),
    }
}

fn line_of(given: &Given<'_>, most: usize) -> Result<String, Mistake> {
    let text = given.text("\"some words\"")?.trim();
    if text.is_empty() || text.len() > most {
        return Err(given.wrong(format!("a text of 1 to {most} bytes is wanted")));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn name_of(given: &Given<'_>) -> Result<String, Mistake> {
    let name = given.text("\"a\"")?;
    if is_name(name) { Ok(name.to_owned()) } else { Err(given.wrong(who::NAME_RULE)) }
}

fn within(most: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| match unit::duration(text)? {
        time if (Duration::from_secs(1)..=most).contains(&time) => Ok(time),
        _ => Err(format!("from 1s to {} h are possible", most.as_secs() / 3_600)),
    }
}

/// The most bytes of a scenario's file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most nodes; the mesh itself takes hardly more.
pub const NODES_MAX: usize = 2_000;
/// The longest run.
pub const LASTS_MAX: Duration = Duration::from_secs(14 * 86_400);
/// The most sentences of a timeline.
pub const SENTENCES_MAX: usize = 200;
/// The most batches that are written in a run: the oracle remembers each.
pub const BATCHES_MAX: f64 = 20e6;
/// The most bytes of a batch.
pub const BATCH_BYTES_MAX: u64 = 1 << 20;
const NAME_BYTES_MAX: usize = 100;
const ABOUT_BYTES_MAX: usize = 2_000;
const SETTLES: Duration = Duration::from_secs(600);
/// One data centre.
const NETWORK: Quality = Quality {
    latency: (Duration::from_micros(200), Duration::from_millis(3)),
    loss_per_mille: 0,
    doubled_per_mille: 0,
    bytes_per_second: None,
};
/// A solid-state disk, with the fsyncs that DESIGN §10 measured.
const DISK: DiskPlan = DiskPlan {
    fsync: [Duration::from_micros(150), Duration::from_micros(230), Duration::from_millis(14)],
    bytes_per_second: 500 << 20,
};

#[cfg(test)]
mod tests;
