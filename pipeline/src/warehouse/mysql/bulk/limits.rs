//! Reads the limits of a real table's columns from `information_schema`.

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::super::MySql;
use crate::record::Column;
use crate::warehouse::Error;
use crate::warehouse::limits::{ColumnLimit, ColumnLimits, ColumnSizes};

impl MySql {
    pub(super) async fn read_limits(&self) -> Result<ColumnLimits, Error> {
        let read = |_| async {
            let query = sqlx::query(
                "SELECT CAST(column_name AS CHAR), LOWER(CAST(data_type AS CHAR)), \
                 CAST(column_type LIKE '%unsigned%' AS SIGNED), CAST(character_maximum_length AS SIGNED), \
                 CAST(character_set_name AS CHAR), CAST(numeric_precision AS SIGNED), CAST(numeric_scale AS SIGNED) \
                 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?",
            )
            .bind(self.table.as_str());
            let rows = self.sessions.rows(query).await?;
            let sizes: Result<Vec<_>, sqlx::Error> = rows.iter().map(sizes).collect();
            sizes.map_err(|e| self.sessions.failure(&e))
        };
        let columns = self.retry.run(Error::kind, read).await?;
        Ok(ColumnLimits(Column::ALL.map(|column| {
            let found = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column.name()));
            found.map_or(ColumnLimit::Unknown, |(_, sizes)| sizes.limit())
        })))
    }
}

fn sizes(row: &MySqlRow) -> Result<(String, ColumnSizes), sqlx::Error> {
    let number = |at: usize| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(at)?.map(i64::unsigned_abs));
    let sizes = ColumnSizes {
        kind: row.try_get(1)?,
        unsigned: number(2)? == Some(1),
        chars: number(3)?,
        set: row.try_get(4)?,
        digits: number(5)?,
        decimals: number(6)?,
    };
    Ok((row.try_get(0)?, sizes))
}
