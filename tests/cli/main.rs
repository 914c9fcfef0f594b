//! The real binary as its users run it, against a directory or the in-process S3 service and SQLite; no server needed.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod bad_input;
mod bundle;
mod bundle_source;
mod conditional;
mod config;
mod cutoff;
mod demo;
mod docs;
mod empty_side;
mod fleet;
mod generate;
mod generate_truth;
mod input_files;
mod interrupt_and_resume;
mod mistyped;
mod one_file;
mod planted_drift;
mod planted_drift_mixed;
mod publish;
mod publish_ends;
mod publish_faults;
mod publish_interrupted;
mod readme;
mod reconcile;
mod reconcile_cache;
mod reconcile_truth;
mod reference;
mod repair;
mod replay;
mod replay_as_of;
mod sns_stub;
mod store_state;
mod terminal;
mod undo;
