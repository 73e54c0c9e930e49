//! Gathers what clients push while the group before is being stored, so that requests that come together share a batch
//! and an fsync. Holds no channel and no clock; the mesh task drives it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use logmesh_protocol::replica::{Append, Ticket};
use logmesh_protocol::segment::Window;
use tokio::sync::oneshot;

/// What one client pushes, decoded and checked.
#[derive(Debug)]
pub(crate) struct Push {
    /// The tenant.
    pub(crate) tenant: String,
    /// The chunks of each window.
    pub(crate) groups: Vec<(Window, Vec<Bytes>)>,
    /// How many copies to wait for.
    pub(crate) copies: u8,
    /// Takes the answer.
    pub(crate) reply: oneshot::Sender<Result<u8, Refusal>>,
}

/// Why records were not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The disk has no room.
    DiskFull,
    /// The store failed or is at its limit.
    Store,
    /// The node is stopping or leaving.
    Stopping,
}

/// The records of one batch to be.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The tenant.
    pub(crate) tenant: String,
    /// The chunks.
    pub(crate) chunks: Vec<Bytes>,
}

/// What waits to be stored and who waits for an answer.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    next: u64,
    pending: BTreeMap<Key, VecDeque<Pending>>,
    /// The keys of `pending` in the order in which they began to wait: nobody is overtaken for ever.
    order: VecDeque<Key>,
    pushes: BTreeMap<u64, Waiting>,
    tickets: BTreeMap<Ticket, Vec<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: String,
    window: Window,
    copies: u8,
}

#[derive(Debug)]
struct Pending {
    push: u64,
    chunk: Bytes,
}

#[derive(Debug)]
struct Waiting {
    /// Chunks that have no ticket yet, and tickets that have no answer yet.
    open: usize,
    copies: u8,
    refused: Option<Refusal>,
    reply: oneshot::Sender<Result<u8, Refusal>>,
}

impl Gather {
    /// Enters a push. One without chunks is answered at once.
    pub(crate) fn add(&mut self, push: Push) {
        let id = self.draw();
        let mut open = 0;
        for (window, chunks) in push.groups {
            let key = Key { tenant: push.tenant.clone(), window, copies: push.copies };
            open += chunks.len();
            if !self.pending.contains_key(&key) {
                self.order.push_back(key.clone());
            }
            let pending = self.pending.entry(key).or_default();
            pending.extend(chunks.into_iter().map(|chunk| Pending { push: id, chunk }));
        }
        let waiting = Waiting { open, copies: u8::MAX, refused: None, reply: push.reply };
        if open == 0 {
            waiting.answer();
        } else {
            self.pushes.insert(id, waiting);
        }
    }

