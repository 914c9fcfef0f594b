//! Statements of the schema in MySQL: the steps of `init`, the journal, and files for manual use.

use crate::warehouse::TableName;
use crate::warehouse::schema::{SchemaStep, sql_file, steps};

/// Steps of `init`.
pub(super) const STEPS: &[SchemaStep] = steps!("mysql", "idx_cod_cliente_data");

/// Journal of bulk runs, which `init` does not create.
#[cfg(feature = "bulk")]
pub(super) const JOURNAL: &str = sql_file!("mysql/journal.sql");

/// Returns the statements of `init` on MySQL as files for manual use: the name of each file, and its statement for that
/// table.
pub fn mysql_files(table: &TableName) -> impl Iterator<Item = (&'static str, String)> {
    STEPS.iter().map(move |step| (step.file, format!("{};\n", step.sql(table).trim_end())))
}

/// Returns the statements that create accounts with the privileges of each program, for manual use after `init`.
pub fn mysql_accounts(table: &TableName) -> String {
    sql_file!("mysql/accounts.sql").replace("{table}", table.as_str())
}
