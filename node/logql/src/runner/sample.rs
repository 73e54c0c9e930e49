//! Takes a line's sample out of its unwrapped label.
//!
//! A line without the label has no sample and drops out silently. A value that does not convert sets an error, which
//! fails the query unless a label filter behind the unwrap says what to do with it; if it is kept, the sample is 0.

use crate::ast::{Conversion, Unwrap};
use crate::duration::{byte_size, label_duration, unread_duration, unread_size};
use crate::error::PlanError;
use crate::float::parse_float;
use crate::pipeline::{Filter, RowLabels};

/// An unwrap expression, ready to run.
#[derive(Debug)]
pub(super) struct Sampler {
    label: String,
    conversion: Option<Conversion>,
    filters: Vec<Filter>,
}

impl Sampler {
    pub(super) fn new(unwrap: &Unwrap) -> Result<Self, PlanError> {
        let filters = unwrap.filters.iter().map(Filter::new).collect::<Result<_, _>>()?;
        Ok(Self { label: unwrap.label.clone(), conversion: unwrap.conversion, filters })
    }

    /// Returns the sample of a line, if it has one and the filters keep it; may set the line's error.
    pub(super) fn sample(&self, row: &mut RowLabels<'_>) -> Option<f64> {
        let text = row.value(&self.label).filter(|text| !text.is_empty())?;
        let value = match convert(text, self.conversion) {
            Ok(value) => value,
            Err(details) => {
                row.fields.set_error("SampleExtractionErr", details);
                0.0
            }
        };
        self.filters.iter().all(|filter| filter.passes(row)).then_some(value)
    }
}

fn convert(text: &str, conversion: Option<Conversion>) -> Result<f64, String> {
    match conversion {
        None => parse_float(text),
        Some(Conversion::Duration | Conversion::DurationSeconds) => match label_duration(text) {
            Some(duration) => Ok(duration.as_seconds()),
            None => Err(unread_duration(text)),
        },
        Some(Conversion::Bytes) => match byte_size(text) {
            Some(bytes) => Ok(bytes as f64),
            None => Err(unread_size(text)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_read_durations_and_sizes() {
        let duration = |text| convert(text, Some(Conversion::Duration)).ok();
        assert_eq!(duration("24s30ms"), Some(24.03));
        assert_eq!(duration("-1m"), Some(-60.0));
        assert_eq!(duration("5"), None);
        let bytes = |text| convert(text, Some(Conversion::Bytes)).ok();
        assert_eq!(bytes("5 MiB"), Some(5_242_880.0));
        assert_eq!((bytes("3k"), bytes("1G"), bytes("x")), (Some(3_000.0), Some(1e9), None));
    }
}
