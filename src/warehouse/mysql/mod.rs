//! A warehouse in MySQL or MariaDB, through sqlx: sessions in UTC and strict mode, values bound in their binary types.
//!
//! Every statement that reads values has a bound argument, because sqlx sends one without over the text protocol,
//! which shows FLOAT in six digits. TLS is as the address asks (`ssl-mode`, `ssl-ca`).

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _};
use tokio::sync::OnceCell;
use url::Url;

use explain::explain;
use values::{bind, decode, select_list};

use super::schema::{self, Creates, Described};
use super::{Error, Insert, Reason, Status, TableName, Warehouse, Window};
use crate::record::Column;
use crate::record::stored::{Holds, Row, Shape};
use crate::retry::Retry;

mod explain;
mod values;

/// How long to wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// How long the first connection may take.
const REACH: Duration = Duration::from_secs(5);

/// Ids a lookup: one statement of a fixed size, filled up with its last id.
const LOOKUP: usize = 1_000;

const STRICT: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                      ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'";

/// A table in MySQL.
#[derive(Debug, Clone)]
pub struct MySql {
    pool: MySqlPool,
    options: MySqlConnectOptions,
    reached: Arc<OnceCell<()>>,
    table: TableName,
    address: String,
    retry: Retry,
}

impl MySql {
    /// The table at that address; connects when first used, with at most so many connections.
    ///
    /// # Errors
    /// [`Reason::BadAddress`] where sqlx cannot read the address's options.
    pub fn new(url: &Url, table: TableName, connections: u32, retry: Retry) -> Result<Self, Error> {
        let shown = super::WarehouseUrl::MySql(url.clone()).to_string();
        let options = MySqlConnectOptions::from_str(url.as_str())
            .map_err(|e| Error::new(Reason::BadAddress, &shown, format!("the address cannot be read: {e}")))?
            .disable_statement_logging();
        let pool = MySqlPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(STRICT).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options, reached: Arc::default(), address: format!("{shown} table {table}"), table, retry })
    }

    /// The pool, for tests that damage a table on purpose.
    pub fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// Connects once outside the pool, which would try until its time is up and not say why it cannot.
    async fn reach(&self) -> Result<(), Error> {
        let connect = async || {
            let connected = tokio::time::timeout(REACH, self.options.connect()).await;
            let silent =
                || Error::new(Reason::Unreachable, &self.address, "no answer within 5 s: check host, port and network");
            let connection = connected.map_err(|_| silent())?.map_err(|e| self.failure(&e))?;
            connection.close().await.map_err(|e| self.failure(&e))
        };
        self.reached.get_or_try_init(connect).await.copied()
    }

    fn failure(&self, e: &sqlx::Error) -> Error {
        let (reason, message) = explain(e, &self.table);
        Error::new(reason, &self.address, message)
    }

    async fn exists(&self, creates: Creates, name: &str) -> Result<bool, sqlx::Error> {
        let sql = match creates {
            Creates::Table | Creates::View => {
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ? AND ? <> ''"
            }
            Creates::Index => {
                "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = ? AND table_name = ?"
            }
        };
        let count: i64 = sqlx::query_scalar(sql).bind(name).bind(self.table.as_str()).fetch_one(&self.pool).await?;
        Ok(count > 0)
    }

    async fn described(&self) -> Result<Vec<Described>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT CAST(column_name AS CHAR), LOWER(CAST(data_type AS CHAR)), CAST(character_maximum_length AS SIGNED), \
             CAST(numeric_scale AS SIGNED), CAST(datetime_precision AS SIGNED) \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?",
        )
        .bind(self.table.as_str())
        .fetch_all(&self.pool)
        .await?;
        let number = |row: &MySqlRow, at: usize| -> Result<Option<u64>, sqlx::Error> {
            Ok(row.try_get::<Option<i64>, _>(at)?.map(i64::unsigned_abs))
        };
        rows.iter()
            .map(|row| {
                Ok(Described {
                    name: row.try_get(0)?,
                    kind: row.try_get(1)?,
                    chars: number(row, 2)?,
                    decimals: number(row, 3)?,
                    digits: number(row, 4)?,
                })
            })
            .collect()
    }

    /// Whether an index makes `id_treated_data` unique by itself.
    async fn ids_are_unique(&self) -> Result<bool, sqlx::Error> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM information_schema.statistics one WHERE table_schema = DATABASE() AND table_name = ? \
             AND non_unique = 0 AND column_name = 'id_treated_data' AND nullable <> 'YES' AND NOT EXISTS (SELECT 1 FROM information_schema.statistics more \
             WHERE more.table_schema = one.table_schema AND more.table_name = one.table_name AND more.index_name = one.index_name \
             AND more.seq_in_index = 2)",
        )
        .bind(self.table.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(count > 0)
    }

    async fn rows(
        &self,
        sql: String,
        bind: &[&str],
        limit: Option<u32>,
        times: &[NaiveDateTime],
        shape: &Shape,
    ) -> Result<Vec<Row>, Error> {
        let sql: Arc<str> = sql.into();
        let run = |_| async {
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&sql)));
            for text in bind {
                query = query.bind(*text);
            }
            for time in times {
                query = query.bind(*time);
            }
            if let Some(limit) = limit {
                query = query.bind(limit);
            }
            let rows = query.fetch_all(&self.pool).await.map_err(|e| self.failure(&e))?;
            rows.iter().map(|row| decode(row, shape)).collect::<Result<Vec<Row>, _>>().map_err(|e| self.failure(&e))
        };
        self.retry.run(Error::kind, run).await
    }

    async fn setting(&self, name: &str) -> Option<String> {
        let row =
            sqlx::query("SELECT variable_value FROM performance_schema.session_variables WHERE variable_name = ?")
                .bind(name)
                .fetch_optional(&self.pool)
                .await;
        match row {
            Ok(Some(row)) => row.try_get::<String, _>(0).ok(),
            _ => {
                let sql = AssertSqlSafe(format!("SELECT CAST(@@{name} AS CHAR)"));
                sqlx::query_scalar(sql).fetch_one(&self.pool).await.ok()
            }
        }
    }
}

