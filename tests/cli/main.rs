//! The real binary as its users run it, against a directory or the in-process S3 service and SQLite; no server needed.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod bad_input;
mod bare;
mod bundle;
mod bundle_source;
mod demo;
mod generate;
mod publish;
mod replaying;
mod settings;
mod sns;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod versions;
