//! Domain types: readings, enriched records, their ids and rules. Pure code: no IO, no clock.
//!
//! A [`Reading`] is one message as a farm publishes it ([`Column::READING`]). A [`Record`] is a reading enriched with the
//! computed fields ([`Column::TREATED`]). [`reading_id`] gives every reading a stable id, and [`Slug`] is the name of a farm's folder.
//! [`Rules`] holds the business rules, [`Rejection`] the reason why a reading or record is invalid. [`row`] compares a
//! record with a warehouse row at the precision of each column. Storage belongs to [`crate::lake`] and
//! [`crate::warehouse`].

mod column;
mod columns;
mod compressed;
mod date_order;
mod enriched;
mod field;
mod garbled;
mod id;
mod json;
mod mistaken;
mod parse;
mod placeholder;
mod reading;
mod record_id;
mod rejection;
pub mod row;
mod rules;
mod slug;
mod spelling;
pub mod timestamp;

pub use column::{Column, ColumnKind, Unit};
pub use date_order::{Contradiction, DateOrder};
pub use enriched::{IdCheck, Record};
pub use field::{Field, FieldType, Source};
pub use id::id_of_canonical;
pub use id::{canonical, reading_id};
pub use json::{MAX_MESSAGE_BYTES, MAX_OBJECT_BYTES, MAX_TEXT_CHARS, REPAIRED_ID};
pub use reading::Reading;
pub use record_id::RecordId;
pub use rejection::{Rejection, is_impossible_day};
pub use rules::Rules;
pub use slug::{InvalidFarmName, PARTS, QUARANTINE, Slug};
