//! Reports: what a run was like, for people at a terminal, for people with a browser, and for programs.
//!
//! They are made of a [`Recording`] alone and know nothing of the world.

pub use self::figures::Figures;
pub use self::quantiles::Quantiles;
pub use self::recording::{Mark, Moment, NodeState, NodeTrack, Outcome, Recording};

mod chart;
mod figures;
mod grid;
mod page;
mod quantiles;
mod recording;
pub mod show;
mod summary;

pub(crate) use self::page::{document, escape};
