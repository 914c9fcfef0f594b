//! The tasks by sqlx, as `pipeline::warehouse::mysql` does them.

use std::str::FromStr;
use std::sync::Arc;

use futures::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, Row as _};

use super::{BATCH, COLUMNS, DATABASE, Outcome, ROWS, Row, TABLE, insert, select_by_ids};

pub(super) struct Driver {
    connection: MySqlConnection,
    select: Arc<str>,
    insert: Arc<str>,
}

fn options(address: &str, tls: bool) -> Outcome<MySqlConnectOptions> {
    let mode = if tls { MySqlSslMode::Required } else { MySqlSslMode::Disabled };
    Ok(MySqlConnectOptions::from_str(address)?.ssl_mode(mode).disable_statement_logging())
}

pub(super) async fn connect(address: &str, tls: bool) -> Outcome<usize> {
    options(address, tls)?.database(DATABASE).connect().await?.close().await?;
    Ok(0)
}

impl Driver {
    /// Creates a session, and the tables with their rows.
    pub(super) async fn set_up(address: &str) -> Outcome<Self> {
        let mut connection = options(address, false)?.connect().await?;
        for sql in [
            format!("DROP DATABASE IF EXISTS {DATABASE}"),
            format!("CREATE DATABASE {DATABASE}"),
            format!("USE {DATABASE}"),
            format!("CREATE TABLE source {TABLE}"),
            format!("CREATE TABLE target {TABLE}"),
        ] {
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        }
        let mut driver = Self { connection, select: select_by_ids().into(), insert: insert().into() };
        for first in (0..ROWS).step_by(BATCH) {
            let rows: Vec<Row> = (first..first + BATCH).map(Row::sample).collect();
            driver.insert(&rows).await?;
            let move_on = "INSERT INTO source SELECT * FROM target; TRUNCATE target";
            driver.connection.execute(sqlx::raw_sql(move_on)).await?;
        }
        Ok(driver)
    }

    pub(super) async fn tear_down(mut self) -> Outcome<()> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {DATABASE}")))).await?;
        Ok(self.connection.close().await?)
    }

    pub(super) async fn empty_target(&mut self) -> Outcome<()> {
        self.connection.execute(sqlx::raw_sql("TRUNCATE target")).await?;
        Ok(())
    }

    pub(super) async fn select(&mut self, ids: &[String]) -> Outcome<Vec<Row>> {
        let sql = AssertSqlSafe(Arc::clone(&self.select));
        let query = ids.iter().fold(sqlx::query(sql), |query, id| query.bind(id.as_str()));
        let rows = query.fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    pub(super) async fn stream(&mut self) -> Outcome<usize> {
        let mut rows = sqlx::query("SELECT * FROM source").fetch(&mut self.connection);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            count += usize::from(!decode(&row)?.id.is_empty());
        }
        Ok(count)
    }

    pub(super) async fn insert(&mut self, rows: &[Row]) -> Outcome<usize> {
        let sql = AssertSqlSafe(Arc::clone(&self.insert));
        let mut query = sqlx::query(sql);
        for row in rows {
            query = query.bind(row.id.as_str());
            query = row.texts.iter().fold(query, |query, text| query.bind(text.as_deref()));
            query = row.weights.iter().fold(query, |query, weight| query.bind(*weight));
            query = query.bind(row.count).bind(row.times[0]).bind(row.times[1]);
        }
        let inserted = query.execute(&mut self.connection).await?.rows_affected();
        Ok(rows.len() - usize::try_from(inserted)?)
    }
}

fn decode(row: &MySqlRow) -> Result<Row, sqlx::Error> {
    debug_assert_eq!(row.len(), COLUMNS);
    Ok(Row {
        id: row.try_get(0)?,
        texts: [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?],
        weights: [row.try_get(6)?, row.try_get(7)?, row.try_get(8)?, row.try_get(9)?],
        count: row.try_get(10)?,
        times: [row.try_get(11)?, row.try_get(12)?],
    })
}
