//! What this node takes in, as soon as it is durable, for those who follow it. Giving it out never holds up a push: who
//! is slow loses records and is told how many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The batches that this node accepts, handed to each follower of their tenant.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    queues: Mutex<Vec<Arc<Queue>>>,
    /// How many there are, so that a push looks at nothing else while there are none.
    followers: AtomicUsize,
}

/// What waits for one follower.
#[derive(Debug)]
struct Queue {
    tenant: String,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bodies: VecDeque<Bytes>,
    bytes: usize,
    /// Batches that did not fit.
    missed: u64,
}

/// One who follows. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Follower {
    feed: Arc<Feed>,
    queue: Arc<Queue>,
}

/// What a follower takes at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The bodies of batches as they travel (see [`logmesh_protocol::batch::BatchFrame`]), in the order in which they became
    /// durable.
    pub(super) bodies: Vec<Bytes>,
    /// How many batches were lost before these.
    pub(super) missed: u64,
}

impl Feed {
    /// Tells whether anybody follows.
    pub(crate) fn is_followed(&self) -> bool {
        self.followers.load(Ordering::Acquire) > 0
    }

    /// Gives out a batch of `tenant` that is durable. Never waits.
    pub(crate) fn publish(&self, tenant: &str, body: &Bytes) {
        for queue in self.queues.lock().iter().filter(|queue| queue.tenant == tenant) {
            queue.push(body);
        }
    }

    /// Returns how many follow.
    pub(crate) fn followers(&self) -> usize {
        self.followers.load(Ordering::Acquire)
    }

    /// Begins to follow a tenant; nothing if there are [`FOLLOWERS_MAX`] already.
    pub(super) fn follow(self: &Arc<Self>, tenant: &str) -> Option<Follower> {
        let mut queues = self.queues.lock();
        if queues.len() >= FOLLOWERS_MAX {
            return None;
        }
        let queue = Queue { tenant: tenant.to_owned(), waiting: Mutex::default(), arrived: Notify::new() };
        let queue = Arc::new(queue);
        queues.push(queue.clone());
        self.followers.store(queues.len(), Ordering::Release);
        Some(Follower { feed: self.clone(), queue })
    }
}

impl Queue {
    fn push(&self, body: &Bytes) {
        let mut waiting = self.waiting.lock();
        // One that is larger than all the room there is goes in alone.
        if !waiting.bodies.is_empty() && waiting.bytes + body.len() > WAITING_BYTES_MAX {
            waiting.missed += 1;
        } else {
            waiting.bytes += body.len();
            waiting.bodies.push_back(body.clone());
        }
        drop(waiting);
        self.arrived.notify_one();
    }
}

impl Follower {
    /// Waits for batches and takes those that are there, about [`TAKEN_BYTES`] of them at most. Nothing is lost if this is
    /// dropped.
    pub(super) async fn take(&mut self) -> Taken {
        loop {
            let arrived = self.queue.arrived.notified();
            let taken = self.take_waiting();
            if !taken.bodies.is_empty() || taken.missed > 0 {
                return taken;
            }
            arrived.await;
        }
    }

    fn take_waiting(&self) -> Taken {
        let mut waiting = self.queue.waiting.lock();
        let mut taken = Taken { missed: std::mem::take(&mut waiting.missed), ..Taken::default() };
        let mut bytes = 0;
        while let Some(body) = waiting.bodies.front() {
            if bytes > 0 && bytes + body.len() > TAKEN_BYTES {
                break;
            }
            bytes += body.len();
            taken.bodies.extend(waiting.bodies.pop_front());
        }
        waiting.bytes -= bytes;
        taken
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut queues = self.feed.queues.lock();
        queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.feed.followers.store(queues.len(), Ordering::Release);
    }
}

/// The most that follow one node, from all nodes together. One more is sent away and comes back later.
pub(crate) const FOLLOWERS_MAX: usize = 512;
/// The most packed bytes that wait for one follower; what comes then is lost to it and counted.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// About how many packed bytes are looked at together.
const TAKEN_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[tokio::test]
    async fn a_follower_gets_what_its_tenant_pushes_in_order_and_nothing_after_it_has_gone() {
        let feed = Arc::new(Feed::default());
        assert!(!feed.is_followed());
        let mut follower = feed.follow("a").unwrap();
        feed.publish("b", &body(1));
        feed.publish("a", &body(2));
        feed.publish("a", &body(3));
        let taken = follower.take().await;
        assert_eq!(taken.bodies.iter().map(Bytes::len).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(taken.missed, 0);
        drop(follower);
        assert!(!feed.is_followed());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_and_what_waited_is_kept() {
        let feed = Arc::new(Feed::default());
        let mut follower = feed.follow("a").unwrap();
        for _ in 0..10 {
            feed.publish("a", &body(WAITING_BYTES_MAX / 8));
        }
        let mut got = (0, 0);
        while got.0 + got.1 < 10 {
            let taken = follower.take().await;
            assert!(taken.bodies.iter().map(Bytes::len).sum::<usize>() <= TAKEN_BYTES);
            got = (got.0 + taken.bodies.len(), got.1 + taken.missed as usize);
        }
        assert_eq!(got, (8, 2));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let feed = Arc::new(Feed::default());
        let mut follower = feed.follow("a").unwrap();
        let publisher = feed.clone();
        let waiting = tokio::spawn(async move { follower.take().await.bodies.len() });
        tokio::task::yield_now().await;
        publisher.publish("a", &body(1));
        assert_eq!(waiting.await.unwrap(), 1);
    }

    #[test]
    fn followers_are_bounded() {
        let feed = Arc::new(Feed::default());
        let followers: Vec<_> = (0..FOLLOWERS_MAX).map(|_| feed.follow("a").unwrap()).collect();
        assert!(feed.follow("a").is_none());
        drop(followers);
        assert!(feed.follow("a").is_some());
    }
}
