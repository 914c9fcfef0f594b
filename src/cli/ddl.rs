//! `ruminate ddl`: SQL that creates tables over the lake and its parts in a query engine.

use super::flags::{lake_help, slug};
use super::times::day;
use crate::ddl::{self, Engine, Tables};
use crate::render::Rendered;
use chrono::NaiveDate;
use pipeline::lake::LakeUrl;
use pipeline::record::{PARTS, Slug};
use pipeline::warehouse::TableName;

/// Print SQL that creates tables over the lake and its parts
///
/// For Athena, Trino, Spark or DuckDB.
///
/// The SQL creates a table over the JSON objects with all columns as text, a table over the parts, typed views of both,
/// and the views of the warehouse under the same names.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Query engine
    #[arg(long, value_enum, value_name = "ENGINE")]
    engine: Engine,
    #[arg(long, value_name = "URL", help = lake_help(""))]
    lake: LakeUrl,
    /// Farms of the table's partitions (repeatable) [default: a query must name its farm]
    #[arg(long = "farm", value_name = "SLUG", value_parser = slug)]
    farms: Vec<Slug>,
    /// First day of the table's partitions
    #[arg(long, value_name = "DATE", default_value_t = ddl::FIRST_DAY, value_parser = day)]
    since: NaiveDate,
    /// Name of the view with the records; other tables and views begin with it
    #[arg(long, value_name = "NAME", default_value_t)]
    view: TableName,
    /// Database or schema of the tables
    #[arg(long, value_name = "NAME", default_value = "fazendas")]
    database: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Rendered> {
    let (lake, parts) = args.lake.query_locations(PARTS);
    let tables = Tables {
        lake,
        parts,
        farms: args.farms.iter().map(|farm| farm.as_str().to_owned()).collect(),
        since: args.since,
        table: args.view.to_string(),
        database: args.database.clone(),
    };
    Ok(Rendered::verbatim(ddl::sql(args.engine, &tables)?))
}
