//! The labels of one line while it goes through a pipeline: of its stream, its metadata, and taken out of its text, in
//! this order of precedence. Who comes later and finds a name taken by a higher kind gets `_extracted` behind its name.

mod changes;

use std::fmt;

use logmesh_protocol::record::{Labels, metadata_pairs};
use logmesh_protocol::time::Timestamp;

use changes::Changes;

/// The label that tells which kind of error a pipeline met.
pub(crate) const ERROR: &str = "__error__";
/// The label that tells what exactly was wrong.
pub(crate) const ERROR_DETAILS: &str = "__error_details__";
/// What the loser of a clash of names gets behind its own.
const EXTRACTED: &str = "_extracted";
/// The most labels that one line may give; a line with more gets an error instead of the labels beyond.
pub(crate) const FIELDS_MAX: usize = 512;

/// Pairs of texts in one buffer that is used again line after line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    text: String,
    /// Where each name begins, where its value begins, and where that ends.
    places: Vec<(u32, u32, u32)>,
}

impl Pairs {
    /// Forgets all pairs.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
    }

    fn push(&mut self, name: [&str; 2], value: &str) {
        let at = |text: &String| u32::try_from(text.len()).expect("a line is far smaller than 4 GiB");
        let start = at(&self.text);
        self.text.push_str(name[0]);
        self.text.push_str(name[1]);
        let middle = at(&self.text);
        self.text.push_str(value);
        self.places.push((start, middle, at(&self.text)));
    }

    /// Returns the value of `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Returns the pairs in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|(start, middle, end)| {
            (&self.text[*start as usize..*middle as usize], &self.text[*middle as usize..*end as usize])
        })
    }

    /// Reads canonical metadata bytes. Of pairs with one name the first is kept; names that the stream has get a suffix.
    pub(crate) fn set_metadata(&mut self, stream: &Labels, bytes: &[u8]) {
        self.clear();
        for (name, value) in metadata_pairs(bytes) {
            let suffix = if stream.value(name).is_some() { EXTRACTED } else { "" };
            if self.places.len() < FIELDS_MAX && !self.has([name, suffix]) {
                self.push([name, suffix], value);
            }
        }
    }

    /// Tells whether there are no pairs.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Forgets the pair of this name, if there is one.
    fn remove(&mut self, name: &str) {
        let Self { text, places } = self;
        places.retain(|(start, middle, _)| text[*start as usize..*middle as usize] != *name);
    }

    fn has(&self, name: [&str; 2]) -> bool {
        let len = name[0].len() + name[1].len();
        self.iter().any(|(other, _)| other.len() == len && other.starts_with(name[0]) && other.ends_with(name[1]))
    }
}

/// What was taken out of one line, and what went wrong in doing so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pairs: Pairs,
    /// What stages did to labels of the stream and of the metadata.
    changes: Changes,
    /// How many labels the line had to give, wanted or not.
    seen: usize,
    /// The values of `__error__` and `__error_details__`.
    error: Option<(&'static str, String)>,
    /// Whether a filter asked for the line with its error.
    error_kept: bool,
}

impl Fields {
    /// Forgets the line before.
    pub(crate) fn clear(&mut self) {
        self.pairs.clear();
        self.changes.clear();
        self.seen = 0;
        self.error = None;
        self.error_kept = false;
    }

    /// Returns the labels taken out, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter()
    }

    /// Returns the kind and the details of the error, if there was one.
    pub(crate) fn error(&self) -> Option<(&'static str, &str)> {
        self.error.as_ref().map(|(kind, details)| (*kind, details.as_str()))
    }

    /// Remembers an error; the first of a line is kept.
    pub(crate) fn set_error(&mut self, kind: &'static str, details: String) {
        self.error.get_or_insert((kind, details));
    }

    /// Forgets the error.
    pub(crate) fn clear_error(&mut self) {
        self.error = None;
    }

    /// Forgets the details of the error.
    pub(crate) fn clear_error_details(&mut self) {
        if let Some((_, details)) = &mut self.error {
            details.clear();
        }
    }

    /// Returns the error as labels; without details there is one.
    pub(crate) fn error_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.error().into_iter().flat_map(|(kind, details)| [(ERROR, kind), (ERROR_DETAILS, details)]);
        labels.filter(|(_, value)| !value.is_empty())
    }

    /// Notes that a filter asked for the line with its error.
    pub(crate) fn keep_error(&mut self) {
        self.error_kept = true;
    }

    /// Returns the error that nobody asked for: it fails a metric query.
    pub(crate) fn unwanted_error(&self) -> Option<(&'static str, &str)> {
        self.error().filter(|_| !self.error_kept)
    }
}

