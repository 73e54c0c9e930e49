//! Frames that wait for one peer, bounded in bytes, and what is known of whether it can be reached.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thiserror::Error;
use tokio::sync::Notify;

use crate::frame::Frame;

/// Frames that wait for one peer.
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Notify,
    random: Mutex<StdRng>,
    bytes_max: usize,
    backoff_max: Duration,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    away: Option<Away>,
    /// Somebody wished to send while the peer was away, so it is worth another attempt.
    wanted: bool,
}

/// Since the last attempt to reach the peer failed: when to try next.
#[derive(Clone, Copy)]
struct Away {
    until: Instant,
    pause: Duration,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, backoff_max: Duration) -> Self {
        let random = Mutex::new(StdRng::from_os_rng());
        Self { state: Mutex::default(), work: Notify::new(), random, bytes_max, backoff_max }
    }

    /// Puts `frame` at the end. A single frame that is longer than the bound is taken when nothing else waits.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.away.is_some() {
            state.wanted = true;
            self.work.notify_one();
            return Err(SendError::Away);
        }
        let bytes = cost(&frame);
        if !state.frames.is_empty() && state.bytes + bytes > self.bytes_max {
            return Err(SendError::Full);
        }
        state.bytes += bytes;
        state.frames.push_back(frame);
        self.work.notify_one();
        Ok(())
    }

    /// Takes the frame that has waited longest, if one does.
    pub(crate) fn pop(&self) -> Option<Frame> {
        let mut state = self.state.lock();
        let frame = state.frames.pop_front()?;
        state.bytes -= cost(&frame);
        Some(frame)
    }

    /// Waits for a frame and takes it. Nothing is lost if this is dropped.
    pub(crate) async fn next(&self) -> Frame {
        loop {
            if let Some(frame) = self.pop() {
                return frame;
            }
            self.work.notified().await;
        }
    }

    /// Waits until the peer is worth an attempt to reach it.
    pub(crate) async fn wait_for_work(&self) {
        loop {
            if self.has_work() {
                return;
            }
            self.work.notified().await;
        }
    }

    fn has_work(&self) -> bool {
        let state = self.state.lock();
        state.wanted || !state.frames.is_empty()
    }

    /// Returns when the next attempt is due, if the last one failed.
    pub(crate) fn away_until(&self) -> Option<Instant> {
        self.state.lock().away.map(|away| away.until)
    }

    /// Notes that the peer was reached.
    pub(crate) fn reached(&self) {
        let mut state = self.state.lock();
        (state.away, state.wanted) = (None, false);
    }

    /// Notes that the peer was not reached, and returns how many frames are thrown away with that.
    pub(crate) fn give_up(&self) -> usize {
        let mut state = self.state.lock();
        let first = self.backoff_max / FIRST_PAUSE_PART;
        let pause = state.away.map_or(first, |away| (away.pause * 2).min(self.backoff_max));
        // Half of it at random, so that nodes that lost the same peer do not come back together.
        let jittered = pause.mul_f64(self.random.lock().random_range(0.5..=1.0));
        let lost = std::mem::take(&mut state.frames).len();
        *state = State { away: Some(Away { until: Instant::now() + jittered, pause }), ..State::default() };
        lost
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// So much waits for this peer that this frame would exceed `send_queue_bytes_max`: it is slower than we are.
    #[error("too much waits for this peer")]
    Full,
    /// The node is not a member, or it is this node itself.
    #[error("not a member")]
    NotMember,
    /// The last attempt to reach the peer failed. Another is made soon.
    #[error("the peer is away")]
    Away,
    /// The frame is longer than `frame_bytes_max`.
    #[error("the frame is too long")]
    TooLong,
}

/// Returns what a waiting frame takes in memory, so that many small ones are bounded too.
fn cost(frame: &Frame) -> usize {
    frame.wire_bytes() + FRAME_COST + frame.bodies.len() * BODY_COST
}

const FRAME_COST: usize = 64;
const BODY_COST: usize = 32;
/// The first pause after a failure is this part of the longest.
const FIRST_PAUSE_PART: u32 = 50;

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame { head: vec![0; bytes].into(), bodies: Vec::new() }
    }

    fn queue() -> Queue {
        Queue::new(1_000, Duration::from_secs(5))
    }

    #[test]
    fn frames_leave_in_order_and_their_bytes_with_them() {
        let queue = queue();
        for bytes in [1, 2, 3] {
            queue.push(frame(bytes)).unwrap();
        }
        for bytes in [1, 2, 3] {
            assert_eq!(queue.next().now_or_never().unwrap().head.len(), bytes);
        }
        assert_eq!((queue.pop(), queue.bytes()), (None, 0));
    }

    #[test]
    fn a_full_queue_refuses_and_takes_again_when_it_has_room() {
        let queue = queue();
        queue.push(frame(5_000)).expect("a frame alone is taken whatever its length");
        assert_eq!(queue.push(frame(1)), Err(SendError::Full));
        queue.pop();
        for _ in 0..1_000 {
            let _ = queue.push(frame(0));
        }
        assert!(queue.bytes() <= 1_000, "frames without bytes are bounded too");
        queue.pop();
        queue.push(frame(0)).unwrap();
    }

    #[test]
    fn a_peer_that_is_away_refuses_until_it_is_reached_and_pauses_grow() {
        let queue = queue();
        queue.push(frame(1)).unwrap();
        assert_eq!(queue.give_up(), 1);
        assert!(queue.wait_for_work().now_or_never().is_none(), "nobody wants anything of it");
        assert_eq!(queue.push(frame(1)), Err(SendError::Away));
        assert!(queue.wait_for_work().now_or_never().is_some());
        for _ in 0..20 {
            queue.give_up();
        }
        let pause = queue.away_until().unwrap() - Instant::now();
        assert!(pause > Duration::from_secs(2) && pause <= Duration::from_secs(5), "{pause:?}");
        queue.reached();
        assert_eq!(queue.away_until(), None);
        queue.push(frame(1)).unwrap();
    }
}
