//! `ruminate process`: event files through the real binary, and the endpoint over real HTTP on loopback.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod access;
mod event;
mod http;
mod listen;
