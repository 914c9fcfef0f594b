//! The Lambda from outside: its events, the Runtime API, and a sandbox that runs its binary.

pub mod events;
pub mod runtime_api;
pub mod sandbox;
