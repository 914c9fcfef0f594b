//! The domain, pure: readings, treated records, their identity and rules. No IO, no clock.
//!
//! A [`Reading`] is one message as a farm publishes it (10 fields); a [`Record`] is the treated reading (13 columns).
//! [`reading_id`] gives every reading one id for good, [`Slug`] names a farm's folder, [`Rules`] holds the business
//! rules, [`Rejection`] says precisely why something is no valid reading or record, and [`row`] compares a record
//! with a warehouse row at the precision of the column that holds it. Where records live is the business of
//! [`crate::lake`] and [`crate::warehouse`].

mod column;
mod columns;
mod enriched;
mod field;
mod id;
mod json;
mod reading;
mod record_id;
mod rejection;
pub mod row;
mod rules;
mod slug;
mod spelling;
pub mod timestamp;

pub use column::{Column, ColumnKind, Unit};
pub use enriched::Record;
pub use field::{Field, FieldType, Source};
pub use id::id_of_canonical;
pub use id::{canonical, reading_id};
pub use json::{MAX_MESSAGE_BYTES, MAX_OBJECT_BYTES, MAX_TEXT_CHARS};
pub use reading::Reading;
pub use record_id::RecordId;
pub use rejection::Rejection;
pub use rules::Rules;
pub use slug::{InvalidFarmName, QUARANTINE, Slug};
