//! The real binary as its users run it, against a directory or the in-process S3 service and SQLite; no server needed.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod auditing;
mod bad_files;
mod bad_input;
mod bundle;
mod bundle_source;
mod cached;
mod conditional;
mod cutoff;
mod demo;
mod docs;
mod empty_side;
mod generate;
mod generate_truth;
mod mistyped;
mod one_file;
mod planted;
mod planted_mixed;
mod publish;
mod publish_ends;
mod publish_faults;
mod publish_stopped;
mod readme;
mod reference;
mod repairing;
mod replaying;
mod settings;
mod sns;
mod state;
mod stopping;
mod terminal;
mod truth;
mod undoing;
mod versions;
