//! Tests of the whole store, beside the code.

mod commits;
mod damage;
mod extents;
mod scans;
mod world;
