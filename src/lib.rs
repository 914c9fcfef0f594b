//! ruminate
pub mod error;
pub mod record;
