//! Field values and types, and the traits for column-by-column access.

use chrono::{DateTime, Utc};

use super::{Column, ColumnKind};

/// One value of a record, as in its lake object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// The optional field is missing.
    Absent,
    /// An id or a name.
    Text(&'a str),
    /// A weight or an intake in kg.
    Weight(f64),
    /// An integer number of head or days.
    Count(i32),
    /// A point in time, UTC.
    Instant(DateTime<Utc>),
}

/// A source from which a record is read column by column: JSON, a row, a Parquet file.
pub trait Source {
    /// Error for a value that cannot be read.
    type Error;

    /// Returns true if the source has a value for an optional column.
    fn has(&mut self, column: Column) -> bool;

    /// Reads a text.
    ///
    /// # Errors
    /// Returns an error if the value is missing or invalid.
    fn text(&mut self, column: Column) -> Result<String, Self::Error>;

    /// Reads a weight, in kg.
    ///
    /// # Errors
    /// As for [`Source::text`].
    fn weight(&mut self, column: Column) -> Result<f64, Self::Error>;

    /// Reads a count.
    ///
    /// # Errors
    /// As for [`Source::text`].
    fn count(&mut self, column: Column) -> Result<i32, Self::Error>;

    /// Reads a point in time.
    ///
    /// # Errors
    /// As for [`Source::text`].
    fn instant(&mut self, column: Column) -> Result<DateTime<Utc>, Self::Error>;

    /// Checks a complete reading by its farm, after all of its fields are read. Accepts every reading by default.
    ///
    /// # Errors
    /// Returns an error if the source does not accept the reading.
    fn check(&self, cod_cliente: &str) -> Result<(), Self::Error> {
        let _ = cod_cliente;
        Ok(())
    }
}

/// Rust type of a field, which determines the kind of its column.
pub trait FieldType: Sized {
    /// Kind of the column.
    const KIND: ColumnKind;

    /// True if a record may lack the field.
    const OPTIONAL: bool = false;

    /// Returns the value.
    fn field(&self) -> Field<'_>;

    /// Reads the value.
    ///
    /// # Errors
    /// Returns the source's error.
    fn read<S: Source>(source: &mut S, column: Column) -> Result<Self, S::Error>;
}

macro_rules! field_type {
    ($type:ty, $kind:ident, $read:ident, $value:ident => $field:expr) => {
        impl FieldType for $type {
            const KIND: ColumnKind = ColumnKind::$kind;

            #[inline]
            fn field(&self) -> Field<'_> {
                let $value = self;
                Field::$kind($field)
            }

            #[inline]
            fn read<S: Source>(source: &mut S, column: Column) -> Result<Self, S::Error> {
                source.$read(column)
            }
        }
    };
}

field_type!(String, Text, text, text => text);
field_type!(f64, Weight, weight, value => *value);
field_type!(i32, Count, count, value => *value);
field_type!(DateTime<Utc>, Instant, instant, at => *at);

impl<T: FieldType> FieldType for Option<T> {
    const KIND: ColumnKind = T::KIND;
    const OPTIONAL: bool = true;

    fn field(&self) -> Field<'_> {
        self.as_ref().map_or(Field::Absent, T::field)
    }

    fn read<S: Source>(source: &mut S, column: Column) -> Result<Self, S::Error> {
        if source.has(column) { T::read(source, column).map(Some) } else { Ok(None) }
    }
}