    /// Tells whether something waits to be stored.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes the next group: about `bytes_max` of what waits, cut into batches of at most `batch_bytes_max`.
    pub(crate) fn take_group(&mut self, bytes_max: usize, batch_bytes_max: usize) -> Vec<(Append, Payload)> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max {
            let Some(key) = self.order.pop_front() else { break };
            let mut pending = self.pending.remove(&key).unwrap_or_default();
            while !pending.is_empty() && bytes < bytes_max {
                let (append, payload) = self.take_batch(&key, &mut pending, batch_bytes_max);
                bytes += usize::try_from(append.raw_bytes).unwrap_or(usize::MAX);
                group.push((append, payload));
            }
            if !pending.is_empty() {
                self.pending.insert(key.clone(), pending);
                self.order.push_back(key);
            }
        }
        group
    }

    /// Hands `outcome` to all that wait for `ticket`.
    pub(crate) fn resolve(&mut self, ticket: Ticket, outcome: Result<u8, Refusal>) {
        for id in self.tickets.remove(&ticket).unwrap_or_default() {
            let Some(push) = self.pushes.get_mut(&id) else { continue };
            push.open -= 1;
            match outcome {
                Ok(copies) => push.copies = push.copies.min(copies),
                Err(refusal) => push.refused = Some(refusal),
            }
            if push.open == 0 {
                self.pushes.remove(&id).expect("it was there").answer();
            }
        }
    }

    /// Takes chunks for one batch: one at least, more while they fit.
    fn take_batch(&mut self, key: &Key, pending: &mut VecDeque<Pending>, bytes_max: usize) -> (Append, Payload) {
        let ticket = Ticket(self.draw());
        let mut chunks = Vec::new();
        let mut bytes = 0;
        let mut waiters: Vec<u64> = Vec::new();
        while let Some(next) = pending.front() {
            if bytes > 0 && bytes + next.chunk.len() > bytes_max {
                break;
            }
            let Pending { push, chunk } = pending.pop_front().expect("there is a front");
            bytes += chunk.len();
            chunks.push(chunk);
            if waiters.last() == Some(&push) {
                self.pushes.get_mut(&push).expect("a push waits for its chunks").open -= 1;
            } else {
                waiters.push(push);
            }
        }
        self.tickets.insert(ticket, waiters);
        let append = Append { ticket, window: key.window, raw_bytes: bytes as u64, copies: key.copies };
        (append, Payload { tenant: key.tenant.clone(), chunks })
    }

    fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Waiting {
    fn answer(self) {
        let outcome = self.refused.map_or(Ok(self.copies), Err);
        // A client that hung up needs no answer.
        let _ = self.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(gather: &mut Gather, tenant: &str, chunks: &[usize]) -> oneshot::Receiver<Result<u8, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let chunks = chunks.iter().map(|length| Bytes::from(vec![0; *length])).collect();
        let groups = vec![(Window(1), chunks)];
        gather.add(Push { tenant: tenant.to_owned(), groups, copies: 2, reply });
        answer
    }

    fn tickets(group: &[(Append, Payload)]) -> Vec<(Ticket, usize)> {
        group.iter().map(|(append, payload)| (append.ticket, payload.chunks.len())).collect()
    }

    #[test]
    fn pushes_of_one_tenant_share_a_batch_and_all_are_answered() {
        let mut gather = Gather::default();
        let (mut first, mut second) = (push(&mut gather, "a", &[10]), push(&mut gather, "a", &[10]));
        let group = gather.take_group(1000, 100);
        assert_eq!(group.len(), 1);
        assert!(!gather.is_waiting());
        gather.resolve(group[0].0.ticket, Ok(2));
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(Ok(2)), Ok(Ok(2))));
    }

    #[test]
    fn a_push_of_several_batches_waits_for_all_and_tells_the_fewest_copies() {
        let mut gather = Gather::default();
        let mut answer = push(&mut gather, "a", &[60, 60, 60]);
        let group = gather.take_group(1000, 130);
        assert_eq!(tickets(&group).iter().map(|(_, chunks)| *chunks).collect::<Vec<_>>(), [2, 1]);
        gather.resolve(group[0].0.ticket, Ok(3));
        assert!(answer.try_recv().is_err());
        gather.resolve(group[1].0.ticket, Ok(1));
        assert_eq!(answer.try_recv(), Ok(Ok(1)));
    }

    #[test]
    fn one_refused_batch_refuses_the_push() {
        let mut gather = Gather::default();
        let mut answer = push(&mut gather, "a", &[60, 60]);
        let group = gather.take_group(1000, 60);
        gather.resolve(group[0].0.ticket, Err(Refusal::DiskFull));
        gather.resolve(group[1].0.ticket, Ok(2));
        assert_eq!(answer.try_recv(), Ok(Err(Refusal::DiskFull)));
    }

    #[test]
    fn a_large_tenant_does_not_starve_the_next() {
        let mut gather = Gather::default();
        let _large = push(&mut gather, "a", &[50; 10]);
        let _small = push(&mut gather, "b", &[50]);
        assert_eq!(gather.take_group(100, 50).len(), 2);
        assert!(gather.take_group(100, 50).iter().any(|(_, payload)| payload.tenant == "b"));
    }

    #[test]
    fn a_push_of_nothing_is_answered_at_once() {
        let mut gather = Gather::default();
        assert_eq!(push(&mut gather, "a", &[]).try_recv(), Ok(Ok(u8::MAX)));
    }
}
