//! ruminate
pub mod aws;
pub mod error;
pub mod lake;
pub mod record;
pub mod retry;
pub mod warehouse;
