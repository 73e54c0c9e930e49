//! Queries: a coordinator on the node that was asked, and scans beside the data on all.

mod coordinate;
mod fields;
mod local;
mod mask;
mod run;
mod tail;
mod tenants;
mod volume;
mod wire;

pub(crate) use coordinate::{Coordinator, Gathered, QueryError};
pub(crate) use fields::{Field, FieldTable};
pub(crate) use local::{CancelOnDrop, Local};
pub(crate) use mask::{Deleted, Masks, read_query};
pub(crate) use tail::{Dropped, FOLLOWERS_MAX, Feed, Follow, Followed, Following};
pub(crate) use volume::{Grouping, VolumeAsk, VolumeCell, VolumeMerge, VolumeSeries};
pub(crate) use wire::{Ask, Listing, Outcome, PatternsAsk, Work, decode_ask, encode_answer, progress};
