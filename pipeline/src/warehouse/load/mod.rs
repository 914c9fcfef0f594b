//! The one way by which records become rows: classify, write, bisect what is refused, and recheck what is taken.
//!
//! [`run`] is the engine. What it writes into is a [`Sink`], which also says whether rows are looked at first or only when an id
//! is taken. [`load`] is the engine over a plain [`Warehouse`](super::Warehouse), as the intake and a backfill use it. A replay
//! has a sink of its own, with the journal's entries in the same transaction, throttling, an undo file and reading back.
//!
//! Nothing here uses `INSERT IGNORE`, which would turn bad values into warnings.

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
pub use sink::{Fault, LookOrder, Rows, Sink};
