//! [`Snapshot`] on MySQL and MariaDB: a session in a read-only transaction. It is always REPEATABLE READ, because with
//! other isolation levels each statement would show a different point in time.

use std::sync::Arc;

use futures::stream::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Executor};

use super::MySql;
use super::pool::Session;
use super::values::{decode, select_list};
use crate::record::row::TableSchema;
use crate::warehouse::snapshot::filter;
use crate::warehouse::{Error, IdRange, Pages, Snapshot, TimeWindow};

/// Statements that start a snapshot; the first applies to the next transaction only.
const BEGIN: [&str; 2] =
    ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"];

/// Session in a snapshot transaction; it is closed afterwards, never reused.
struct SnapshotSession {
    of: MySql,
    session: Session,
    schema: TableSchema,
}

impl MySql {
    /// Starts a snapshot.
    pub(super) async fn reading(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        let mut session = self.sessions.get().await?;
        for statement in BEGIN {
            let started = session.connection().execute(sqlx::raw_sql(statement)).await;
            started.map_err(|e| self.sessions.failure(&e))?;
        }
        Ok(Box::new(SnapshotSession { of: self.clone(), session, schema: *schema }))
    }
}

impl Snapshot for SnapshotSession {
    fn scan(&mut self, ids: IdRange, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_> {
        let (filter, times) = filter(windows, &ids);
        let (list, table) = (select_list(&self.schema), &self.of.table);
        let sql: Arc<str> = format!("SELECT {list} FROM `{table}` {filter} ORDER BY id_treated_data LIMIT ?").into();
        let query = times.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        let limits = ids.after.into_iter().chain(ids.until);
        let query = limits.fold(query, sqlx::query::Query::bind).bind(limit);
        let (of, schema) = (&self.of, &self.schema);
        let rows = query.fetch(self.session.connection()).map(|row| row.and_then(|row| decode(&row, schema)));
        rows.try_chunks(page).map_err(|e| of.sessions.failure(&e.1)).boxed()
    }
}
