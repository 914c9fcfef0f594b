//! Schema of the warehouse: the numbered files in `sql/`, and the columns of an existing table. The steps are one list for all
//! dialects; each back end has them with its own files.
//!
//! Each [`SchemaStep`] creates one object, and runs if the object does not exist. So far none alters an existing table:
//!
//! - A new view or index is a new numbered file and a line in `steps!`.
//! - A new column goes into `0001_table.sql`, for new tables, and into the table of [`Column`]. Existing tables are checked by
//!   [`table_schema`]: a missing column is an error that names it, and the operator adds it with ALTER TABLE. `column.rs` of
//!   [`crate::record`] has all steps.
//! - If `init` should add it instead, that is a numbered file with ALTER TABLE, a line in `steps!` after the table, and a
//!   variant of [`SchemaObject`] for a column, with its queries; the compiler names them. `bundle` writes all files in one
//!   directory, so a comment at the top of such a file states that it is for tables that lack the column.

use super::{Error, Reason, TableName};
use crate::record::row::{ColumnType, TableSchema};
use crate::record::{Column, MAX_TEXT_CHARS};

/// Kind of object that a step creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaObject {
    Table,
    Index,
    View,
}

impl SchemaObject {
    /// Returns true if the shadow table of a replay needs the step too. A view is about the table that it replaces; a change
    /// of existing tables is not needed, because a shadow table is created with all columns.
    #[cfg(feature = "bulk")]
    pub(super) const fn is_for_shadow_tables(self) -> bool {
        match self {
            Self::Table | Self::Index => true,
            Self::View => false,
        }
    }

    /// Returns the query that counts the objects of that name on MySQL; its arguments are the name and the table.
    pub(super) const fn count_on_mysql(self) -> &'static str {
        match self {
            Self::Table | Self::View => {
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ? AND ? <> ''"
            }
            Self::Index => {
                "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = ? AND table_name = ?"
            }
        }
    }

    /// Returns the query that counts the objects of that name on SQLite.
    #[cfg(feature = "sqlite")]
    pub(super) const fn count_on_sqlite(self) -> &'static str {
        match self {
            Self::Table => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ? AND ? <> ''",
            Self::Index => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name = ? AND tbl_name = ?",
            Self::View => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'view' AND name = ? AND ? <> ''",
        }
    }
}

/// One numbered file in `sql/<dialect>/`, which is run if its object does not exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaStep {
    pub creates: SchemaObject,
    /// Name of the object, with `{table}` for the table's name; `SchemaStep::name` returns it.
    pub name: &'static str,
    /// Name of the file in its directory.
    pub file: &'static str,
    /// Statement, with `{table}` for the table's name; `SchemaStep::sql` returns it.
    pub sql: &'static str,
}

impl SchemaStep {
    pub(super) fn name(&self, table: &TableName) -> String {
        self.name.replace("{table}", table.as_str())
    }

    pub(super) fn sql(&self, table: &TableName) -> String {
        self.sql.replace("{table}", table.as_str())
    }

    /// Returns the line that is printed after creation.
    pub(super) fn describe(&self, table: &TableName) -> String {
        let what = match self.creates {
            SchemaObject::Table => "table",
            SchemaObject::Index => "index",
            SchemaObject::View => "view",
        };
        format!("{what} {}", self.name(table))
    }
}

/// Returns the text of a file in `sql/`.
macro_rules! sql_file {
    ($($part:expr),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/", $($part),+))
    };
}
pub(super) use sql_file;

/// Declares the steps of a dialect, whose files are in `sql/<dialect>/`, with the name of its index. Each back end calls it.
macro_rules! steps {
    ($dialect:literal, $index:literal) => {
        $crate::warehouse::schema::steps! { $dialect:
            "0001_table.sql", Table, "{table}";
            "0002_index_cod_cliente_data.sql", Index, $index;
            "0003_view_lote_dia.sql", View, "{table}_lote_dia";
            "0004_view_fazenda_dia.sql", View, "{table}_fazenda_dia";
            "0005_view_repetidas.sql", View, "{table}_repetidas";
        }
    };
    ($dialect:literal: $($file:literal, $creates:ident, $name:expr;)+) => {
        &[$($crate::warehouse::schema::SchemaStep {
            creates: $crate::warehouse::schema::SchemaObject::$creates,
            name: $name,
            file: $file,
            sql: $crate::warehouse::schema::sql_file!($dialect, "/", $file),
        }),+]
    };
}
pub(super) use steps;

