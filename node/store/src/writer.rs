//! The writer: one thread that takes all that waits, writes it as one batch, waits for the disk once, and answers all.
//!
//! While it waits for the disk the next group gathers. It must never answer before the disk has.

use std::collections::HashMap;
use std::sync::Arc;

use logmesh_protocol::ledger::LedgerEntry;
use logmesh_protocol::segment::SegmentId;
use rocksdb::WriteBatch;

use crate::batch::Packed;
use crate::commit::{CommitError, Committed, Job, Queue, Refused, RefusedBecause, Stored};
use crate::db::{Db, View};
use crate::disk::DiskState;
use crate::keys::{Family, batch_key};
use crate::ledger::{Held, encode_entries};
use crate::quarantine;
use crate::stats::Counters;

/// Writes until the queue is closed and empty.
pub(crate) fn run(db: &Arc<Db>, queue: &Arc<Queue>) {
    while let Some(jobs) = queue.take(db.settings.commit_group_bytes_max) {
        let bytes = jobs.iter().map(|job| job.bytes).sum();
        let results = write_group(db, &jobs);
        // Room is given back before the answers: who is told that the store was busy may try at once.
        queue.release(bytes);
        answer(jobs, results);
    }
}

fn answer(jobs: Vec<Job>, results: Result<Vec<Committed>, CommitError>) {
    match results {
        Ok(all) => jobs.into_iter().zip(all).for_each(|(job, committed)| (job.done)(Ok(committed))),
        Err(error) => {
            tracing::warn!(%error, jobs = jobs.len(), "a group of commits failed");
            jobs.into_iter().for_each(|job| (job.done)(Err(error.clone())));
        }
    }
}

/// Writes a group and returns what became of each job, once it is on the disk.
fn write_group(db: &Db, jobs: &[Job]) -> Result<Vec<Committed>, CommitError> {
    if db.disk.read().state == DiskState::Full {
        return Err(CommitError::DiskFull);
    }
    let _changing = db.changing.lock();
    loop {
        let view = db.view();
        match Group::decide(&view, jobs)? {
            Decision::Write(group) => {
                group.write(db)?;
                return Ok(group.committed);
            }
            // A damaged batch is in the way. Once it is out the group is looked at anew.
            Decision::TakeOut(segment, seq) => {
                let taken = quarantine::take_out(&view, &segment, &[seq].into_iter().collect())?;
                if !taken.contains(seq) {
                    return Err(CommitError::Storage(crate::db::ReadError::Damaged.into()));
                }
            }
        }
    }
}

enum Decision<'a> {
    Write(Group<'a>),
    TakeOut(SegmentId, u32),
}

/// What a group comes to: what is new, and what to answer.
#[derive(Default)]
struct Group<'a> {
    new: Vec<&'a Packed>,
    committed: Vec<Committed>,
}

enum Verdict {
    New,
    Held(LedgerEntry),
    Conflict(LedgerEntry),
    InTheWay,
}

impl<'a> Group<'a> {
    fn decide(view: &View<'_>, jobs: &'a [Job]) -> Result<Decision<'a>, CommitError> {
        let mut group = Self::default();
        let mut within: HashMap<(SegmentId, u32), LedgerEntry> = HashMap::new();
        for job in jobs {
            let mut committed = Committed { stored: Vec::new(), refused: job.refused.clone() };
            for packed in &job.batches {
                let (segment, seq) = (packed.segment, packed.seq);
                let stored = |entry| Stored { segment, seq, entry, body: Some(packed.body.clone()) };
                let verdict = match within.get(&(segment, seq)) {
                    Some(entry) if entry.id == packed.entry.id => Verdict::Held(*entry),
                    Some(entry) => Verdict::Conflict(*entry),
                    None => compare(view, packed)?,
                };
                match verdict {
                    Verdict::New => {
                        within.insert((segment, seq), packed.entry);
                        group.new.push(packed);
                        committed.stored.push(stored(packed.entry));
                    }
                    Verdict::Held(entry) => committed.stored.push(stored(entry)),
                    Verdict::Conflict(entry) => {
                        let because = RefusedBecause::Conflict(entry.id);
                        committed.refused.push(Refused { segment, seq, because });
                    }
                    Verdict::InTheWay => return Ok(Decision::TakeOut(segment, seq)),
                }
            }
            group.committed.push(committed);
        }
        Ok(Decision::Write(group))
    }

    fn write(&self, db: &Db) -> Result<(), CommitError> {
        if self.new.is_empty() {
            return Ok(());
        }
        let bytes = self.new.iter().map(|packed| packed.body.len() + 256).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        self.new.iter().for_each(|packed| put_batch(db, &mut batch, packed));
        db.write(batch)?;
        Counters::add(&db.counters.commit_groups, 1);
        for packed in &self.new {
            Counters::add(&db.counters.batches, 1);
            Counters::add(&db.counters.raw_bytes, u64::from(packed.entry.raw_bytes));
            Counters::add(&db.counters.tail_bytes, u64::from(packed.entry.size_bytes));
        }
        Ok(())
    }
}

/// Compares a batch with what is held of its seq. Only a conflict is worth reading the batch that is held.
fn compare(view: &View<'_>, packed: &Packed) -> Result<Verdict, CommitError> {
    let Some(held) = view.held_at(&packed.segment, packed.seq)? else { return Ok(Verdict::New) };
    let Some(entry) = held.entry(packed.seq) else { return Ok(Verdict::New) };
    if entry.id == packed.entry.id {
        return Ok(Verdict::Held(entry));
    }
    let sound = view.canonical(&packed.segment, packed.seq, &held).is_some();
    Ok(if sound { Verdict::Conflict(entry) } else { Verdict::InTheWay })
}

impl View<'_> {
    /// Returns the canonical bytes of the batch `seq`, which `held` holds, if they can be read and hash to its id.
    fn canonical(&self, segment: &SegmentId, seq: u32, held: &Held) -> Option<Vec<u8>> {
        let entry = held.entry(seq)?;
        match held {
            Held::Batch(..) => self.tail_canonical(segment, seq, &entry),
            Held::Extent(id, _) => {
                let opened = self.open(self.extent(id).ok()?).ok()?;
                let mut found = None;
                opened.rebuild(&|other| other == seq, &mut |_, batch| found = batch).ok()?;
                found.filter(|canonical| logmesh_protocol::id::BatchId::of(canonical) == entry.id)
            }
        }
    }
}

/// Adds a batch and its entry to `batch`.
pub(crate) fn put_batch(db: &Db, batch: &mut WriteBatch, packed: &Packed) {
    let key = batch_key(&packed.segment, packed.seq);
    let mut value = Vec::with_capacity(1 + packed.body.len());
    value.push(TAIL_VERSION);
    value.extend_from_slice(&packed.body);
    batch.put_cf(db.family(Family::Tail), key, &value);
    batch.put_cf(db.family(Family::Ledger), key, encode_entries(&[packed.entry]));
}

/// The first byte of every value in the tail.
pub(crate) const TAIL_VERSION: u8 = 1;
