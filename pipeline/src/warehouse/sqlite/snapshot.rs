//! [`Snapshot`] on SQLite: a connection of its own in a transaction, beside which the file can be written (WAL).

use futures::stream::{StreamExt, TryStreamExt};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::{Sqlite, columns, decode};
use crate::record::stored::Shape;
use crate::warehouse::snapshot::filter;
use crate::warehouse::{Error, Pages, Snapshot, Window};

/// A transaction that only reads.
struct Reading {
    of: Sqlite,
    connection: SqliteConnection,
    shape: Shape,
}

impl Sqlite {
    /// Begins one.
    pub(super) async fn reading(&self, shape: &Shape) -> Result<Box<dyn Snapshot>, Error> {
        let mut connection = self.options.clone().connect().await.map_err(|e| self.failure(&e))?;
        // The first statement that reads is what fixes the moment.
        let begin = format!("BEGIN; SELECT 1 FROM \"{}\" LIMIT 1", self.table);
        connection.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(|e| self.failure(&e))?;
        Ok(Box::new(Reading { of: self.clone(), connection, shape: *shape }))
    }
}

impl Snapshot for Reading {
    fn scan(&mut self, after: Option<String>, limit: u32, page: usize, windows: &[Window]) -> Pages<'_> {
        let (filter, times) = filter(windows, after.is_some());
        let (list, table) = (columns(), &self.of.table);
        let sql = format!("SELECT {list} FROM \"{table}\" {filter} ORDER BY id_treated_data LIMIT ?");
        let query = times.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        let query = after.into_iter().fold(query, sqlx::query::Query::bind).bind(limit);
        let (of, shape) = (&self.of, &self.shape);
        let rows = query.fetch(&mut self.connection).map(|row| row.and_then(|row| decode(&row, shape)));
        rows.try_chunks(page).map_err(|e| of.failure(&e.1)).boxed()
    }
}