/// Column in `information_schema`.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnInfo {
    pub name: String,
    /// Type in lower case: `varchar`, `float`, `datetime`, …
    pub kind: String,
    pub chars: Option<u64>,
    pub decimals: Option<u64>,
    pub digits: Option<u64>,
    /// True if a row must contain a value: the column is NOT NULL and has no default.
    pub needed: bool,
    /// True if the column is generated by the server.
    pub generated: bool,
}

/// Returns the types of a real table's columns.
///
/// # Errors
/// Returns [`Reason::BadSchema`] with every column that is missing or cannot store its values.
pub(super) fn table_schema(address: &str, columns: &[ColumnInfo]) -> Result<TableSchema, Error> {
    let mut problems = Vec::new();
    let holds = Column::ALL.map(|column| {
        let found = columns.iter().find(|described| described.name.eq_ignore_ascii_case(column.name()));
        match found.map(|described| (described, column_type(described))) {
            Some((described, _)) if described.generated => {
                problems.push(format!("column {column} is generated, so it cannot be written"));
                ColumnType::Integer
            }
            Some((_, Some(holds))) if holds.kind() == column.kind() => holds,
            Some((described, _)) => {
                problems.push(format!("column {column} is {} and cannot hold it", described.kind));
                ColumnType::Integer
            }
            None => {
                problems.push(format!("column {column} is missing"));
                ColumnType::Integer
            }
        }
    });
    let ours = |described: &ColumnInfo| Column::ALL.iter().any(|c| described.name.eq_ignore_ascii_case(c.name()));
    for extra in columns.iter().filter(|described| described.needed && !ours(described)) {
        problems.push(format!("column {} needs a value that no record has: give it a default", extra.name));
    }
    if problems.is_empty() {
        return Ok(TableSchema(holds));
    }
    Err(Error::new(Reason::BadSchema, address, format!("{}: choose another --table or fix it", problems.join("; "))))
}

fn column_type(column: &ColumnInfo) -> Option<ColumnType> {
    let decimals = column.decimals.and_then(|decimals| u8::try_from(decimals).ok());
    Some(match column.kind.as_str() {
        "varchar" | "char" | "text" | "tinytext" | "mediumtext" | "longtext" => {
            ColumnType::Text { chars: column.chars.unwrap_or(MAX_TEXT_CHARS as u64) }
        }
        "float" => ColumnType::Float { decimals },
        "double" => ColumnType::Double { decimals },
        "decimal" => ColumnType::Double { decimals: Some(decimals.unwrap_or_default()) },
        "int" | "bigint" | "mediumint" | "smallint" | "tinyint" => ColumnType::Integer,
        "datetime" | "timestamp" => ColumnType::DateTime {
            digits: column.digits.and_then(|digits| u8::try_from(digits).ok()).unwrap_or_default(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str) -> ColumnInfo {
        ColumnInfo { name: name.into(), kind: kind.into(), ..ColumnInfo::default() }
    }

    fn standard() -> Vec<ColumnInfo> {
        Column::ALL
            .map(|c| {
                let kind = match TableSchema::standard().of(c) {
                    ColumnType::Text { .. } => "varchar",
                    ColumnType::Float { .. } => "float",
                    ColumnType::Double { .. } => "double",
                    ColumnType::Integer => "int",
                    ColumnType::DateTime { .. } => "datetime",
                };
                column(c.name(), kind)
            })
            .to_vec()
    }

    #[test]
    fn a_table_of_this_program_has_the_standard_schema() {
        assert_eq!(table_schema("t", &standard()).unwrap(), TableSchema::standard());
    }

    #[test]
    fn a_column_that_needs_what_no_record_has_is_named_and_so_is_one_that_takes_nothing() {
        let mut columns = standard();
        columns.push(ColumnInfo { needed: true, ..column("origem", "varchar") });
        columns.push(column("nota", "varchar"));
        columns.iter_mut().filter(|c| c.name == "consumo_meta").for_each(|c| c.generated = true);
        let e = table_schema("t", &columns).unwrap_err();
        assert!(e.message.contains("origem") && e.message.contains("consumo_meta is generated"), "{e}");
        assert!(!e.message.contains("nota"), "{e}");
    }

    #[test]
    fn every_unfit_column_is_named() {
        let mut columns = standard();
        columns.retain(|c| c.name != "id_lote");
        columns.iter_mut().filter(|c| c.name == "data").for_each(|c| c.kind = "varchar".into());
        let e = table_schema("t", &columns).unwrap_err();
        assert!(e.message.contains("column id_lote is missing") && e.message.contains("column data is varchar"), "{e}");
    }
}
