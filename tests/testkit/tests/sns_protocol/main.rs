//! The stub as the SDK sees it: its answers, errors and faults in the shapes that a real client understands.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod client;
mod delivery;
mod faults;
mod publishing;
