//! Loads records into rows: classify, write, bisect rejected parts, and recheck taken ids.
//!
//! [`run`] is the engine. It writes into a [`Sink`], which also determines if rows are read before writing or only if
//! an id is taken. [`load`] runs the engine on a plain [`Warehouse`](super::Warehouse), for the intake and backfills. A
//! replay has its own sink, with journal entries in the same transaction, a throttle, an undo file, and reading rows
//! back.
//!
//! This module never uses `INSERT IGNORE`, which would turn invalid values into warnings.

mod classified;
mod classify;
mod engine;
#[cfg(feature = "bulk")]
mod existing;
mod insert;
mod result;
mod sink;
#[cfg(feature = "bulk")]
#[cfg(test)]
mod tests;

pub use classified::Classified;
pub use classify::compare;
pub use engine::run;
#[cfg(feature = "bulk")]
pub use existing::existing_rows;
pub use insert::{LoadResults, load, load_into};
pub use result::{Conflict, LoadResult, OnConflict};
pub use sink::{Fault, LookupOrder, Rows, Sink};
