//! Tests against real servers, named by environment variables; `scripts/test` starts them. A test whose server is not
//! named says so and passes, so that plain `cargo test` works with no server.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod audit;
mod bulk;
mod killed;
mod listen;
mod logins;
mod moto;
mod old_lake;
mod recovery;
mod replaying;
mod stream;
#[path = "../support/mod.rs"]
mod support;
mod topic;
mod warehouse;
