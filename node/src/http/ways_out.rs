//! The ways out: Loki's read routes, each answered for the whole mesh.

mod about;
mod asked;
mod fields;
mod labels;
mod patterns;
mod queries;
mod stats;
mod volume;

pub(super) use about::{build_info, config, drilldown_limits, format_query};
pub(super) use fields::{detected_field_values, detected_fields};
pub(super) use labels::{detected_labels, label_values, labels, old_label_values, old_labels, series};
pub(super) use patterns::patterns;
pub(super) use queries::{query, query_range};
pub(super) use volume::{index_stats, volume, volume_range};
