//! Access to the fields of readings and records by column, derived from the column table.

use super::column::column_table;
use super::field::{Field, FieldType};
use super::{Column, ColumnKind, Reading, Record};

/// Returns the kind and optionality of a field's Rust type.
const fn described<T: FieldType>(_: fn(&Record) -> &T) -> (ColumnKind, bool) {
    (T::KIND, T::OPTIONAL)
}

/// Expands to the record's field.
macro_rules! of_record {
    ($record:expr, added.$field:ident) => {
        $record.$field
    };
    ($record:expr, reading.$field:ident) => {
        $record.reading.$field
    };
}

/// Expands to the reading's field value; computed columns are absent.
macro_rules! of_reading {
    ($reading:expr, added.$field:ident) => {
        Field::Absent
    };
    ($reading:expr, reading.$field:ident) => {
        $reading.$field.field()
    };
}

macro_rules! access {
    ($($variant:ident: $name:literal, $kind:ident, $need:ident, $unit:expr, $origin:ident.$field:ident;)*) => {
        impl Reading {
            /// Returns the value of a field; absent for computed columns.
            #[inline]
            pub fn field(&self, column: Column) -> Field<'_> {
                match column {
                    $(Column::$variant => of_reading!(self, $origin.$field),)*
                }
            }
        }

        impl Record {
            /// Returns the value of a column.
            #[inline]
            pub fn field(&self, column: Column) -> Field<'_> {
                match column {
                    $(Column::$variant => of_record!(self, $origin.$field).field(),)*
                }
            }

            /// Copies one column's value from another record.
            pub fn copy_field(&mut self, column: Column, from: &Self) {
                match column {
                    $(Column::$variant => of_record!(self, $origin.$field).clone_from(&of_record!(from, $origin.$field)),)*
                }
            }
        }

        /// Compile-time check that the table matches the types of the fields.
        const _: () = {
            $(
                let (kind, optional) = described(|record| &of_record!(record, $origin.$field));
                assert!(kind as u8 == Column::$variant.kind() as u8, "the kind is that of the field's type");
                assert!(optional == Column::$variant.is_optional(), "a column is optional if the type of its field is");
            )*
        };
    };
}

column_table!(access);
