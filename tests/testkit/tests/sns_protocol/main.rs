//! The stub as the SDK sees it: responses, errors and faults in the format that a real client expects.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod client;
mod delivery;
mod faults;
mod publishing;
