//! The column table: every column of `historico_consumo` with its name, unit and field, in table order.
//!
//! All column-by-column code is derived from it: schema checks, SELECT lists, bindings, LOAD DATA text, the Parquet
//! schema, hashes, control totals and the comparison. `columns` reads records by it and checks each kind against the
//! Rust type of the field.
//!
//! # Adding a column
//!
//! 1. One line in the table of this file, with kind and unit, and in `Column::READING` if farms send it. It is optional, because
//!    existing messages and objects lack it. "Fields that farms already send" decides about `Column::IN_ID`.
//! 2. The field of `Reading` and its line in `Reading::read` (`reading.rs`), or the field of `Record` (`enriched.rs`).
//! 3. The column in `0001_table.sql` of `sql/mysql/` and `sql/sqlite/`, for new tables. For existing tables either a step of
//!    `init` (`warehouse/schema.rs`), or ALTER TABLE by the operator, before a new Lambda is deployed: a table without the
//!    column is rejected.
//! 4. The columns of both tables in `lambda/template.yaml`. A test fails without them.
//!
//! Statements of the Rust tests follow from the table. The independent code in Python (`tests/differential`) names the columns,
//! and fails without the new one.
//!
//! Caches of audits and existing parts have other columns then, and are not trusted: records are read from objects until
//! `ruminate compact` has written the parts again. Do that before objects are deleted, because `restore` does not read old
//! parts. Hash totals change as well, so totals of before and after the change cannot be compared.
//!
//! # Fields that farms already send
//!
//! Objects keep fields that are not in the table, so objects may have a field of the new column's name already. Search the lake
//! for it before the column is added.
//!
//! - **No object has it:** add the column to `Column::IN_ID` too, after the others. Readings without it keep their ids, and a
//!   reading that is corrected in this field only gets another id.
//! - **Objects have it:** leave the column out of `Column::IN_ID`, because their ids were computed without it. With it they
//!   would be reported as forged (`forged_id`), and a redelivered message would get a second id and a second object. The price:
//!   of two messages that differ in this field only, the first one is stored.
//!   An object whose field has an invalid value for the column, such as `"n/d"` in a number, is rejected from then on. The rows
//!   of the others lack the value until `reconcile --repair warehouse` or `replay --on-conflict overwrite` writes it.

use std::fmt;

/// Unit of a column's numbers, with the number of decimals to display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Name of the unit.
    pub name: &'static str,
    /// Number of decimals to display.
    pub decimals: usize,
}

const fn unit(name: &'static str, decimals: usize) -> Option<Unit> {
    Some(Unit { name, decimals })
}

const KG_PER_ANIMAL: Option<Unit> = unit("kg per animal", 3);
const KG_PER_ANIMAL_AND_DAY: Option<Unit> = unit("kg per animal and day", 3);
const HEAD: Option<Unit> = unit("head", 0);
const DAYS_ON_FEED: Option<Unit> = unit("days on feed", 0);

/// Kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// An id or a name.
    Text,
    /// A measured number, such as a weight or an intake: f64 in the lake, FLOAT or DOUBLE in a warehouse.
    Weight,
    /// A whole number of head or days.
    Count,
    /// A point in time, UTC.
    Instant,
}

impl ColumnKind {
    /// Returns true for weights and counts.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Weight | Self::Count)
    }
}

