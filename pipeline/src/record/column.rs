//! The column table: every column of `historico_consumo` with its name, unit and field, in the order of the table.
//!
//! Everything that goes through a record column by column is derived from here: checks of a real table, SELECT lists,
//! bindings, LOAD DATA text, the Parquet schema, hashes, control totals and the comparison. Kind and optionality of a
//! column come from the Rust type of its field (see [`FieldType`]). What a real table's column holds is in `stored`.

use std::fmt;

use super::field::{ColumnKind, Field, FieldType};
use super::{Reading, Record};

/// Unit of a column's numbers, and the decimals worth showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The unit in words.
    pub name: &'static str,
    /// Decimals worth showing.
    pub decimals: usize,
}

const fn unit(name: &'static str, decimals: usize) -> Option<Unit> {
    Some(Unit { name, decimals })
}

const KG_PER_ANIMAL: Option<Unit> = unit("kg per animal", 3);
const KG_PER_ANIMAL_AND_DAY: Option<Unit> = unit("kg per animal and day", 3);
const HEAD: Option<Unit> = unit("head", 0);
const DAYS_ON_FEED: Option<Unit> = unit("days on feed", 0);

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

macro_rules! columns {
    ($($variant:ident: $name:literal, $unit:expr, $origin:ident.$field:ident;)*) => {
        /// A column of the warehouse table, which is also the name of a field in the lake's JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the variants are the column names; DESIGN §2 gives their meaning")]
        pub enum Column {
            $($variant,)*
        }

        impl Column {
            /// Number of columns.
            pub const COUNT: usize = Self::ALL.len();

            /// All columns in the order of the table.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant,)*];

            const DESCRIBED: [(ColumnKind, bool); Self::COUNT] = [$(described(|record| &of_record!(record, $origin.$field)),)*];

            /// The column's name in SQL, JSON, CSV and Parquet.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The unit of its numbers; `None` for texts and times.
            pub const fn unit(self) -> Option<Unit> {
                match self {
                    $(Self::$variant => $unit,)*
                }
            }
        }

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
    };
}

columns! {
    IdTreatedData: "id_treated_data", None, added.id_treated_data;
    IdCurral: "id_curral", None, reading.id_curral;
    IdRaca: "id_raca", None, reading.id_raca;
    IdLote: "id_lote", None, reading.id_lote;
    PesoEntrada: "peso_entrada", KG_PER_ANIMAL, reading.peso_entrada;
    PesoMedio: "peso_medio", KG_PER_ANIMAL, reading.peso_medio;
    QuantidadeAnimais: "quantidade_animais", HEAD, reading.quantidade_animais;
    DiaConfinamento: "dia_confinamento", DAYS_ON_FEED, reading.dia_confinamento;
    ConsumoReal: "consumo_real", KG_PER_ANIMAL_AND_DAY, reading.consumo_real;
    ConsumoMeta: "consumo_meta", KG_PER_ANIMAL_AND_DAY, added.consumo_meta;
    Data: "data", None, reading.data;
    CodCliente: "cod_cliente", None, reading.cod_cliente;
    RowTs: "row_ts", None, added.row_ts;
}

impl Column {
    /// The fields that processing adds; a message that contains them loses them to the computed values.
    pub const TREATED: [Self; 3] = [Self::ConsumoMeta, Self::IdTreatedData, Self::RowTs];

    /// The fields of a reading, in the order in which farms send them and in which the id is computed.
    ///
    /// Optional fields come last: those that a reading lacks are not part of its id.
    pub const READING: [Self; Self::COUNT - Self::TREATED.len()] = [
        Self::IdCurral,
        Self::IdRaca,
        Self::IdLote,
        Self::PesoEntrada,
        Self::PesoMedio,
        Self::Data,
        Self::QuantidadeAnimais,
        Self::DiaConfinamento,
        Self::ConsumoReal,
        Self::CodCliente,
    ];

    /// The fields that every reading has, in the order in which farms send them.
    pub const REQUIRED: [Self; count(&Self::READING, Choice::Required)] = chosen(&Self::READING, Choice::Required);

    /// The columns of numbers, in the order of the table.
    pub const NUMBERS: [Self; count(&Self::ALL, Choice::Numbers)] = chosen(&Self::ALL, Choice::Numbers);

    /// What kind of value it has.
    pub const fn kind(self) -> ColumnKind {
        Self::DESCRIBED[self.index()].0
    }

    /// Returns true if a record may have no value for it.
    pub const fn is_optional(self) -> bool {
        Self::DESCRIBED[self.index()].1
    }

    /// Returns true if processing adds it to the reading.
    pub fn is_treated(self) -> bool {
        Self::TREATED.contains(&self)
    }

    /// The column with that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The column's place in the table, from 0.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Columns that are chosen when this is compiled.
#[derive(Clone, Copy)]
enum Choice {
    Required,
    Numbers,
}

const fn is_chosen(column: Column, choice: Choice) -> bool {
    match choice {
        Choice::Required => !column.is_optional(),
        Choice::Numbers => column.kind().is_number(),
    }
}

const fn count(from: &[Column], choice: Choice) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < from.len() {
        count += is_chosen(from[at], choice) as usize;
        at += 1;
    }
    count
}

const fn chosen<const N: usize>(from: &[Column], choice: Choice) -> [Column; N] {
    let (mut chosen, mut at, mut next) = ([from[0]; N], 0, 0);
    while at < from.len() {
        if is_chosen(from[at], choice) {
            chosen[next] = from[at];
            next += 1;
        }
        at += 1;
    }
    chosen
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_of_the_reading_or_added_and_only_optional_ones_end_a_reading() {
        for column in Column::ALL {
            assert_ne!(Column::READING.contains(&column), column.is_treated(), "{column}");
            assert_eq!(column.unit().is_some(), column.kind().is_number(), "{column}");
        }
        assert!(Column::READING.is_sorted_by_key(|column| column.is_optional()));
    }
}