#[async_trait]
impl Warehouse for MySql {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        self.reach().await?;
        let mut created = Vec::new();
        for step in schema::MYSQL {
            if !self.exists(step.creates, &step.name(&self.table)).await.map_err(|e| self.failure(&e))? {
                let sql = AssertSqlSafe(step.sql(&self.table));
                self.pool.execute(sqlx::raw_sql(sql)).await.map_err(|e| self.failure(&e))?;
                created.push(step.describe(&self.table));
            }
        }
        Ok(created)
    }

    async fn shape(&self) -> Result<Shape, Error> {
        self.reach().await?;
        let columns =
            self.retry.run(Error::kind, |_| async { self.described().await.map_err(|e| self.failure(&e)) }).await?;
        if columns.is_empty() {
            let message = format!("no table {}: run `ruminate init`, or name another with --table", self.table);
            return Err(Error::new(Reason::NoTable, &self.address, message));
        }
        let shape = schema::shape(&self.address, &columns)?;
        if !self.ids_are_unique().await.map_err(|e| self.failure(&e))? {
            return Err(Error::new(
                Reason::BadSchema,
                &self.address,
                "id_treated_data has no primary or unique NOT NULL key of its own: add one",
            ));
        }
        Ok(shape)
    }

    async fn insert(&self, rows: &[Row], _: &Shape) -> Result<Insert, Error> {
        let columns = Column::ALL.map(|column| format!("`{column}`")).join(", ");
        let one = format!("({})", ["?"; 13].join(", "));
        let sql = format!("INSERT INTO `{}` ({columns}) VALUES {}", self.table, vec![one; rows.len()].join(", "));
        let sql: Arc<str> = sql.into();
        let run = |_| async {
            let query = rows.iter().flat_map(|row| &row.0).fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            match query.execute(&self.pool).await {
                Ok(_) => Ok(Insert::Done),
                Err(e) if e.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) => {
                    Ok(Insert::Taken)
                }
                Err(e) => Err(self.failure(&e)),
            }
        };
        self.retry.run(Error::kind, run).await
    }

    async fn fetch(&self, ids: &[String], shape: &Shape) -> Result<Vec<Row>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let size = if chunk.len() == 1 { 1 } else { LOOKUP };
            let mut bind: Vec<&str> = chunk.iter().map(String::as_str).collect();
            bind.resize(size, chunk[chunk.len() - 1].as_str());
            let marks = vec!["?"; size].join(", ");
            let sql = format!("SELECT {} FROM `{}` WHERE id_treated_data IN ({marks})", select_list(shape), self.table);
            found.extend(self.rows(sql, &bind, None, &[], shape).await?);
        }
        Ok(found)
    }

    async fn scan(
        &self,
        after: Option<&str>,
        limit: u32,
        window: Option<&Window>,
        shape: &Shape,
    ) -> Result<Vec<Row>, Error> {
        let (mut conditions, mut times) = (Vec::new(), Vec::new());
        if after.is_some() {
            conditions.push("id_treated_data > ?".to_owned());
        }
        if let Some(window) = window {
            for (edge, sign) in [(window.from, ">="), (window.until, "<")] {
                if let Some(at) = edge {
                    conditions.push(format!("`{}` {sign} ?", window.column));
                    times.push(at);
                }
            }
        }
        let filter = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let sql =
            format!("SELECT {} FROM `{}` {filter} ORDER BY id_treated_data LIMIT ?", select_list(shape), self.table);
        self.rows(sql, after.as_slice(), Some(limit), &times, shape).await
    }

    async fn replace(&self, old: &Row, new: &Row, shape: &Shape) -> Result<bool, Error> {
        let set = Column::ALL.map(|column| format!("`{column}` = ?")).join(", ");
        // A FLOAT is compared as the server's own f32: bound as f32, cast back, never as decimal text.
        let guard = Column::ALL.map(|column| match shape.of(column) {
            Holds::Double { decimals: Some(_) } => format!("CAST(`{column}` AS DOUBLE) <=> ?"),
            Holds::Text { .. } => format!("BINARY CONVERT(`{column}` USING utf8mb4) <=> BINARY ?"),
            _ => format!("`{column}` <=> ?"),
        });
        let sql: Arc<str> = format!("UPDATE `{}` SET {set} WHERE {}", self.table, guard.join(" AND ")).into();
        let run = |_| async {
            let query = new.0.iter().chain(&old.0).fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            query.execute(&self.pool).await.map(|done| done.rows_affected() > 0).map_err(|e| self.failure(&e))
        };
        self.retry.run(Error::kind, run).await
    }

    async fn status(&self) -> Result<Status, Error> {
        self.reach().await?;
        let (version, clock): (String, NaiveDateTime) =
            sqlx::query_as("SELECT CAST(VERSION() AS CHAR), UTC_TIMESTAMP(6) FROM (SELECT ? AS x) one")
                .bind(1)
                .fetch_one(&self.pool)
                .await
                .map_err(|e| self.failure(&e))?;
        let rows = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT COUNT(*) FROM `{}`", self.table)))
            .fetch_one(&self.pool)
            .await;
        let mut settings = BTreeMap::new();
        for name in [
            "sql_mode",
            "local_infile",
            "max_allowed_packet",
            "read_only",
            "character_set_server",
            "collation_server",
            "version_comment",
        ] {
            if let Some(value) = self.setting(name).await {
                settings.insert(name.to_owned(), value);
            }
        }
        let grants = sqlx::query_scalar("SHOW GRANTS").fetch_all(&self.pool).await.unwrap_or_default();
        let rows = rows.ok().map(i64::unsigned_abs);
        Ok(Status { version, clock: Some(clock), rows, settings, grants })
    }
}
