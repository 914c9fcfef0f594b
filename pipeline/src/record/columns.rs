//! The fields of readings and records by column, derived from the column table.

use super::column::column_table;
use super::field::{Field, FieldType};
use super::{Column, ColumnKind, Reading, Record};

/// Kind and optionality of a field, by its Rust type.
const fn described<T: FieldType>(_: fn(&Record) -> &T) -> (ColumnKind, bool) {
    (T::KIND, T::OPTIONAL)
}

/// The field of a record.
macro_rules! of_record {
    ($record:expr, added.$field:ident) => {
        $record.$field
    };
    ($record:expr, reading.$field:ident) => {
        $record.reading.$field
    };
}

/// The value of a reading, which lacks what processing adds.
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
            /// The value of a field; absent for columns that processing adds.
            #[inline]
            pub fn field(&self, column: Column) -> Field<'_> {
                match column {
                    $(Column::$variant => of_reading!(self, $origin.$field),)*
                }
            }
        }

        impl Record {
            /// The value of a column.
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

        /// The table says of every column what the type of its field says.
        const _: () = {
            $(
                let (kind, optional) = described(|record| &of_record!(record, $origin.$field));
                assert!(kind as u8 == Column::$variant.kind() as u8, "the kind is that of the field's type");
                assert!(optional == Column::$variant.is_optional(), "optional is what the field's type says");
            )*
        };
    };
}

column_table!(access);
