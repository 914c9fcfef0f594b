//! SQL that creates tables over the lake and its parts in a query engine.
//!
//! The templates are in `sql/ddl`; the columns come from the column table and from the columns of a part.

use anyhow::Context as _;
use chrono::NaiveDate;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use pipeline::record::{Column, ColumnKind};

/// A query engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// Amazon Athena, version 3
    Athena,
    /// Trino with the Hive connector
    Trino,
    /// Apache Spark SQL
    Spark,
    /// `DuckDB`
    #[value(name = "duckdb")]
    DuckDb,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 4] = [Self::Athena, Self::Trino, Self::Spark, Self::DuckDb];

    /// Returns its name in file names and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Athena => "athena",
            Self::Trino => "trino",
            Self::Spark => "spark",
            Self::DuckDb => "duckdb",
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Athena => include_str!("../../sql/ddl/athena.sql.j2"),
            Self::Trino => include_str!("../../sql/ddl/trino.sql.j2"),
            Self::Spark => include_str!("../../sql/ddl/spark.sql.j2"),
            Self::DuckDb => include_str!("../../sql/ddl/duckdb.sql.j2"),
        }
    }

    /// Returns the engine's type for a kind of values.
    const fn type_of(self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Self::Athena | Self::Spark, ColumnKind::Text) => "string",
            (Self::Trino, ColumnKind::Text) => "varchar",
            (Self::DuckDb, ColumnKind::Text) => "VARCHAR",
            (Self::DuckDb, ColumnKind::Weight) => "DOUBLE",
            (_, ColumnKind::Weight) => "double",
            (Self::Athena | Self::Spark, ColumnKind::Count) => "int",
            (_, ColumnKind::Count) => "integer",
            (Self::Trino, ColumnKind::Instant) => "timestamp(6)",
            (_, ColumnKind::Instant) => "timestamp",
        }
    }

    /// Returns the type of a column of a part that is not one of a record.
    const fn types(self) -> ObjectTypes {
        match self {
            Self::Athena | Self::Spark => {
                ObjectTypes { text: "string", long: "bigint", time: "timestamp", bytes: "binary" }
            }
            Self::Trino => ObjectTypes { text: "varchar", long: "bigint", time: "timestamp(6)", bytes: "varbinary" },
            Self::DuckDb => ObjectTypes { text: "VARCHAR", long: "BIGINT", time: "TIMESTAMP", bytes: "BLOB" },
        }
    }
}

/// Types of the columns of a part that are not those of a record.
#[derive(Debug, Clone, Copy, Serialize)]
struct ObjectTypes {
    text: &'static str,
    long: &'static str,
    time: &'static str,
    bytes: &'static str,
}

/// First day of the partitions by default.
pub const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2020, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Sources of the tables, and their names.
#[derive(Debug, Clone, Serialize)]
pub struct Tables {
    /// Address of the lake, without a slash at the end.
    pub lake: String,
    /// Address of its parts, without a slash at the end.
    pub parts: String,
    /// Farms of the partitions; empty if a query must name its farm.
    pub farms: Vec<String>,
    /// First day of the partitions.
    pub since: NaiveDate,
    /// Name of the view with the records.
    pub table: String,
    /// Database or schema of the tables.
    pub database: String,
}

/// A column of a record in a template.
#[derive(Debug, Serialize)]
struct TemplateColumn {
    name: &'static str,
    kind: &'static str,
    r#type: &'static str,
}

/// Values of a template.
#[derive(Debug, Serialize)]
struct Values<'a> {
    columns: [TemplateColumn; Column::COUNT],
    types: ObjectTypes,
    #[serde(flatten)]
    tables: &'a Tables,
}

/// Returns the SQL for an engine.
///
/// # Errors
/// Returns an error if a name or address has a character that would end its quotes.
pub fn sql(engine: Engine, tables: &Tables) -> anyhow::Result<String> {
    for text in [&tables.lake, &tables.parts, &tables.database].into_iter().chain(&tables.farms) {
        anyhow::ensure!(
            !text.contains(['\'', '"', '`', ';', '\n', '\\']),
            "{text:?} cannot be written into SQL: use a name without quotes, backslashes and semicolons"
        );
    }
    let columns = Column::ALL.map(|column| TemplateColumn {
        name: column.name(),
        kind: match column.kind() {
            ColumnKind::Text => "text",
            ColumnKind::Weight => "weight",
            ColumnKind::Count => "count",
            ColumnKind::Instant => "instant",
        },
        r#type: engine.type_of(column.kind()),
    });
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_template("views", include_str!("../../sql/ddl/views.sql.j2"))?;
    environment.add_template("ddl", engine.template())?;
    let values = Values { columns, types: engine.types(), tables };
    environment
        .get_template("ddl")?
        .render(Serde(values))
        .context("the SQL cannot be written; this is a bug in ruminate")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        Tables {
            lake: "s3://bucket/historico_diario".into(),
            parts: "s3://bucket/partes".into(),
            farms: vec!["fazenda_um".into(), "fazenda_dois".into()],
            since: NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(),
            table: "historico_consumo".into(),
            database: "fazendas".into(),
        }
    }

    #[test]
    fn every_engine_has_every_column_in_both_tables_and_all_views() {
        for engine in Engine::ALL {
            for farms in [tables().farms, Vec::new()] {
                let sql = sql(engine, &Tables { farms, ..tables() }).unwrap();
                for column in Column::ALL {
                    assert!(sql.matches(column.name()).count() >= 3, "{engine:?} {column}:\n{sql}");
                }
                for name in ["_lago", "_partes", "_lote_dia", "_fazenda_dia", "_repetidas"] {
                    assert!(sql.contains(&format!("historico_consumo{name}")), "{engine:?} {name}");
                }
                for name in ["chave", "etag", "tamanho", "modificado", "rejeitado", "repaired_id", "corpo"] {
                    assert!(engine == Engine::DuckDb || sql.contains(name), "{engine:?} {name}");
                }
                assert!(!sql.contains("{{") && !sql.contains("{%"), "{sql}");
            }
        }
    }

    #[test]
    fn athena_projects_partitions_by_farm_and_day() {
        let with_farms = sql(Engine::Athena, &tables()).unwrap();
        assert!(with_farms.contains("'projection.fazenda.type' = 'enum'"), "{with_farms}");
        assert!(with_farms.contains("'projection.fazenda.values' = 'fazenda_um,fazenda_dois'"), "{with_farms}");
        assert!(with_farms.contains("'projection.dia.format' = 'yyyy/MM/dd'"), "{with_farms}");
        let without = sql(Engine::Athena, &Tables { farms: Vec::new(), ..tables() }).unwrap();
        assert!(without.contains("'projection.fazenda.type' = 'injected'"), "{without}");
    }

    #[test]
    fn names_that_would_end_their_quotes_are_rejected() {
        for lake in ["s3://b/x'", "/tmp/a\"b", "x;DROP"] {
            let e = sql(Engine::DuckDb, &Tables { lake: lake.into(), ..tables() }).unwrap_err();
            assert!(e.to_string().contains("cannot be written into SQL"), "{e}");
        }
    }
}
