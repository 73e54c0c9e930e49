//! What stages such as `drop` and `label_format` did to the labels that a line has from its stream and its metadata. Most
//! queries have no such stage, so that asking costs next to nothing then.

use super::Pairs;

/// The changes of one line.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The names that went away, with empty values.
    hidden: Pairs,
    /// Labels of the stream under new names.
    pub(super) stream: Pairs,
    /// Metadata under new names.
    pub(super) metadata: Pairs,
}

impl Changes {
    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.hidden.clear();
        self.stream.clear();
        self.metadata.clear();
    }

    /// Tells whether the label of this name of the stream or the metadata went away.
    pub(super) fn hides(&self, name: &str) -> bool {
        !self.hidden.is_empty() && self.hidden.value(name).is_some()
    }

    /// Lets the label of this name of the stream or the metadata go away.
    pub(super) fn hide(&mut self, name: &str) {
        if !self.hides(name) {
            self.hidden.push([name, ""], "");
        }
    }
}
