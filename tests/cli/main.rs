//! The real binary, as a user or a script runs it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod generate;
mod publish;
mod sns;
mod support;