/// All labels of one line.
#[derive(Debug)]
pub(crate) struct RowLabels<'a> {
    /// Those of its stream.
    pub(crate) stream: &'a Labels,
    /// Its metadata, clashing names changed.
    pub(crate) metadata: &'a Pairs,
    /// What its text gave.
    pub(crate) fields: &'a mut Fields,
    /// When it happened.
    pub(crate) timestamp: Timestamp,
}

/// Which kind of label a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Metadata,
    Parsed,
}

impl RowLabels<'_> {
    /// Returns the value of the label `name`, if the line has it.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        match (name, self.fields.error()) {
            (ERROR, error) => error.map(|(kind, _)| kind),
            (ERROR_DETAILS, error) => error.map(|(_, details)| details),
            _ => self.find(name).map(|(_, value)| value),
        }
    }

    fn find(&self, name: &str) -> Option<(Kind, &str)> {
        let changes = &self.fields.changes;
        if !changes.hides(name) {
            if let Some(value) = self.stream.value(name) {
                return Some((Kind::Stream, value));
            }
            if let Some(value) = self.metadata.value(name) {
                return Some((Kind::Metadata, value));
            }
        }
        let moved = || changes.stream.value(name).map(|value| (Kind::Stream, value));
        let moved_metadata = || changes.metadata.value(name).map(|value| (Kind::Metadata, value));
        let parsed = || self.fields.pairs.value(name).map(|value| (Kind::Parsed, value));
        moved().or_else(moved_metadata).or_else(parsed)
    }

    /// Returns all labels, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stream_labels().chain(self.metadata_labels()).chain(self.fields.iter()).chain(self.fields.error_labels())
    }

    /// Returns the labels of the stream that stages left.
    pub(crate) fn stream_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let changes = &self.fields.changes;
        self.stream.iter().filter(|(name, _)| !changes.hides(name)).chain(changes.stream.iter())
    }

    /// Tells whether stages changed the labels of the stream.
    pub(crate) fn stream_changed(&self) -> bool {
        let changes = &self.fields.changes;
        !changes.stream.is_empty() || self.stream.iter().any(|(name, _)| changes.hides(name))
    }

    /// Returns the labels of the metadata that stages left.
    pub(crate) fn metadata_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let changes = &self.fields.changes;
        self.metadata.iter().filter(|(name, _)| !changes.hides(name)).chain(changes.metadata.iter())
    }

    /// Sets a label, whichever kind the one of this name was.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.set_kind(Kind::Parsed, name, value);
    }

    fn set_kind(&mut self, kind: Kind, name: &str, value: &str) {
        self.remove(name);
        let pairs = match kind {
            Kind::Stream => &mut self.fields.changes.stream,
            Kind::Metadata => &mut self.fields.changes.metadata,
            Kind::Parsed => &mut self.fields.pairs,
        };
        pairs.push([name, ""], value);
    }

    /// Gives a label, if the line has it, another name, under which it replaces what was there. It stays of its kind.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if from == to {
            return;
        }
        let Some((kind, value)) = self.find(from).map(|(kind, value)| (kind, value.to_owned())) else { return };
        self.set_kind(kind, to, &value);
        self.remove(from);
    }

    /// Takes a label away.
    pub(crate) fn remove(&mut self, name: &str) {
        if self.stream.value(name).is_some() || self.metadata.value(name).is_some() {
            self.fields.changes.hide(name);
        }
        self.fields.changes.stream.remove(name);
        self.fields.changes.metadata.remove(name);
        self.fields.pairs.remove(name);
    }

    /// Takes away all labels but those that `keeps`; the error stays.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&str, &str) -> bool) {
        let labels = self.stream_labels().chain(self.metadata_labels()).chain(self.fields.iter());
        let gone: Vec<String> =
            labels.filter(|(name, value)| !keeps(name, value)).map(|(name, _)| name.to_owned()).collect();
        for name in gone {
            self.remove(&name);
        }
    }

    /// Tells whether the stream or the metadata has, or had, a label of this name: what is taken out of the text then
    /// gets a suffix.
    fn is_taken(&self, name: &str) -> bool {
        let changes = &self.fields.changes;
        let moved = || changes.stream.value(name).is_some() || changes.metadata.value(name).is_some();
        self.stream.value(name).is_some() || self.metadata.value(name).is_some() || moved()
    }
}

