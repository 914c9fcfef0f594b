//! The suites that every back end passes: one per trait, called by the tests of each back end on an empty store.
//!
//! They panic if a back end does not conform.

pub mod lake;
pub mod warehouse;
