//! Tests of the whole store, beside the code.

mod world;
