//! The environment of the Lambda: events, the Runtime API, and a sandbox that runs the binary.

pub mod events;
pub mod runtime_api;
pub mod sandbox;