/// The table: variant, name, kind, required or optional, unit, and the record's field. It is passed to another macro,
/// so that `columns` can generate the field access without an import of records here.
macro_rules! column_table {
    ($with:ident) => {
        $with! {
            IdTreatedData: "id_treated_data", Text, required, None, added.id_treated_data;
            IdCurral: "id_curral", Text, required, None, reading.id_curral;
            IdRaca: "id_raca", Text, required, None, reading.id_raca;
            IdLote: "id_lote", Text, required, None, reading.id_lote;
            PesoEntrada: "peso_entrada", Weight, required, KG_PER_ANIMAL, reading.peso_entrada;
            PesoMedio: "peso_medio", Weight, required, KG_PER_ANIMAL, reading.peso_medio;
            QuantidadeAnimais: "quantidade_animais", Count, required, HEAD, reading.quantidade_animais;
            DiaConfinamento: "dia_confinamento", Count, required, DAYS_ON_FEED, reading.dia_confinamento;
            ConsumoReal: "consumo_real", Weight, required, KG_PER_ANIMAL_AND_DAY, reading.consumo_real;
            ConsumoMeta: "consumo_meta", Weight, required, KG_PER_ANIMAL_AND_DAY, added.consumo_meta;
            Data: "data", Instant, required, None, reading.data;
            CodCliente: "cod_cliente", Text, required, None, reading.cod_cliente;
            RowTs: "row_ts", Instant, required, None, added.row_ts;
        }
    };
}
pub(super) use column_table;

macro_rules! is_optional {
    (required) => {
        false
    };
    (optional) => {
        true
    };
}

macro_rules! declare {
    ($($variant:ident: $name:literal, $kind:ident, $need:ident, $unit:expr, $origin:ident.$field:ident;)*) => {
        /// A column of the warehouse table, which is also the name of a field in the lake's JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the variants are the column names; docs/reference/data.md gives their meaning")]
        pub enum Column {
            $($variant,)*
        }

        impl Column {
            /// Number of columns.
            pub const COUNT: usize = Self::ALL.len();

            /// All columns in the order of the table.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant,)*];

            const DESCRIBED: [(ColumnKind, bool); Self::COUNT] = [$((ColumnKind::$kind, is_optional!($need)),)*];

            /// Returns the column's name in SQL, JSON, CSV and Parquet.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the unit of the column's numbers; `None` for texts, times and numbers without a unit.
            pub const fn unit(self) -> Option<Unit> {
                match self {
                    $(Self::$variant => $unit,)*
                }
            }
        }
    };
}

column_table!(declare);

impl Column {
    /// The fields that the intake computes. Values for them in a message are replaced.
    pub const TREATED: [Self; 3] = [Self::ConsumoMeta, Self::IdTreatedData, Self::RowTs];

    /// The fields of a reading, in the order in which farms send them; optional fields come last.
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

    /// The fields that the id is computed from, in that order (`docs/ids.md`): all required ones, and optional ones that no
    /// object had before their column was added. A field that a reading lacks is not part of its id.
    pub const IN_ID: [Self; 10] = [
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

    /// The required fields of a reading, in the order in which farms send them.
    pub const REQUIRED: [Self; count(&Self::READING, Choice::Required)] = chosen(&Self::READING, Choice::Required);

    /// The numeric columns, in table order.
    pub const NUMBERS: [Self; count(&Self::ALL, Choice::Numbers)] = chosen(&Self::ALL, Choice::Numbers);

    /// Returns the kind of the column's values.
    pub const fn kind(self) -> ColumnKind {
        Self::DESCRIBED[self.index()].0
    }

    /// Returns true if a record may lack a value for the column.
    pub const fn is_optional(self) -> bool {
        Self::DESCRIBED[self.index()].1
    }

    /// Returns true if the intake computes the column.
    pub fn is_treated(self) -> bool {
        Self::TREATED.contains(&self)
    }

    /// Returns the column with a name; `None` if no column has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Returns the column's index in the table, from 0.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Selection of columns at compile time.
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
    fn every_column_is_read_or_computed_and_optional_columns_come_last() {
        for column in Column::ALL {
            assert_ne!(Column::READING.contains(&column), column.is_treated(), "{column}");
            assert_eq!(column.unit().is_some(), column.kind().is_number(), "{column}");
        }
        assert!(Column::READING.is_sorted_by_key(|column| column.is_optional()));
    }

    #[test]
    fn the_id_covers_the_required_fields_and_after_them_only_optional_ones_of_a_reading() {
        assert!(Column::IN_ID.starts_with(&Column::REQUIRED));
        assert!(Column::IN_ID.iter().all(|column| Column::READING.contains(column)));
    }
}
