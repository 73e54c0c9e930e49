//! Expiry: a pure function of window and retention, equal on all nodes up to their clocks.

use std::time::Duration;

use super::Replica;
use crate::segment::{SegmentId, Window};
use crate::time::{Instant, Timestamp};

impl Replica {
    fn expires(&self, segment: &SegmentId) -> Timestamp {
        let expires = segment.window.end().saturating_add(self.context.config.retention);
        if planted!(ExpiredEarly) { expires.saturating_sub(Window::LENGTH) } else { expires }
    }

    /// Tells whether all segments of a window are deleted by now, here and everywhere.
    pub(super) fn is_past(&self, window: Window) -> bool {
        let expires = window.end().saturating_add(self.context.config.retention);
        expires.saturating_add(self.context.config.clock_skew_max) <= self.context.now.timestamp
    }

    /// Tells whether a segment is deleted by now, here and everywhere, or was here a moment ago: nothing more is taken for it.
    pub(super) fn is_gone(&self, segment: &SegmentId) -> bool {
        let skew = self.context.config.clock_skew_max;
        self.expires(segment).saturating_add(skew) <= self.context.now.timestamp || self.segments.is_dropping(segment)
    }

    /// Tells whether a segment is so near its expiry that others may have deleted it already: it is not compared.
    pub(super) fn is_expiring(&self, segment: &SegmentId) -> bool {
        let skew = self.context.config.clock_skew_max;
        self.expires(segment).saturating_sub(skew) <= self.context.now.timestamp
    }

    pub(super) fn tick_expiry(&mut self) {
        if self.context.ago(self.expired_at) < EXPIRY_PAUSE && self.expired_at != Instant::default() {
            return;
        }
        self.expired_at = self.context.now.instant;
        let skew = self.context.config.clock_skew_max;
        let now = self.context.now.timestamp;
        for id in self.segments.ids() {
            // They sort by window: after the first that lives, all do.
            if self.expires(&id).saturating_add(skew) > now {
                break;
            }
            self.drop_segment(id, true);
            self.journal.forget(id.window);
        }
        let retention = self.context.config.retention;
        let instant = self.context.now.instant;
        self.lacking.retain(|id, at| !id.is_expired(now, retention) && instant.since(*at) < LACKING_KEPT);
    }
}

/// What is missing and nobody has told of again for so long has come to nothing: others hold it now.
const LACKING_KEPT: Duration = Duration::from_secs(60);
/// How often expiry is looked for.
const EXPIRY_PAUSE: Duration = Duration::from_secs(10);
