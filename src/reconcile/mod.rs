//! Reconcile: lake against warehouse, record by record and field by field, with repair.
//!
//! The lake side is read once and sorted by id (on disk past a fixed size), the warehouse is streamed once in id order,
//! and the two are merged. What looks like drift is looked at again before it is reported. [`repair()`] mends what can
//! be mended without ever overwriting an object of the lake.
//!
//! | id in the lake | id in the warehouse | verdict |
//! | --- | --- | --- |
//! | a record | a row with the same values | matched |
//! | a record | a row with other values | differing |
//! | a record | none | lake_only |
//! | none | a row | warehouse_only |
//! | more than one object | any | one is judged as above, each further one is a duplicate_object |
//! | only in the name of an object that cannot be judged (unreadable, rejected, archived, too new) | a row | unjudged |

mod drift;
mod entries;
mod findings;
mod lake_side;
mod merge;
mod repair;
mod run;
mod warehouse_side;

use std::sync::Arc;

use crate::lake::{Lake, Span};
use crate::record::Rules;
use crate::warehouse::Warehouse;

pub use drift::{Drift, Kind, Sink};
pub use repair::{Direction, Plan, repair};
pub use run::run;

/// The two stores, what of them is audited, and how.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The lake.
    pub lake: Arc<dyn Lake>,
    /// The warehouse.
    pub warehouse: Arc<dyn Warehouse>,
    /// Farms and days; membership is decided by content (DESIGN §7).
    pub span: Span,
    /// The rules that `consumo_meta` must follow.
    pub rules: Rules,
    /// Objects read at once.
    pub reads: usize,
}