/// Which labels of a line are worth taking out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    All,
    /// These, and without their suffix those that a clash may have given one.
    Names(Vec<String>),
}

impl Wanted {
    /// Returns the wish for these names, under which a clash may have put them.
    pub(crate) fn names(names: Vec<String>) -> Self {
        let bare: Vec<String> =
            names.iter().filter_map(|name| name.strip_suffix(EXTRACTED)).map(str::to_owned).collect();
        let mut names = [names, bare].concat();
        names.sort();
        names.dedup();
        Wanted::Names(names)
    }
}

/// Takes the fields that a parser finds.
pub(crate) trait FieldSink {
    /// Tells whether the field `name`, which comes next, is worth its value. Fails if the line has too many.
    fn wants(&mut self, name: &str) -> Result<bool, TooManyFields>;

    /// Takes a field that was wanted.
    fn take(&mut self, name: &str, value: &str);

    /// Tells whether no field whose name has so many bytes is wanted, and then counts as [`FieldSink::wants`] does. It
    /// saves making names that nobody wants.
    fn rules_out(&mut self, name_len: usize) -> Result<bool, TooManyFields>;
}

/// Takes fields from a parser into the fields of a row.
#[derive(Debug)]
pub(crate) struct Extract<'r, 'a> {
    /// The row.
    pub(crate) row: &'r mut RowLabels<'a>,
    /// What is worth taking.
    pub(crate) wanted: &'r Wanted,
}

impl Extract<'_, '_> {
    /// Takes a field if it is wanted; for parsers whose fields are few.
    pub(crate) fn offer(&mut self, name: &str, value: &str) {
        if self.wants(name) == Ok(true) {
            self.take(name, value);
        }
    }

    fn count(&mut self) -> Result<(), TooManyFields> {
        self.row.fields.seen += 1;
        if self.row.fields.seen > FIELDS_MAX { Err(TooManyFields) } else { Ok(()) }
    }
}

impl FieldSink for Extract<'_, '_> {
    fn wants(&mut self, name: &str) -> Result<bool, TooManyFields> {
        self.count()?;
        Ok(match self.wanted {
            Wanted::All => true,
            Wanted::Names(names) => names.iter().any(|wanted| wanted == name),
        })
    }

    fn rules_out(&mut self, name_len: usize) -> Result<bool, TooManyFields> {
        let Wanted::Names(names) = self.wanted else { return Ok(false) };
        if names.iter().any(|name| name.len() == name_len) {
            return Ok(false);
        }
        self.count()?;
        Ok(true)
    }

    fn take(&mut self, name: &str, value: &str) {
        // A line must not be able to claim an error, or to hide one.
        if matches!(name, ERROR | ERROR_DETAILS | "") {
            return;
        }
        let row = &mut *self.row;
        let taken = row.is_taken(name);
        let name = [name, if taken { EXTRACTED } else { "" }];
        if row.fields.pairs.has(name) {
            return;
        }
        if taken {
            let whole = name.concat();
            if row.is_taken(&whole) {
                return;
            }
        }
        row.fields.pairs.push(name, value);
    }
}

/// A line with more fields than [`FIELDS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyFields;

impl fmt::Display for TooManyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the line has more than {FIELDS_MAX} fields")
    }
}
