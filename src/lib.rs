//! ruminate
pub mod aws;
pub mod error;
#[cfg(feature = "cli")]
pub mod herd;
#[cfg(feature = "cli")]
pub mod history;
pub mod intake;
pub mod lake;
#[cfg(feature = "cli")]
pub mod progress;
pub mod record;
pub mod retry;
#[cfg(feature = "cli")]
pub mod stop;
pub mod topic;
pub mod warehouse;
