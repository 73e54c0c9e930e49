//! `label_format`: labels under new names.

use super::labels::RowLabels;
use crate::ast::{FormatValue, LabelFormat};
use crate::error::PlanError;

/// What becomes of labels, one after the other: the new name of each, and the old one.
#[derive(Debug)]
pub(super) struct Formats(Vec<(String, String)>);

impl Formats {
    /// Compiles the formats of a stage.
    pub(super) fn new(formats: &[LabelFormat]) -> Result<Self, PlanError> {
        let rename = |format: &LabelFormat| match &format.value {
            FormatValue::Rename(from) => Ok((format.label.clone(), from.clone())),
            FormatValue::Template(_) => Err(unsupported()),
        };
        Ok(Self(formats.iter().map(rename).collect::<Result<_, _>>()?))
    }

    /// Renames the labels.
    pub(super) fn apply(&self, row: &mut RowLabels<'_>) {
        self.0.iter().for_each(|(to, from)| row.rename(from, to));
    }
}

/// Says that templates do not run yet.
pub(super) fn unsupported() -> PlanError {
    PlanError::Unsupported("templates are not supported by this version of Logmesh".to_owned())
}
