//! What the Lambda's tests share.

pub mod events;
pub mod faulty;
pub mod runtime_api;
pub mod sandbox;
